/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/adapter/preprocess.h"

#include "volume/memory.h"

#include <math.h>
#include <string.h>

#define MAX_VOXELS ((gsize) 1 << 31)

struct _SegPrepared
{
  gatomicrefcount ref_count;
  VolumeGeometry geometry; /* the scan's */
  int size[3]; /* of the array */
  int own[3]; /* the scan's voxels along array axis a */
  int scan_axis[3]; /* array axis → scan axis */
  int array_axis[3]; /* scan axis → array axis */
  gboolean flip[3]; /* array axis a runs against its scan axis */
  float *image;
};

static gsize
n_own (const SegPrepared *self)
{
  return (gsize) self->own[0] * (gsize) self->own[1] * (gsize) self->own[2];
}

gsize
seg_prepared_get_n_voxels (const SegPrepared *self)
{
  return (gsize) self->size[0] * (gsize) self->size[1] * (gsize) self->size[2];
}

/* --- the frame ------------------------------------------------------------------------------ */

/* Which scan axis goes to array axis @letter names, and whether it is turned round. */
static void
match_axis (const VolumeGeometry *geometry, char letter, int *axis, gboolean *flip)
{
  static const struct
  {
    char positive, negative;
    VolumePlane across;
  } anatomy[] = {
    { 'R', 'L', VOLUME_PLANE_SAGITTAL },
    { 'A', 'P', VOLUME_PLANE_CORONAL },
    { 'S', 'I', VOLUME_PLANE_AXIAL },
  };

  for (int i = 0; i < 3; i++)
    if (letter == anatomy[i].positive || letter == anatomy[i].negative)
      {
        int wanted = letter == anatomy[i].positive ? 1 : -1;

        *axis = geometry->axis_of_plane[anatomy[i].across];
        *flip = geometry->axis_sign[*axis] != wanted;
      }
}

SegPrepared *
seg_prepared_new_for_geometry (const SegPreprocess *preprocess, const VolumeGeometry *geometry,
                               GError **error)
{
  g_autoptr (SegPrepared) self = g_new0 (SegPrepared, 1);
  double voxels = 1;

  g_atomic_ref_count_init (&self->ref_count);
  self->geometry = *geometry;
  for (int a = 0; a < 3; a++)
    {
      double spacing, n;

      match_axis (geometry, preprocess->orientation[a], &self->scan_axis[a], &self->flip[a]);
      self->array_axis[self->scan_axis[a]] = a;
      self->own[a] = geometry->size[self->scan_axis[a]];
      spacing = geometry->spacing_mm[self->scan_axis[a]];
      n = preprocess->spacing_mm[a] > 0 ? self->own[a] * spacing / preprocess->spacing_mm[a]
                                        : self->own[a];
      voxels *= MAX (floor (n + 0.5), 1);
      self->size[a] = (int) CLAMP (floor (n + 0.5), 1, G_MAXINT);
    }
  if (voxels > (double) MAX_VOXELS)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_TOO_LARGE,
                   "The scan would have %.0f voxels at a spacing of %g × %g × %g mm", voxels,
                   preprocess->spacing_mm[0], preprocess->spacing_mm[1], preprocess->spacing_mm[2]);
      return NULL;
    }
  return g_steal_pointer (&self);
}

SegPrepared *
seg_prepared_ref (SegPrepared *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
seg_prepared_unref (SegPrepared *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->image);
  g_free (self);
}

void
seg_prepared_get_size (const SegPrepared *self, int size[3])
{
  memcpy (size, self->size, sizeof self->size);
}

const float *
seg_prepared_get_image (const SegPrepared *self)
{
  return self->image;
}

const VolumeGeometry *
seg_prepared_get_geometry (const SegPrepared *self)
{
  return &self->geometry;
}

void
seg_prepared_get_spacing (const SegPrepared *self, double spacing_mm[3])
{
  const VolumeGeometry *geometry = seg_prepared_get_geometry (self);
  int size[3];

  seg_prepared_get_size (self, size);
  for (int a = 0; a < 3; a++)
    {
      int own = seg_prepared_get_scan_axis (self, a);

      spacing_mm[a] = geometry->spacing_mm[own] * geometry->size[own] / size[a];
    }
}

