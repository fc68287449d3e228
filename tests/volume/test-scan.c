/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/nifti-write.h"
#include "volume/phantom.h"
#include "volume/scan.h"
#include "volume/sha256.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

enum
{
  NX = 7,
  NY = 5,
  NZ = 6,
  N = NX * NY * NZ
};

static VolumeGeometry
make_geometry (const double affine[4][4])
{
  const int size[3] = { NX, NY, NZ };
  VolumeGeometry g;

  g_assert_true (volume_geometry_init (&g, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  return g;
}

static const double plain[4][4] = {
  { 2, 0, 0, 0 }, { 0, 2, 0, 0 }, { 0, 0, 3, 0 }, { 0, 0, 0, 1 }
};

static double
stored_value (VolumeDtype dtype, int v)
{
  gboolean is_signed = dtype == VOLUME_DTYPE_I8 || dtype == VOLUME_DTYPE_I16
                       || dtype == VOLUME_DTYPE_I32 || dtype == VOLUME_DTYPE_I64
                       || dtype >= VOLUME_DTYPE_F32;

  return v % 100 - (is_signed ? 50 : 0);
}

static VolumeScan *
make_scan (const VolumeGeometry *geometry, VolumeDtype dtype, double slope, double inter)
{
  gsize width = volume_dtype_get_size (dtype);
  guint8 *stored = g_malloc (N * width);

  for (int v = 0; v < N; v++)
    {
      double x = stored_value (dtype, v);
      gint64 whole = (gint64) x;
      float f = (float) x;

      if (dtype == VOLUME_DTYPE_F64)
        memcpy (stored + v * width, &x, width);
      else if (dtype == VOLUME_DTYPE_F32)
        memcpy (stored + v * width, &f, width);
      else /* little-endian machines; the tests run on these */
        memcpy (stored + v * width, &whole, width);
    }
  return volume_scan_new_take (geometry, dtype, g_bytes_new_take (stored, N * width), slope, inter);
}

static void
test_values_of_all_types (void)
{
  VolumeGeometry g = make_geometry (plain);

  for (int dtype = VOLUME_DTYPE_U8; dtype <= VOLUME_DTYPE_F64; dtype++)
    for (int scaled = 0; scaled < 2; scaled++)
      {
        double slope = scaled ? 0.25 : 1.0, inter = scaled ? -3.0 : 0.0;
        g_autoptr (VolumeScan) scan = make_scan (&g, dtype, slope, inter);
        const VolumeBox box = { { 2, 1, 3 }, { 6, 4, 5 } };
        float values[4 * 3 * 2];
        int n = 0;

        volume_scan_read_box (scan, &box, values);
        for (int k = 3; k < 5; k++)
          for (int j = 1; j < 4; j++)
            for (int i = 2; i < 6; i++, n++)
              {
                double expected = stored_value (dtype, (k * NY + j) * NX + i) * slope + inter;

                g_assert_cmpfloat (values[n], ==, (float) expected);
                g_assert_cmpfloat (volume_scan_get_value (scan, i, j, k), ==, (float) expected);
              }
      }
}

/* A slice read in screen order is what the frame says, voxel by voxel, for turned grids too. */
static void
test_slices (void)
{
  static const double affines[][4][4] = {
    { { 2, 0, 0, 0 }, { 0, 2, 0, 0 }, { 0, 0, 3, 0 }, { 0, 0, 0, 1 } },
    { { -2, 0, 0, 0 }, { 0, -2, 0, 0 }, { 0, 0, 3, 0 }, { 0, 0, 0, 1 } },
    { { 0, 0, 3, 0 }, { -2, 0, 0, 0 }, { 0, -2, 0, 0 }, { 0, 0, 0, 1 } },
    { { 0.1, -2, 0, 9 }, { 0.2, 0.1, 3, 9 }, { 1.9, 0, 0.3, 9 }, { 0, 0, 0, 1 } },
  };

  for (gsize a = 0; a < G_N_ELEMENTS (affines); a++)
    {
      VolumeGeometry g = make_geometry (affines[a]);
      g_autoptr (VolumeScan) scan = make_scan (&g, VOLUME_DTYPE_I16, 1, 0);

      for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
        {
          VolumeSliceFrame frame;
          float pixels[N];

          volume_geometry_get_slice_frame (&g, plane, &frame);
          for (int index = 0; index < frame.n_slices; index++)
            {
              volume_scan_read_slice (scan, plane, index, pixels);
              for (int v = 0; v < frame.n_v; v++)
                for (int u = 0; u < frame.n_u; u++)
                  {
                    double ijk[3];

                    volume_slice_frame_to_ijk (&frame, u, v, index, ijk);
                    g_assert_cmpfloat (
                        pixels[v * frame.n_u + u], ==,
                        volume_scan_get_value (scan, (int) ijk[0], (int) ijk[1], (int) ijk[2]));
                  }
            }
        }
    }
}

static VolumeScan *
make_float_scan (const float *values, double slope, double inter)
{
  VolumeGeometry g = make_geometry (plain);

  return volume_scan_new_take (&g, VOLUME_DTYPE_F32, g_bytes_new (values, N * sizeof *values),
                               slope, inter);
}

static void
test_range_and_window (void)
{
  float values[N], min, max;
  double centre, width;

  for (int v = 0; v < N; v++)
    values[v] = v;
  values[3] = NAN;
  values[4] = INFINITY;
  values[5] = -INFINITY;
  values[0] = -7;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, -2, 1);

    volume_scan_get_range (scan, &min, &max);
    g_assert_cmpfloat (min, ==, -2.0f * (N - 1) + 1);
    g_assert_cmpfloat (max, ==, 15);
    g_assert_true (isnan (volume_scan_get_value (scan, 3, 0, 0)));
    volume_scan_get_default_window (scan, &centre, &width);
    g_assert_cmpfloat (width, >, 0.97 * 2 * N);
    g_assert_cmpfloat (width, <, 2 * N + 16);
  }
  for (int v = 0; v < N; v++)
    values[v] = -1000 + 10 * v;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, 1, 0);

    volume_scan_get_default_window (scan, &centre, &width); /* CT: soft tissue */
    g_assert_cmpfloat (centre, ==, 40);
    g_assert_cmpfloat (width, ==, 400);
  }
  for (int v = 0; v < N; v++)
    values[v] = 3e30f;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, 1, 0);

    volume_scan_get_default_window (scan, &centre, &width);
    g_assert_cmpfloat (width, >, 0);
    g_assert_cmpfloat ((float) (centre + 0.5 * width), >, (float) (centre - 0.5 * width));
  }
  for (int v = 0; v < N; v++)
    values[v] = v % 2 ? 3e38f : -3e38f;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, 1e10, 0);

    volume_scan_get_range (scan, &min, &max);
    g_assert_true (isfinite (min) && isfinite (max));
    volume_scan_get_default_window (scan, &centre, &width);
    g_assert_true (isfinite (centre) && isfinite (width));
  }
  for (int v = 0; v < N; v++)
    values[v] = NAN;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, 1, 0);

    volume_scan_get_range (scan, &min, &max);
    g_assert_cmpfloat (min, ==, 0);
    g_assert_cmpfloat (max, ==, 0);
    volume_scan_get_default_window (scan, &centre, &width);
    g_assert_cmpfloat (width, >, 0);
  }
}

