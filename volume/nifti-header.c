/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/nifti-header.h"

#include <float.h>
#include <math.h>
#include <nifti2_io.h>
#include <string.h>

static const struct
{
  int datatype;
  int bits;
  VolumeDtype dtype;
  int n_samples;
  const char *refused; /* NULL for types we read */
} types[] = {
  { DT_UINT8, 8, VOLUME_DTYPE_U8, 1 },
  { DT_INT16, 16, VOLUME_DTYPE_I16, 1 },
  { DT_INT32, 32, VOLUME_DTYPE_I32, 1 },
  { DT_FLOAT32, 32, VOLUME_DTYPE_F32, 1 },
  { DT_FLOAT64, 64, VOLUME_DTYPE_F64, 1 },
  { DT_INT8, 8, VOLUME_DTYPE_I8, 1 },
  { DT_UINT16, 16, VOLUME_DTYPE_U16, 1 },
  { DT_UINT32, 32, VOLUME_DTYPE_U32, 1 },
  { DT_INT64, 64, VOLUME_DTYPE_I64, 1 },
  { DT_UINT64, 64, VOLUME_DTYPE_U64, 1 },
  { DT_RGB24, 24, VOLUME_DTYPE_U8, 3 },
  { DT_RGBA32, 32, VOLUME_DTYPE_U8, 4 },
  { DT_BINARY, 1, VOLUME_DTYPE_U8, 0, "one bit per voxel" },
  { DT_COMPLEX64, 64, VOLUME_DTYPE_F32, 0, "complex numbers" },
  { DT_COMPLEX128, 128, VOLUME_DTYPE_F64, 0, "complex numbers" },
  { DT_COMPLEX256, 256, VOLUME_DTYPE_F64, 0, "complex numbers" },
  { DT_FLOAT128, 128, VOLUME_DTYPE_F64, 0, "128-bit floats, which no two machines store alike" },
};

static void
take_nifti1 (VolumeNiftiHeader *self, const nifti_1_header *h, gint64 dim[8], double *vox_offset)
{
  for (int d = 0; d < 8; d++)
    {
      dim[d] = h->dim[d];
      self->pixdim[d] = h->pixdim[d];
    }
  self->datatype = h->datatype;
  *vox_offset = h->vox_offset;
  self->slope = h->scl_slope;
  self->inter = h->scl_inter;
  self->qform_code = h->qform_code;
  self->sform_code = h->sform_code;
  self->xyzt_units = h->xyzt_units;
  for (int c = 0; c < 4; c++)
    {
      self->srow[0][c] = h->srow_x[c];
      self->srow[1][c] = h->srow_y[c];
      self->srow[2][c] = h->srow_z[c];
    }
  self->quatern[0] = h->quatern_b;
  self->quatern[1] = h->quatern_c;
  self->quatern[2] = h->quatern_d;
  self->qoffset[0] = h->qoffset_x;
  self->qoffset[1] = h->qoffset_y;
  self->qoffset[2] = h->qoffset_z;
}

static void
take_nifti2 (VolumeNiftiHeader *self, const nifti_2_header *h, gint64 dim[8], double *vox_offset)
{
  for (int d = 0; d < 8; d++)
    {
      dim[d] = h->dim[d];
      self->pixdim[d] = h->pixdim[d];
    }
  self->datatype = h->datatype;
  *vox_offset = (double) h->vox_offset;
  self->slope = h->scl_slope;
  self->inter = h->scl_inter;
  self->qform_code = h->qform_code;
  self->sform_code = h->sform_code;
  self->xyzt_units = h->xyzt_units;
  for (int c = 0; c < 4; c++)
    {
      self->srow[0][c] = h->srow_x[c];
      self->srow[1][c] = h->srow_y[c];
      self->srow[2][c] = h->srow_z[c];
    }
  self->quatern[0] = h->quatern_b;
  self->quatern[1] = h->quatern_c;
  self->quatern[2] = h->quatern_d;
  self->qoffset[0] = h->qoffset_x;
  self->qoffset[1] = h->qoffset_y;
  self->qoffset[2] = h->qoffset_z;
}

/* ANALYZE 7.5 shares the fields up to vox_offset with NIfTI-1; the rest means other things. */
static void
forget_nifti_fields (VolumeNiftiHeader *self)
{
  self->slope = 0.0;
  self->inter = 0.0;
  self->qform_code = self->sform_code = 0;
  self->xyzt_units = 0;
}