int
seg_prepared_get_scan_axis (const SegPrepared *self, int axis)
{
  g_return_val_if_fail (axis >= 0 && axis < 3, -1);
  return self->scan_axis[axis];
}

/* --- positions ------------------------------------------------------------------------------ */

void
seg_prepared_point_forward (const SegPrepared *self, const double ijk[3], double a[3])
{
  for (int d = 0; d < 3; d++)
    {
      double u = ijk[self->scan_axis[d]];

      if (self->flip[d])
        u = self->own[d] - 1 - u;
      a[d] = (u + 0.5) * self->size[d] / self->own[d] - 0.5;
    }
}

void
seg_prepared_point_back (const SegPrepared *self, const double a[3], double ijk[3])
{
  for (int d = 0; d < 3; d++)
    {
      double u = (a[d] + 0.5) * self->own[d] / self->size[d] - 0.5;

      ijk[self->scan_axis[d]] = self->flip[d] ? self->own[d] - 1 - u : u;
    }
}

void
seg_prepared_get_affine (const SegPrepared *self, double affine[4][4])
{
  const double zero[3] = { 0, 0, 0 };
  double origin[3], ras[3];

  seg_prepared_point_back (self, zero, origin);
  volume_geometry_ijk_to_ras (&self->geometry, origin, ras);
  memset (affine, 0, sizeof (double) * 16);
  for (int r = 0; r < 3; r++)
    {
      for (int d = 0; d < 3; d++)
        affine[r][d] = self->geometry.affine[r][self->scan_axis[d]] * (self->flip[d] ? -1 : 1)
                       * self->own[d] / self->size[d];
      affine[r][3] = ras[r];
    }
  affine[3][3] = 1;
}

/* Array index → the scan's index along its axis, and back; nearest, in whole numbers. */
static int
own_index (const SegPrepared *self, int d, int a)
{
  int u = (int) ((gint64) (2 * (gint64) a + 1) * self->own[d] / (2 * (gint64) self->size[d]));

  return self->flip[d] ? self->own[d] - 1 - u : u;
}

static int
array_index (const SegPrepared *self, int d, int own)
{
  int u = self->flip[d] ? self->own[d] - 1 - own : own;

  return (int) ((gint64) (2 * (gint64) u + 1) * self->size[d] / (2 * (gint64) self->own[d]));
}

/* Offset in the scan's memory (i fastest) of each index of array axis @d. */
static gsize *
own_offsets (const SegPrepared *self, int d)
{
  gsize *offsets = g_new (gsize, self->size[d]);
  const int *size = self->geometry.size;
  const gsize stride[3] = { 1, (gsize) size[0], (gsize) size[0] * (gsize) size[1] };

  for (int a = 0; a < self->size[d]; a++)
    offsets[a] = (gsize) own_index (self, d, a) * stride[self->scan_axis[d]];
  return offsets;
}

static gsize
array_stride (const SegPrepared *self, int d)
{
  return d == 2   ? 1
         : d == 1 ? (gsize) self->size[2]
                  : (gsize) self->size[1] * (gsize) self->size[2];
}

/* --- labels --------------------------------------------------------------------------------- */

void
seg_prepared_labels_forward (const SegPrepared *self, const guint8 *labels_ijk, guint8 *dst)
{
  g_autofree gsize *x = own_offsets (self, 0);
  g_autofree gsize *y = own_offsets (self, 1);
  g_autofree gsize *z = own_offsets (self, 2);

  for (int i = 0; i < self->size[0]; i++)
    for (int j = 0; j < self->size[1]; j++)
      for (int k = 0; k < self->size[2]; k++)
        *dst++ = labels_ijk[x[i] + y[j] + z[k]];
}

SegPlane
seg_prepared_plane_forward (const SegPrepared *self, int scan_axis, int index)
{
  int d = self->array_axis[scan_axis];

  return (SegPlane){ d, array_index (self, d, index) };
}

SegPlane
seg_prepared_plane_back (const SegPrepared *self, SegPlane plane)
{
  return (SegPlane){ self->scan_axis[plane.axis], own_index (self, plane.axis, plane.index) };
}