static void
test_read_labels (void)
{
  float values[N] = { 0 };
  guint16 labels[N];
  g_autoptr (GError) error = NULL;

  values[0] = 65535;
  values[1] = 3;
  {
    g_autoptr (VolumeScan) scan = make_float_scan (values, 1, 0);

    g_assert_true (volume_scan_read_labels (scan, labels, &error));
    g_assert_cmpuint (labels[0], ==, 65535);
    g_assert_cmpuint (labels[1], ==, 3);
  }
  for (int bad = 0; bad < 4; bad++)
    {
      values[2] = (float[]){ 0.5f, -1.0f, 65536.0f, NAN }[bad];
      {
        g_autoptr (VolumeScan) scan = make_float_scan (values, 1, 0);

        g_assert_false (volume_scan_read_labels (scan, labels, &error));
        g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
        g_clear_error (&error);
      }
    }
}

typedef struct
{
  char *folder;
} Folder;

static void
folder_set_up (Folder *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("crosslabel-scan-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
}

static void
folder_tear_down (Folder *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

typedef struct
{
  GMainLoop *loop;
  VolumeScan *scan;
  GError *error;
} Loading;

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Loading *loading = user_data;

  loading->scan = volume_scan_load_finish (result, &loading->error);
  g_main_loop_quit (loading->loop);
}

static void
test_load_async (Folder *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "phantom_004.nii.gz", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Loading loading = { .loop = loop };
  g_autoptr (VolumeScan) scan = NULL;
  g_autofree guint8 *labels = NULL;
  const VolumePhantomParams params = { .seed = 9, .index = 4, .size = { 24, 25, 16 } };

  g_assert_true (volume_phantom_write (&params, fixture->folder, NULL, NULL, NULL));
  volume_scan_load_async (path, 0, NULL, loaded_cb, &loading);
  g_main_loop_run (loop);
  g_assert_no_error (loading.error);
  scan = volume_phantom_create (&params, &labels, NULL);
  g_assert_cmpmem (volume_scan_get_stored (loading.scan),
                   volume_scan_get_n_voxels (loading.scan) * 2, volume_scan_get_stored (scan),
                   volume_scan_get_n_voxels (scan) * 2);
  g_assert_true (volume_geometry_equal (volume_scan_get_geometry (loading.scan),
                                        volume_scan_get_geometry (scan), 0));
  g_assert_cmpuint (strlen (volume_scan_get_sha256 (loading.scan)), ==, 64);
  volume_scan_unref (loading.scan);

  volume_scan_load_async ("/nowhere/nothing.nii", 0, NULL, loaded_cb, &loading);
  g_main_loop_run (loop);
  g_assert_null (loading.scan);
  g_assert_error (loading.error, VOLUME_ERROR, VOLUME_ERROR_NOT_FOUND);
  g_clear_error (&loading.error);
  {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();

    g_cancellable_cancel (cancellable);
    volume_scan_load_async (path, 0, cancellable, loaded_cb, &loading);
    g_main_loop_run (loop);
    g_assert_null (loading.scan);
    g_assert_error (loading.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error (&loading.error);
  }
}

/* What cannot be written leaves what was there, and nothing else. */
static void
test_write_is_whole_or_not (Folder *fixture, gconstpointer data)
{
  VolumeGeometry g = make_geometry (plain);
  g_autoptr (VolumeScan) scan = make_scan (&g, VOLUME_DTYPE_I16, 1, 0);
  g_autofree char *path = g_build_filename (fixture->folder, "a.nii", NULL);
  g_autofree char *nowhere = g_build_filename (fixture->folder, "no", "a.nii", NULL);
  g_autofree char *odd = g_build_filename (fixture->folder, "a.img", NULL);
  guint16 labels[N] = { 1, 2, 3 };
  g_autoptr (GError) error = NULL;

  g_assert_true (volume_nifti_write_labels (path, scan, labels, &error));
  g_assert_false (volume_nifti_write_labels (nowhere, scan, labels, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_IO);
  g_clear_error (&error);
  g_assert_false (volume_nifti_write_labels (odd, scan, labels, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  {
    /* A disk that fills up. */
    const struct rlimit little = { 200, RLIM_INFINITY }, much = { RLIM_INFINITY, RLIM_INFINITY };
    g_autoptr (GDir) dir = NULL;
    guint16 other[N] = { 9 };

    signal (SIGXFSZ, SIG_IGN);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &little), ==, 0);
    g_assert_false (volume_nifti_write_labels (path, scan, other, &error));
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &much), ==, 0);
    g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_IO);
    g_clear_error (&error);
    dir = g_dir_open (fixture->folder, 0, NULL);
    g_assert_cmpstr (g_dir_read_name (dir), ==, "a.nii");
    g_assert_null (g_dir_read_name (dir));
  }
  {
    g_autoptr (VolumeScan) back = volume_scan_load_labels (path, &error);
    guint16 read[N];

    g_assert_no_error (error);
    g_assert_true (volume_scan_read_labels (back, read, &error));
    g_assert_cmpmem (read, sizeof read, labels, sizeof labels);
    g_assert_cmpint (volume_scan_get_dtype (back), ==, VOLUME_DTYPE_U8);
    g_assert_true (volume_geometry_equal (volume_scan_get_geometry (back), &g, 1e-6));
  }
  labels[7] = 300;
  g_assert_true (volume_nifti_write_labels (path, scan, labels, &error));
  {
    g_autoptr (VolumeScan) back = volume_scan_load_labels (path, &error);

    g_assert_cmpint (volume_scan_get_dtype (back), ==, VOLUME_DTYPE_U16);
    g_assert_cmpfloat (volume_scan_get_value (back, 0, 1, 0), ==, 300);
  }
}

