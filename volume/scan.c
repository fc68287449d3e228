/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/scan-private.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _VolumeScan
{
  gatomicrefcount refs;
  VolumeGeometry geometry;
  VolumeDtype dtype;
  GBytes *bytes;
  gconstpointer stored;
  gsize n_voxels;
  double slope, inter;
  char *sha256;
  char **remarks;
  GBytes *nifti_header;
  int n_volumes, volume_index;

  GMutex lock; /* of what follows, computed once on demand */
  gboolean has_range, has_window;
  double min, max;
  double window_centre, window_width;
};

static const struct
{
  const char *name;
  gsize size;
} dtypes[] = {
  [VOLUME_DTYPE_U8] = { "uint8", 1 },    [VOLUME_DTYPE_I8] = { "int8", 1 },
  [VOLUME_DTYPE_U16] = { "uint16", 2 },  [VOLUME_DTYPE_I16] = { "int16", 2 },
  [VOLUME_DTYPE_U32] = { "uint32", 4 },  [VOLUME_DTYPE_I32] = { "int32", 4 },
  [VOLUME_DTYPE_U64] = { "uint64", 8 },  [VOLUME_DTYPE_I64] = { "int64", 8 },
  [VOLUME_DTYPE_F32] = { "float32", 4 }, [VOLUME_DTYPE_F64] = { "float64", 8 },
};

gsize
volume_dtype_get_size (VolumeDtype dtype)
{
  g_return_val_if_fail ((gsize) dtype < G_N_ELEMENTS (dtypes), 0);
  return dtypes[dtype].size;
}

const char *
volume_dtype_get_name (VolumeDtype dtype)
{
  g_return_val_if_fail ((gsize) dtype < G_N_ELEMENTS (dtypes), NULL);
  return dtypes[dtype].name;
}

/* Parts */

void
volume_scan_parts_clear (VolumeScanParts *parts)
{
  g_clear_pointer (&parts->stored, g_bytes_unref);
  g_clear_pointer (&parts->sha256, g_free);
  g_clear_pointer (&parts->remarks, g_ptr_array_unref);
  g_clear_pointer (&parts->nifti_header, g_bytes_unref);
}

void
volume_scan_parts_remark (VolumeScanParts *parts, const char *format, ...)
{
  va_list args;

  if (parts->remarks == NULL)
    parts->remarks = g_ptr_array_new_with_free_func (g_free);
  va_start (args, format);
  g_ptr_array_add (parts->remarks, g_strdup_vprintf (format, args));
  va_end (args);
}

gboolean
volume_checked_product (const guint64 *factors, gsize n_factors, guint64 *product)
{
  *product = 1;
  for (gsize f = 0; f < n_factors; f++)
    if (!g_uint64_checked_mul (product, *product, factors[f]))
      return FALSE;
  return TRUE;
}

VolumeScan *
volume_scan_new_from_parts (VolumeScanParts *parts)
{
  VolumeScan *self = g_new0 (VolumeScan, 1);
  gsize size;

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->geometry = parts->geometry;
  self->dtype = parts->dtype;
  self->bytes = g_steal_pointer (&parts->stored);
  self->stored = g_bytes_get_data (self->bytes, &size);
  self->n_voxels = (gsize) self->geometry.size[0] * self->geometry.size[1] * self->geometry.size[2];
  g_assert (size >= self->n_voxels * dtypes[self->dtype].size);
  self->slope = parts->slope != 0.0 ? parts->slope : 1.0;
  self->inter = parts->inter;
  self->sha256 = g_steal_pointer (&parts->sha256);
  if (parts->remarks == NULL)
    self->remarks = g_new0 (char *, 1);
  else
    {
      g_ptr_array_add (parts->remarks, NULL);
      self->remarks = (char **) g_ptr_array_free (g_steal_pointer (&parts->remarks), FALSE);
    }
  self->nifti_header = g_steal_pointer (&parts->nifti_header);
  self->n_volumes = MAX (parts->n_volumes, 1);
  self->volume_index = parts->volume_index;
  return self;
}

VolumeScan *
volume_scan_new_take (const VolumeGeometry *geometry, VolumeDtype dtype, GBytes *stored,
                      double slope, double inter)
{
  VolumeScanParts parts = {
    .geometry = *geometry, .dtype = dtype, .stored = stored, .slope = slope, .inter = inter
  };

  return volume_scan_new_from_parts (&parts);
}

