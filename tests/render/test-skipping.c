/* SPDX-License-Identifier: Apache-2.0 */
/* Rays of the 3-D view leave out what cannot show: the same pictures come from a device that looks
 * everywhere. */
#include "render/volume-view.h"

#include <math.h>
#include <string.h>

#include "tests/render/fixture.h"

#define SIDE 72

static const int size[3] = { 96, 72, 40 };
/* Thick slices: the surfaces are smoothed by several texels along i and j. */
static const double affine[4][4] = {
  { -0.8, 0, 0, 40 }, { 0, 0.8, 0, -30 }, { 0, 0, 2.0, -40 }, { 0, 0, 0, 1 }
};

static guint16 *
at (guint16 *ids, int i, int j, int k)
{
  return &ids[((gsize) k * (gsize) size[1] + (gsize) j) * (gsize) size[0] + (gsize) i];
}

static double
from (int i, int j, int k, int ci, int cj, int ck)
{
  return sqrt (0.64 * (i - ci) * (i - ci) + 0.64 * (j - cj) * (j - cj) + 4.0 * (k - ck) * (k - ck));
}

/* Balls, one hollow, sheets, a thread and a speck, some at the ends of the grid. */
static void
put_labels (guint16 *ids, int n_labels)
{
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        {
          const double a = from (i, j, k, 25, 40, 15), b = from (i, j, k, 80, 20, 30);

          if (a < 12.0 && a > 5.0)
            *at (ids, i, j, k) = 1;
          if (b < 7.0)
            *at (ids, i, j, k) = (guint16) (2 + (i + j) % (n_labels - 1));
          /* Sheets in the middle of a block and at either edge of one. */
          if (k > 5 && k < 30
              && ((j == 60 && i > 40 && i < 50) || (j == 56 && i > 50 && i < 60)
                  || (j == 47 && i > 60 && i < 70)))
            *at (ids, i, j, k) = 2;
        }
  for (int i = 0; i < size[0]; i++)
    for (int j = 0; j < 3; j++)
      *at (ids, i, j, 1) = *at (ids, i, j, 0) = (guint16) n_labels;
  *at (ids, 95, 71, 39) = 1;
}

typedef struct
{
  RenderDevice *device;
  RenderScan *scan;
  RenderLabels *labels;
} Side;

static void
side_open (Side *side, VolumeScan *volume, const guint16 *ids, gboolean step_through)
{
  g_autoptr (GBytes) bytes =
      g_bytes_new (ids, (gsize) size[0] * (gsize) size[1] * (gsize) size[2] * sizeof *ids);

  side->device = fixture_open (&(RenderDeviceParams){ .step_through = step_through });
  side->scan = render_scan_new (side->device, volume);
  side->labels = render_labels_new (side->device, size);
  render_labels_update_array (side->labels, bytes);
}

static void
side_close (Side *side)
{
  render_labels_unref (side->labels);
  render_scan_unref (side->scan);
  render_device_wait_sync (side->device);
  render_device_unref (side->device);
}

static RenderFrame *
draw (const Side *side, RenderVolumeParams params)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame;

  params.scan = side->scan;
  params.labels = side->labels;
  frame = render_volume_sync (side->device, &params, &error);
  g_assert_no_error (error);
  return frame;
}

/* How many pixels show something. */
static int
assert_same (const Side *sides, const RenderVolumeParams *params)
{
  g_autoptr (RenderFrame) skipping = draw (&sides[0], *params);
  g_autoptr (RenderFrame) looking = draw (&sides[1], *params);
  int shown = 0;

  for (int y = 0; y < render_frame_get_height (skipping); y++)
    for (int x = 0; x < render_frame_get_width (skipping); x++)
      {
        const guint8 *a = fixture_pixel (skipping, x, y), *b = fixture_pixel (looking, x, y);

        for (int c = 0; c < 4; c++)
          g_assert_cmpint (ABS (a[c] - b[c]), <=, 1);
        shown += a[0] != 0 || a[1] != 0 || a[2] != 0;
      }
  return shown;
}