static void
test_sha256 (void)
{
  /* FIPS 180-4 and NIST's long message; then pieces of every size against GLib's. */
  static const struct
  {
    const char *text, *hash;
  } known[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
  };
  g_autofree guint8 *data = g_malloc (100000);
  VolumeSha256 sha;

  for (gsize t = 0; t < G_N_ELEMENTS (known); t++)
    {
      g_autofree char *hash = NULL;

      volume_sha256_init (&sha);
      volume_sha256_update (&sha, known[t].text, strlen (known[t].text));
      hash = volume_sha256_finish (&sha);
      g_assert_cmpstr (hash, ==, known[t].hash);
    }
  for (int b = 0; b < 100000; b++)
    data[b] = (guint8) (b * 7 + b / 256);
  for (gsize piece = 1; piece < 200; piece += 3)
    {
      gsize n = 1000 + piece * 37;
      g_autofree char *expected = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, n);
      g_autofree char *hash = NULL;

      volume_sha256_init (&sha);
      for (gsize at = 0; at < n; at += piece)
        volume_sha256_update (&sha, data + at, MIN (piece, n - at));
      hash = volume_sha256_finish (&sha);
      g_assert_cmpstr (hash, ==, expected);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/scan/values-of-all-types", test_values_of_all_types);
  g_test_add_func ("/volume/scan/slices", test_slices);
  g_test_add_func ("/volume/scan/range-and-window", test_range_and_window);
  g_test_add_func ("/volume/scan/read-labels", test_read_labels);
  g_test_add ("/volume/scan/load-async", Folder, NULL, folder_set_up, test_load_async,
              folder_tear_down);
  g_test_add ("/volume/scan/write-is-whole-or-not", Folder, NULL, folder_set_up,
              test_write_is_whole_or_not, folder_tear_down);
  g_test_add_func ("/volume/scan/sha256", test_sha256);
  return g_test_run ();
}