static void
paint_plane (const SegPrepared *self, const guint8 *labels_ijk, const SegPlane *scan_plane,
             SegPlane plane, guint8 *dst)
{
  const int *size = self->geometry.size;
  const gsize stride[3] = { 1, (gsize) size[0], (gsize) size[0] * (gsize) size[1] };
  int b = (plane.axis + 1) % 3, c = (plane.axis + 2) % 3;
  g_autofree gsize *from_b = own_offsets (self, b);
  g_autofree gsize *from_c = own_offsets (self, c);
  const guint8 *src = labels_ijk + (gsize) scan_plane->index * stride[scan_plane->axis];

  dst += (gsize) plane.index * array_stride (self, plane.axis);
  for (int j = 0; j < self->size[b]; j++)
    for (int k = 0; k < self->size[c]; k++)
      dst[(gsize) j * array_stride (self, b) + (gsize) k * array_stride (self, c)] =
          src[from_b[j] + from_c[k]];
}

void
seg_prepared_planes_forward (const SegPrepared *self, const guint8 *labels_ijk,
                             const SegPlane *scan_planes, gsize n_planes, guint8 *dst,
                             SegPlane *planes)
{
  memset (dst, 0, seg_prepared_get_n_voxels (self));
  for (gsize n = 0; n < n_planes; n++)
    {
      planes[n] = seg_prepared_plane_forward (self, scan_planes[n].axis, scan_planes[n].index);
      paint_plane (self, labels_ijk, &scan_planes[n], planes[n], dst);
    }
}

void
seg_prepared_labels_back (const SegPrepared *self, const guint8 *labels, guint8 *dst_ijk)
{
  const int *size = self->geometry.size;
  gsize *offsets[3];

  for (int s = 0; s < 3; s++)
    {
      int d = self->array_axis[s];

      offsets[s] = g_new (gsize, size[s]);
      for (int o = 0; o < size[s]; o++)
        offsets[s][o] = (gsize) array_index (self, d, o) * array_stride (self, d);
    }
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        *dst_ijk++ = labels[offsets[0][i] + offsets[1][j] + offsets[2][k]];
  for (int s = 0; s < 3; s++)
    g_free (offsets[s]);
}

/* --- values back ---------------------------------------------------------------------------- */

/* Linear interpolation along one scan axis: the two array offsets and the share of the upper. */
typedef struct
{
  gsize low, high;
  float share;
} Tap;

static Tap *
make_taps (const SegPrepared *self, int scan_axis)
{
  int d = self->array_axis[scan_axis];
  Tap *taps = g_new (Tap, self->own[d]);

  for (int o = 0; o < self->own[d]; o++)
    {
      int u = self->flip[d] ? self->own[d] - 1 - o : o;
      double a = (u + 0.5) * self->size[d] / self->own[d] - 0.5;
      int low;

      /* Equal sizes: exactly u, whatever the rounding of the line above. */
      a = self->size[d] == self->own[d] ? u : CLAMP (a, 0, self->size[d] - 1);
      low = (int) a;
      taps[o].low = (gsize) low * array_stride (self, d);
      taps[o].high = (gsize) (a > low ? low + 1 : low) * array_stride (self, d);
      taps[o].share = (float) (a - low);
    }
  return taps;
}

static inline float
mix (float a, float b, float share)
{
  return share > 0 ? a + share * (b - a) : a; /* exact, infinities included */
}

static inline float
interpolate (const float *v, const Tap *x, const Tap *y, const Tap *z)
{
  float c00 = mix (v[x->low + y->low + z->low], v[x->high + y->low + z->low], x->share);
  float c10 = mix (v[x->low + y->high + z->low], v[x->high + y->high + z->low], x->share);
  float c01 = mix (v[x->low + y->low + z->high], v[x->high + y->low + z->high], x->share);
  float c11 = mix (v[x->low + y->high + z->high], v[x->high + y->high + z->high], x->share);

  return mix (mix (c00, c10, y->share), mix (c01, c11, y->share), z->share);
}