static gboolean
read_fields (VolumeNiftiHeader *self, const guint8 *bytes, gsize n_bytes, gint64 dim[8],
             double *vox_offset, GError **error)
{
  gint32 first = 0;

  if (n_bytes >= sizeof first)
    memcpy (&first, bytes, sizeof first);
  self->swapped =
      first == (gint32) GUINT32_SWAP_LE_BE (348u) || first == (gint32) GUINT32_SWAP_LE_BE (540u);
  if (self->swapped)
    first = (gint32) GUINT32_SWAP_LE_BE ((guint32) first);

  if (first == 348 && n_bytes >= sizeof (nifti_1_header))
    {
      nifti_1_header h;

      memcpy (&h, bytes, sizeof h);
      self->header_size = sizeof h;
      self->version = 0;
      if (memcmp (h.magic, "n+1", 4) == 0 || memcmp (h.magic, "ni1", 4) == 0)
        self->version = 1;
      self->single_file = self->version == 1 && h.magic[1] == '+';
      if (self->swapped)
        swap_nifti_header (&h, self->version);
      take_nifti1 (self, &h, dim, vox_offset);
      if (self->version == 0)
        forget_nifti_fields (self);
      return TRUE;
    }
  if (first == 540 && n_bytes >= sizeof (nifti_2_header))
    {
      nifti_2_header h;

      memcpy (&h, bytes, sizeof h);
      if (memcmp (h.magic, "n+2\0\r\n\032\n", 8) == 0
          || memcmp (h.magic, "ni2\0\r\n\032\n", 8) == 0)
        {
          self->header_size = sizeof h;
          self->version = 2;
          self->single_file = h.magic[1] == '+';
          if (self->swapped)
            swap_nifti_header (&h, 2);
          take_nifti2 (self, &h, dim, vox_offset);
          return TRUE;
        }
    }
  if (first == 348 || first == 540)
    g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                 "the NIfTI header is damaged or ends early (%" G_GSIZE_FORMAT " bytes)", n_bytes);
  else
    g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                         "not a scan of a format this program reads (NIfTI, HDF5, PNG, JPEG)");
  return FALSE;
}

static gboolean
check_dims (VolumeNiftiHeader *self, const gint64 dim[8], GError **error)
{
  guint64 n = 1;

  if (dim[0] < 1 || dim[0] > 7)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "the header claims %" G_GINT64_FORMAT " dimensions; 1 to 7 can be", dim[0]);
      return FALSE;
    }
  self->n_dims = (int) dim[0];
  for (int d = 0; d < 7; d++)
    {
      gint64 extent = d < self->n_dims ? dim[d + 1] : 1;

      if (extent < 1 || extent > G_MAXINT32)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                       "the header claims %" G_GINT64_FORMAT " voxels along dimension %d", extent,
                       d + 1);
          return FALSE;
        }
      self->dim[d] = (guint64) extent;
      if (!g_uint64_checked_mul (&n, n, self->dim[d]) || n > G_MAXINT64 / 64)
        {
          g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                               "the header claims more voxels than any file can hold");
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_type (VolumeNiftiHeader *self, GError **error)
{
  for (gsize t = 0; t < G_N_ELEMENTS (types); t++)
    {
      if (types[t].datatype != self->datatype)
        continue;
      if (types[t].refused != NULL)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED,
                       "the voxels are %s (NIfTI type %d), which this program does not show",
                       types[t].refused, self->datatype);
          return FALSE;
        }
      self->dtype = types[t].dtype;
      self->n_samples = types[t].n_samples;
      return TRUE;
    }
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
               "the header names a voxel type, %d, that "
               "NIfTI does not know",
               self->datatype);
  return FALSE;
}

static gboolean
check_offset (VolumeNiftiHeader *self, double vox_offset, VolumeScanParts *parts, GError **error)
{
  double least = self->single_file ? (double) self->header_size + 4 : 0;

  if (self->single_file && vox_offset == 0.0)
    {
      volume_scan_parts_remark (parts,
                                "The header does not say where the voxels begin; %d bytes "
                                "from the start is assumed.",
                                (int) least);
      vox_offset = least;
    }
  if (!(vox_offset >= least) || !(vox_offset < 9e15))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "the header puts the voxels at byte %g, which cannot be", vox_offset);
      return FALSE;
    }
  self->vox_offset = (guint64) vox_offset;
  return TRUE;
}

static gboolean
check_scaling (VolumeNiftiHeader *self, GError **error)
{
  /* The standard: slope 0 means no scaling. A slope that is no number cannot mean any either. */
  if (self->slope == 0.0 || !isfinite (self->slope))
    {
      self->slope = 1.0;
      self->inter = 0.0;
    }
  if (!isfinite (self->inter))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "the header scales voxels by %g and shifts them by %g", self->slope,
                   self->inter);
      return FALSE;
    }
  return TRUE;
}

gboolean
volume_nifti_header_parse (VolumeNiftiHeader *self, const guint8 *bytes, gsize n_bytes,
                           VolumeScanParts *parts, GError **error)
{
  gint64 dim[8] = { 0 };
  double vox_offset = 0.0, slope;

  memset (self, 0, sizeof *self);
  if (!read_fields (self, bytes, n_bytes, dim, &vox_offset, error))
    return FALSE;
  slope = self->slope;
  if (!check_dims (self, dim, error) || !check_type (self, error)
      || !check_offset (self, vox_offset, parts, error) || !check_scaling (self, error))
    return FALSE;
  if (!isfinite (slope))
    volume_scan_parts_remark (parts, "The header's slope is not a number; values are as stored.");
  return TRUE;
}