static void
assert_all_same (const Side *sides)
{
  static const double views[][2] = { { 90, 0 }, { 37, 21 }, { 215, -90 } };

  for (gsize v = 0; v < G_N_ELEMENTS (views); v++)
    for (int mode = 0; mode <= RENDER_VOLUME_MODE_PLANES; mode++)
      for (int look = 0; look < 4; look++)
        {
          const RenderVolumeParams params = {
            .width = SIDE,
            .height = SIDE,
            .mode = (RenderVolumeMode) mode,
            .quality = look == 3 ? RENDER_QUALITY_MOVING : RENDER_QUALITY_FINAL,
            .azimuth_deg = views[v][0],
            .elevation_deg = views[v][1],
            .zoom = look == 2 ? 2.5 : 1.0,
            .window_centre = 500.0,
            .window_width = 600.0,
            .label_opacity = look == 1 ? 0.4 : 1.0,
            .cut = look == 2 ? RENDER_VOLUME_CUT_OCTANT : RENDER_VOLUME_CUT_NONE,
            .cut_ijk = { 40, 30, 18 },
          };

          g_assert_cmpint (assert_same (sides, &params), >, 20);
        }
}

static void
test_labels (gconstpointer n_labels)
{
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree guint16 *ids = g_new0 (guint16, n);
  g_autofree gint16 *values = g_new0 (gint16, n);
  VolumeScan *volume;
  Side sides[2];

  /* A shell of tissue in air. */
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        {
          const double r = from (i, j, k, 48, 36, 20);

          values[at (ids, i, j, k) - ids] =
              (gint16) (r > 20.0 && r < 26.0 ? 300 + (i * 7 + k) % 200 : 0);
        }
  put_labels (ids, GPOINTER_TO_INT (n_labels));
  volume = fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
  for (int s = 0; s < 2; s++)
    side_open (&sides[s], volume, ids, s == 1);
  assert_all_same (sides);
  for (int s = 0; s < 2; s++)
    side_close (&sides[s]);
  volume_scan_unref (volume);
}

static void
fill (VolumeLabelMap *map, const VolumeBox *box, guint16 id, Side *sides, guint32 stroke)
{
  const guint64 version = volume_label_map_get_version (map);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
  g_autoptr (GError) error = NULL;
  VolumeBox dirty;

  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      for (int i = box->lo[0]; i < box->hi[0]; i++)
        volume_edit_builder_set (builder, i, j, k, id);
  edit = volume_edit_builder_end (builder, stroke, VOLUME_PROVENANCE_HAND, "brush", NULL);
  g_assert_true (volume_label_map_apply_edit (map, edit, &error));
  dirty = volume_label_map_get_dirty_box (map, version);
  snapshot = volume_label_map_snapshot (map, NULL);
  for (int s = 0; s < 2; s++)
    render_labels_update (sides[s].labels, snapshot, stroke == 1 ? NULL : &dirty);
}

/* Paint in empty space between labels, and space where paint was. */
static void
test_edits (void)
{
  static const VolumeBox boxes[] = { { { 6, 10, 6 }, { 16, 60, 30 } },
                                     { { 72, 10, 6 }, { 84, 60, 30 } },
                                     { { 40, 25, 10 }, { 52, 37, 16 } },
                                     { { 40, 25, 10 }, { 52, 37, 16 } },
                                     { { 30, 38, 12 }, { 40, 48, 22 } } };
  static const guint16 ids[] = { 1, 1, 1, 0, 1 };
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree gint16 *values = g_new0 (gint16, n);
  g_autofree guint16 *none = g_new0 (guint16, n);
  const RenderVolumeParams params = { .width = SIDE,
                                      .height = SIDE,
                                      .mode = RENDER_VOLUME_MODE_LABELS,
                                      .azimuth_deg = 10,
                                      .elevation_deg = 30,
                                      .label_opacity = 1.0 };
  VolumeScan *volume = fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  Side sides[2];
  int shown[G_N_ELEMENTS (boxes)];

  for (int s = 0; s < 2; s++)
    side_open (&sides[s], volume, none, s == 1);
  for (guint32 b = 0; b < G_N_ELEMENTS (boxes); b++)
    {
      fill (map, &boxes[b], ids[b], sides, b + 1);
      shown[b] = assert_same (sides, &params);
    }
  g_assert_cmpint (shown[1], >, shown[0] + 60);
  g_assert_cmpint (shown[2], >, shown[1] + 10);
  g_assert_cmpint (shown[3], ==, shown[1]);
  g_assert_cmpint (shown[4], >, shown[1]);
  for (int s = 0; s < 2; s++)
    side_close (&sides[s]);
  volume_scan_unref (volume);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!fixture_is_possible ())
    return 77;
  g_test_add_data_func ("/render/skipping/labels", GINT_TO_POINTER (3), test_labels);
  g_test_add_data_func ("/render/skipping/more-labels-than-channels", GINT_TO_POINTER (9),
                        test_labels);
  g_test_add_func ("/render/skipping/edits", test_edits);
  return g_test_run ();
}