void
seg_prepared_values_back (const SegPrepared *self, const float *values, float *dst_ijk)
{
  const int *size = self->geometry.size;
  g_autofree Tap *x = make_taps (self, 0);
  g_autofree Tap *y = make_taps (self, 1);
  g_autofree Tap *z = make_taps (self, 2);

  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        *dst_ijk++ = interpolate (values, &x[i], &y[j], &z[k]);
}

void
seg_prepared_probabilities_back (const SegPrepared *self, const float *probabilities, int n_classes,
                                 guint8 *dst_ijk, float *confidence_ijk)
{
  const int *size = self->geometry.size;
  gsize n = seg_prepared_get_n_voxels (self);
  g_autofree Tap *x = make_taps (self, 0);
  g_autofree Tap *y = make_taps (self, 1);
  g_autofree Tap *z = make_taps (self, 2);

  g_return_if_fail (n_classes >= 1 && n_classes <= 256);
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        {
          float best = interpolate (probabilities, &x[i], &y[j], &z[k]);
          int winner = 0;

          for (int c = 1; c < n_classes; c++)
            {
              float value = interpolate (probabilities + (gsize) c * n, &x[i], &y[j], &z[k]);

              if (value > best)
                {
                  best = value;
                  winner = c;
                }
            }
          *dst_ijk++ = (guint8) winner;
          if (confidence_ijk != NULL)
            *confidence_ijk++ = best;
        }
}

/* --- the image ------------------------------------------------------------------------------ */