guint64
volume_nifti_header_get_n_voxels (const VolumeNiftiHeader *self)
{
  return self->dim[0] * self->dim[1] * self->dim[2];
}

guint64
volume_nifti_header_get_n_volumes (const VolumeNiftiHeader *self)
{
  return self->dim[3] * self->dim[4] * self->dim[5] * self->dim[6];
}

/* Spacing by the header, refused where it is not positive along an axis that has voxels apart. */
static gboolean
check_spacing (const VolumeNiftiHeader *self, double spacing_mm[3], VolumeScanParts *parts,
               GError **error)
{
  for (int a = 0; a < 3; a++)
    {
      spacing_mm[a] = self->pixdim[a + 1];
      if (isfinite (spacing_mm[a]) && spacing_mm[a] > 0.0)
        continue;
      if (self->dim[a] > 1)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                       "the header gives voxel axis %d a spacing of %g mm", a + 1, spacing_mm[a]);
          return FALSE;
        }
      if (a < self->n_dims)
        volume_scan_parts_remark (parts,
                                  "The header gives voxel axis %d, which has one voxel, a "
                                  "spacing of %g mm; 1 mm is assumed.",
                                  a + 1, spacing_mm[a]);
      spacing_mm[a] = 1.0;
    }
  return TRUE;
}

/* nifti1.h, method 2: a unit quaternion, spacings, and a handedness. */
static void
affine_from_qform (const VolumeNiftiHeader *self, const double spacing_mm[3], double affine[4][4])
{
  double x = self->quatern[0], y = self->quatern[1], z = self->quatern[2];
  double squares = x * x + y * y + z * z, w = 0.0;
  double handed = self->pixdim[0] < 0.0 ? -1.0 : 1.0;

  /* What rounding leaves of a half turn's w = 0 would turn the grid by up to 0.07°. The threshold
   * is nibabel's: three units in the last place of the numbers stored. */
  if (1.0 - squares >= 3.0 * (self->version == 2 ? DBL_EPSILON : FLT_EPSILON))
    w = sqrt (1.0 - squares);
  else
    {
      double length = sqrt (squares);

      x /= length;
      y /= length;
      z /= length;
    }
  {
    const double rotation[3][3] = {
      { 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y) },
      { 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x) },
      { 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y) },
    };

    for (int r = 0; r < 3; r++)
      {
        for (int c = 0; c < 3; c++)
          affine[r][c] = rotation[r][c] * spacing_mm[c] * (c == 2 ? handed : 1.0);
        affine[r][3] = self->qoffset[r];
      }
  }
}

/* Without orientation nibabel takes the first axis to point left and the middle for the origin. */
static void
affine_from_pixdim (const VolumeNiftiHeader *self, const double spacing_mm[3], double affine[4][4])
{
  for (int a = 0; a < 3; a++)
    {
      affine[a][a] = a == 0 ? -spacing_mm[a] : spacing_mm[a];
      affine[a][3] = -0.5 * ((double) self->dim[a] - 1.0) * affine[a][a];
    }
}

static void
remark_units (const VolumeNiftiHeader *self, VolumeScanParts *parts)
{
  int space = XYZT_TO_SPACE (self->xyzt_units);

  if (space == NIFTI_UNITS_METER || space == NIFTI_UNITS_MICRON)
    volume_scan_parts_remark (parts,
                              "The header says its lengths are in %s; they are taken as "
                              "millimetres, as other programs do.",
                              space == NIFTI_UNITS_METER ? "metres" : "micrometres");
}

gboolean
volume_nifti_header_get_geometry (const VolumeNiftiHeader *self, VolumeScanParts *parts,
                                  GError **error)
{
  const int size[3] = { (int) self->dim[0], (int) self->dim[1], (int) self->dim[2] };
  double spacing_mm[3], affine[4][4] = { [3][3] = 1.0 };
  g_autoptr (GError) sform_error = NULL;

  if (!check_spacing (self, spacing_mm, parts, error))
    return FALSE;
  remark_units (self, parts);
  if (self->sform_code > 0)
    {
      memcpy (affine, self->srow, sizeof self->srow);
      if (volume_geometry_init (&parts->geometry, size, affine, VOLUME_AFFINE_FROM_SFORM,
                                &sform_error))
        return TRUE;
      if (self->qform_code <= 0)
        {
          g_propagate_error (error, g_steal_pointer (&sform_error));
          return FALSE;
        }
      volume_scan_parts_remark (parts, "The sform was passed over for the qform: %s.",
                                sform_error->message);
    }
  if (self->qform_code > 0)
    {
      affine_from_qform (self, spacing_mm, affine);
      return volume_geometry_init (&parts->geometry, size, affine, VOLUME_AFFINE_FROM_QFORM, error);
    }
  affine_from_pixdim (self, spacing_mm, affine);
  volume_scan_parts_remark (parts, "The file does not say how the patient lies: left and right are "
                                   "assumed, not known.");
  return volume_geometry_init (&parts->geometry, size, affine, VOLUME_AFFINE_FROM_PIXDIM, error);
}