VolumeScan *
volume_scan_ref (VolumeScan *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
volume_scan_unref (VolumeScan *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_bytes_unref (self->bytes);
  g_clear_pointer (&self->nifti_header, g_bytes_unref);
  g_free (self->sha256);
  g_strfreev (self->remarks);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const VolumeGeometry *
volume_scan_get_geometry (VolumeScan *self)
{
  return &self->geometry;
}

VolumeDtype
volume_scan_get_dtype (VolumeScan *self)
{
  return self->dtype;
}

gsize
volume_scan_get_n_voxels (VolumeScan *self)
{
  return self->n_voxels;
}

gconstpointer
volume_scan_get_stored (VolumeScan *self)
{
  return self->stored;
}

double
volume_scan_get_slope (VolumeScan *self)
{
  return self->slope;
}

double
volume_scan_get_inter (VolumeScan *self)
{
  return self->inter;
}

int
volume_scan_get_n_volumes (VolumeScan *self)
{
  return self->n_volumes;
}

int
volume_scan_get_volume_index (VolumeScan *self)
{
  return self->volume_index;
}

GBytes *
volume_scan_get_nifti_header (VolumeScan *self)
{
  return self->nifti_header;
}

const char *
volume_scan_get_sha256 (VolumeScan *self)
{
  return self->sha256;
}

const char *const *
volume_scan_get_remarks (VolumeScan *self)
{
  return (const char *const *) self->remarks;
}

/* Values */

/* Runs @body with T as the C type of @dtype. */
#define FOR_DTYPE(dtype, body)                                                                     \
  switch (dtype)                                                                                   \
    {                                                                                              \
    case VOLUME_DTYPE_U8:                                                                          \
      {                                                                                            \
        typedef guint8 T;                                                                          \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_I8:                                                                          \
      {                                                                                            \
        typedef gint8 T;                                                                           \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_U16:                                                                         \
      {                                                                                            \
        typedef guint16 T;                                                                         \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_I16:                                                                         \
      {                                                                                            \
        typedef gint16 T;                                                                          \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_U32:                                                                         \
      {                                                                                            \
        typedef guint32 T;                                                                         \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_I32:                                                                         \
      {                                                                                            \
        typedef gint32 T;                                                                          \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_U64:                                                                         \
      {                                                                                            \
        typedef guint64 T;                                                                         \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_I64:                                                                         \
      {                                                                                            \
        typedef gint64 T;                                                                          \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_F32:                                                                         \
      {                                                                                            \
        typedef float T;                                                                           \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    case VOLUME_DTYPE_F64:                                                                         \
      {                                                                                            \
        typedef double T;                                                                          \
        body;                                                                                      \
      }                                                                                            \
      break;                                                                                       \
    }

/* @n values, @stride voxels apart from voxel @first on. */
static void
convert_row (VolumeScan *self, gsize first, gssize stride, gsize n, float *dst)
{
  double slope = self->slope, inter = self->inter;

  FOR_DTYPE (self->dtype, {
    const T *src = (const T *) self->stored + first;

    if (slope == 1.0 && inter == 0.0)
      for (gsize x = 0; x < n; x++)
        dst[x] = (float) src[(gssize) x * stride];
    else
      for (gsize x = 0; x < n; x++)
        dst[x] = (float) ((double) src[(gssize) x * stride] * slope + inter);
  });
}

static inline gsize
voxel_at (VolumeScan *self, int i, int j, int k)
{
  const int *size = self->geometry.size;

  return ((gsize) k * size[1] + j) * size[0] + i;
}

float
volume_scan_get_value (VolumeScan *self, int i, int j, int k)
{
  const int *size = self->geometry.size;
  float value = 0.0f;

  g_return_val_if_fail (i >= 0 && j >= 0 && k >= 0 && i < size[0] && j < size[1] && k < size[2],
                        NAN);
  convert_row (self, voxel_at (self, i, j, k), 1, 1, &value);
  return value;
}

void
volume_scan_read_box (VolumeScan *self, const VolumeBox *box, float *dst)
{
  gsize n_i;

  for (int a = 0; a < 3; a++)
    {
      if (box->hi[a] <= box->lo[a])
        return;
      g_return_if_fail (box->lo[a] >= 0 && box->hi[a] <= self->geometry.size[a]);
    }
  n_i = box->hi[0] - box->lo[0];
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++, dst += n_i)
      convert_row (self, voxel_at (self, box->lo[0], j, k), 1, n_i, dst);
}

void
volume_scan_read_slice (VolumeScan *self, VolumePlane plane, int index, float *dst)
{
  VolumeSliceFrame frame;
  const int *size = self->geometry.size;
  const gssize strides[3] = { 1, size[0], (gssize) size[0] * size[1] };

  volume_geometry_get_slice_frame (&self->geometry, plane, &frame);
  g_return_if_fail (index >= 0 && index < frame.n_slices);

  for (int row = 0; row < frame.n_v; row++, dst += frame.n_u)
    {
      gsize first = (gsize) index * strides[frame.axis_normal]
                    + (gsize) (frame.flip_v ? frame.n_v - 1 - row : row) * strides[frame.axis_v]
                    + (frame.flip_u ? (gsize) (frame.n_u - 1) * strides[frame.axis_u] : 0);
      gssize stride = frame.flip_u ? -strides[frame.axis_u] : strides[frame.axis_u];

      convert_row (self, first, stride, frame.n_u, dst);
    }
}

gboolean
volume_scan_read_labels (VolumeScan *self, guint16 *dst, GError **error)
{
  double slope = self->slope, inter = self->inter;
  double wrong = 0.0;
  gboolean fits = TRUE;

  FOR_DTYPE (self->dtype, {
    const T *src = self->stored;

    for (gsize v = 0; v < self->n_voxels; v++)
      {
        double value = (double) src[v] * slope + inter;
        /* A slope stored in single precision leaves whole numbers not quite whole. */
        double whole = rint (value);

        if (!(whole >= 0.0 && whole <= G_MAXUINT16 && fabs (value - whole) <= 1e-4))
          {
            fits = FALSE;
            wrong = value;
            break;
          }
        dst[v] = (guint16) whole;
      }
  });
  if (!fits)
    g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                 "not a file of labels: it holds the value %g, labels are whole numbers from 0 to "
                 "65535",
                 wrong);
  return fits;
}

/* Range and window */

static void
compute_range (VolumeScan *self)
{
  double slope = self->slope, inter = self->inter;
  double lo = INFINITY, hi = -INFINITY, a, b;

  FOR_DTYPE (self->dtype, {
    const T *src = self->stored;
    gboolean any = FALSE;
    T min = 0;
    T max = 0;

    for (gsize v = 0; v < self->n_voxels; v++)
      {
        if (!isfinite ((double) src[v]))
          continue;
        if (!any)
          min = max = src[v];
        any = TRUE;
        min = MIN (min, src[v]);
        max = MAX (max, src[v]);
      }
    if (any)
      {
        lo = (double) min;
        hi = (double) max;
      }
  });
  a = lo * slope + inter;
  b = hi * slope + inter;
  if (isfinite (a) && isfinite (b))
    {
      self->min = MIN (a, b);
      self->max = MAX (a, b);
    }
  self->has_range = TRUE;
}

void
volume_scan_get_exact_range (VolumeScan *self, double *min, double *max)
{
  g_mutex_lock (&self->lock);
  if (!self->has_range)
    compute_range (self);
  *min = self->min;
  *max = self->max;
  g_mutex_unlock (&self->lock);
}

void
volume_scan_get_range (VolumeScan *self, float *min, float *max)
{
  double lo, hi;

  volume_scan_get_exact_range (self, &lo, &hi);
  *min = (float) CLAMP (lo, -FLT_MAX, FLT_MAX);
  *max = (float) CLAMP (hi, -FLT_MAX, FLT_MAX);
}

static int
compare_floats_cb (const void *a, const void *b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* The 0.5 and 99.5 percentiles of finite values, of every n-th voxel where there are very many. */
static void
sample_percentiles (VolumeScan *self, double *lo, double *hi)
{
  enum
  {
    MAX_SAMPLES = 1 << 18
  };
  gsize step = self->n_voxels / MAX_SAMPLES + 1, n = 0;
  g_autofree float *samples = NULL;

  if (step > 1)
    step |= 1; /* odd, so that it does not keep to the same columns of a power-of-two grid */
  samples = g_new (float, self->n_voxels / step + 1);
  for (gsize v = 0; v < self->n_voxels; v += step)
    {
      convert_row (self, v, 1, 1, &samples[n]);
      if (isfinite (samples[n]))
        n++;
    }
  if (n == 0)
    return;
  qsort (samples, n, sizeof *samples, compare_floats_cb);
  *lo = samples[(gsize) (0.005 * (double) (n - 1))];
  *hi = samples[(gsize) (0.995 * (double) (n - 1) + 0.5)];
}

void
volume_scan_get_default_window (VolumeScan *self, double *centre, double *width)
{
  double min, max;

  volume_scan_get_exact_range (self, &min, &max);
  g_mutex_lock (&self->lock);
  if (!self->has_window)
    {
      double lo = min, hi = max;

      /* Air at −1000 and bone above 200: Hounsfield units. MR has no such minimum. */
      if (min <= -500.0 && min >= -8192.0 && max >= 200.0 && max <= 65535.0)
        {
          lo = 40.0 - 200.0;
          hi = 40.0 + 200.0;
        }
      else
        sample_percentiles (self, &lo, &hi);
      if (!(hi > lo))
        {
          lo = min;
          hi = max;
        }
      lo = CLAMP (lo, -FLT_MAX, FLT_MAX);
      hi = CLAMP (hi, -FLT_MAX, FLT_MAX);
      if (!(hi > lo))
        {
          /* One value only: a window around it, wide enough for a float to tell its ends apart. */
          double half = fmax (0.5, 1e-6 * fabs (lo));

          lo -= half;
          hi += half;
        }
      self->window_centre = 0.5 * (lo + hi);
      self->window_width = hi - lo;
      self->has_window = TRUE;
    }
  *centre = self->window_centre;
  *width = self->window_width;
  g_mutex_unlock (&self->lock);
}

/* Loading */

static gboolean
open_file (const char *path, int *fd, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  struct stat st;

  /* Without O_NONBLOCK a named pipe would wait for its other end. I1: read only. */
  *fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (*fd < 0)
    {
      int saved = errno;

      g_set_error (error, VOLUME_ERROR,
                   saved == ENOENT || saved == EACCES || saved == ENOTDIR ? VOLUME_ERROR_NOT_FOUND
                                                                          : VOLUME_ERROR_IO,
                   "%s: cannot be opened: %s", name, g_strerror (saved));
      return FALSE;
    }
  if (fstat (*fd, &st) != 0 || !S_ISREG (st.st_mode))
    {
      gboolean is_dir = S_ISDIR (st.st_mode);

      close (*fd);
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: %s, not a scan", name,
                   is_dir ? "a folder" : "not an ordinary file");
      return FALSE;
    }
  if (st.st_size == 0)
    {
      close (*fd);
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: the file is empty", name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
needs_decoder (int fd)
{
  static const guint8 hdf5[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
  static const guint8 png[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
  static const guint8 jpeg[3] = { 0xff, 0xd8, 0xff };
  guint8 start[8] = { 0 };

  if (pread (fd, start, sizeof start, 0) < (gssize) sizeof jpeg)
    return FALSE;
  return memcmp (start, hdf5, sizeof hdf5) == 0 || memcmp (start, png, sizeof png) == 0
         || memcmp (start, jpeg, sizeof jpeg) == 0;
}

static VolumeScan *
load (const char *path, int volume_index, gboolean labels, GError **error)
{
  g_auto (VolumeScanParts) parts = { 0 };
  gboolean loaded;
  int fd;

  g_return_val_if_fail (path != NULL, NULL);

  if (!open_file (path, &fd, error))
    return NULL;
  if (needs_decoder (fd))
    loaded = volume_decoded_load (path, fd, labels, &parts, error);
  else
    loaded = volume_nifti_load (path, fd, volume_index, &parts, error);
  close (fd);
  return loaded ? volume_scan_new_from_parts (&parts) : NULL;
}

VolumeScan *
volume_scan_load (const char *path, int volume_index, GError **error)
{
  return load (path, volume_index, FALSE, error);
}

VolumeScan *
volume_scan_load_labels (const char *path, GError **error)
{
  return load (path, 0, TRUE, error);
}

typedef struct
{
  char *path;
  int volume_index;
} LoadRequest;

static void
load_request_free (LoadRequest *request)
{
  g_free (request->path);
  g_free (request);
}

static void
load_thread_cb (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const LoadRequest *request = task_data;
  g_autoptr (GError) error = NULL;
  VolumeScan *scan = volume_scan_load (request->path, request->volume_index, &error);

  if (scan != NULL)
    g_task_return_pointer (task, scan, (GDestroyNotify) volume_scan_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
volume_scan_load_async (const char *path, int volume_index, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  LoadRequest *request = g_new (LoadRequest, 1);

  request->path = g_strdup (path);
  request->volume_index = volume_index;
  g_task_set_source_tag (task, volume_scan_load_async);
  g_task_set_task_data (task, request, (GDestroyNotify) load_request_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, load_thread_cb);
}

VolumeScan *
volume_scan_load_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