/* Floats in the order of unsigned integers. */
static guint32
sort_key (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float
from_sort_key (guint32 key)
{
  guint32 bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

/* The exact value of 0-based @rank, by two histograms of 16 bits. */
static float
select_rank (const float *values, gsize n, gsize rank)
{
  g_autofree gsize *counts = g_new0 (gsize, 65536);
  guint32 high = 0, low = 0;

  for (gsize i = 0; i < n; i++)
    counts[sort_key (values[i]) >> 16]++;
  while (rank >= counts[high])
    rank -= counts[high++];
  memset (counts, 0, 65536 * sizeof *counts);
  for (gsize i = 0; i < n; i++)
    if (sort_key (values[i]) >> 16 == high)
      counts[sort_key (values[i]) & 0xffff]++;
  while (rank >= counts[low])
    rank -= counts[low++];
  return from_sort_key (high << 16 | low);
}

static void
replace_not_finite (float *values, gsize n)
{
  float smallest = 0;
  gboolean found = FALSE;

  for (gsize i = 0; i < n; i++)
    if (isfinite (values[i]) && (!found || values[i] < smallest))
      {
        smallest = values[i];
        found = TRUE;
      }
  for (gsize i = 0; i < n; i++)
    if (!isfinite (values[i]))
      values[i] = smallest;
}

static void
standardise (const SegPreprocess *p, float *values, gsize n)
{
  double low = p->window_low, high = p->window_high, mean = p->mean, std = p->std;

  if (p->intensity == SEG_INTENSITY_AS_IS)
    return;
  if (p->intensity == SEG_INTENSITY_ROBUST_Z)
    {
      double sum = 0, squares = 0;

      low = select_rank (values, n, (gsize) (p->percentile_low / 100 * (double) (n - 1) + 0.5));
      high = select_rank (values, n, (gsize) (p->percentile_high / 100 * (double) (n - 1) + 0.5));
      for (gsize i = 0; i < n; i++)
        sum += CLAMP (values[i], low, high);
      mean = sum / (double) n;
      for (gsize i = 0; i < n; i++)
        {
          double d = CLAMP (values[i], low, high) - mean;

          squares += d * d;
        }
      std = sqrt (squares / (double) n);
      if (!(std > 1e-12 * (fabs (mean) + 1e-20)))
        std = 1; /* a scan of one value becomes zeros */
    }
  for (gsize i = 0; i < n; i++)
    values[i] = (float) ((CLAMP (values[i], low, high) - mean) / std);
}

/* Scan order → array order, at the scan's own resolution. */
static void
permute (const SegPrepared *self, const float *src, float *dst)
{
  const int *size = self->geometry.size;
  const gsize stride[3] = { 1, (gsize) size[0], (gsize) size[0] * (gsize) size[1] };
  gssize step[3], start = 0;

  for (int d = 0; d < 3; d++)
    {
      step[d] = (gssize) stride[self->scan_axis[d]] * (self->flip[d] ? -1 : 1);
      if (self->flip[d])
        start += (gssize) stride[self->scan_axis[d]] * (self->own[d] - 1);
    }
  for (int i = 0; i < self->own[0]; i++)
    for (int j = 0; j < self->own[1]; j++)
      {
        const float *row = src + start + i * step[0] + j * step[1];

        for (int k = 0; k < self->own[2]; k++)
          *dst++ = row[k * step[2]];
      }
}

/* Linear interpolation, widened to a triangle over the new voxel where the grid becomes coarser, so
 * that nothing is skipped. */
static void
resample_axis (const float *src, float *dst, gsize n_outer, int n_from, int n_to, gsize n_inner)
{
  double ratio = (double) n_from / n_to;
  double support = MAX (ratio, 1);

  for (int to = 0; to < n_to; to++)
    {
      double centre = (to + 0.5) * ratio - 0.5;
      int first = MAX ((int) ceil (centre - support), 0);
      int last = MIN ((int) floor (centre + support), n_from - 1);
      g_autofree float *weights = g_new (float, last - first + 1);
      double total = 0;

      for (int from = first; from <= last; from++)
        total += MAX (1 - fabs (from - centre) / support, 0);
      for (int from = first; from <= last; from++)
        weights[from - first] = (float) (MAX (1 - fabs (from - centre) / support, 0) / total);
      for (gsize outer = 0; outer < n_outer; outer++)
        {
          float *out = dst + (outer * (gsize) n_to + (gsize) to) * n_inner;

          memset (out, 0, n_inner * sizeof *out);
          for (int from = first; from <= last; from++)
            {
              const float *in = src + (outer * (gsize) n_from + (gsize) from) * n_inner;
              float weight = weights[from - first];

              for (gsize inner = 0; inner < n_inner; inner++)
                out[inner] += weight * in[inner];
            }
        }
    }
}

/* Takes @image (own resolution, array order) over and leaves the array's resolution in self. */
static gboolean
resample (SegPrepared *self, float *image, GError **error)
{
  int size[3];

  memcpy (size, self->own, sizeof size);
  for (int d = 0; d < 3; d++)
    {
      gsize n_outer = 1, n_inner = 1, n;
      float *next;

      if (self->size[d] == size[d])
        continue;
      for (int e = 0; e < d; e++)
        n_outer *= (gsize) size[e];
      for (int e = d + 1; e < 3; e++)
        n_inner *= (gsize) size[e];
      n = n_outer * (gsize) self->size[d] * n_inner;
      next = volume_memory_try (n, sizeof *next, error);
      if (next == NULL)
        {
          g_free (image);
          return FALSE;
        }
      resample_axis (image, next, n_outer, size[d], self->size[d], n_inner);
      g_free (image);
      image = next;
      size[d] = self->size[d];
    }
  self->image = image;
  return TRUE;
}

SegPrepared *
seg_prepared_new (const SegPreprocess *preprocess, VolumeScan *scan, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  g_autoptr (SegPrepared) self = seg_prepared_new_for_geometry (preprocess, geometry, error);
  const VolumeBox all = { { 0, 0, 0 },
                          { geometry->size[0], geometry->size[1], geometry->size[2] } };
  g_autofree float *values = NULL;
  float *image;
  gsize n;

  if (self == NULL)
    return NULL;
  n = n_own (self);
  values = volume_memory_try (n, sizeof *values, error);
  image = values != NULL ? volume_memory_try (n, sizeof *image, error) : NULL;
  if (image == NULL)
    return NULL;
  volume_scan_read_box (scan, &all, values);
  replace_not_finite (values, n);
  standardise (preprocess, values, n);
  permute (self, values, image);
  g_clear_pointer (&values, g_free);
  if (!resample (self, image, error))
    return NULL;
  return g_steal_pointer (&self);
}
