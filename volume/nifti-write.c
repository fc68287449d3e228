/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/file-write.h"
#include "volume/memory.h"
#include "volume/nifti-write.h"

#include <float.h>
#include <math.h>
#include <nifti2_io.h>
#include <string.h>
#include <zlib.h>

/* A header to be written and the four bytes that say that no extension follows. */
typedef struct
{
  guint8 bytes[sizeof (nifti_2_header) + 4];
  gsize size;
} Head;

static const struct
{
  int datatype, bits;
} types[] = {
  [VOLUME_DTYPE_U8] = { DT_UINT8, 8 },     [VOLUME_DTYPE_I8] = { DT_INT8, 8 },
  [VOLUME_DTYPE_U16] = { DT_UINT16, 16 },  [VOLUME_DTYPE_I16] = { DT_INT16, 16 },
  [VOLUME_DTYPE_U32] = { DT_UINT32, 32 },  [VOLUME_DTYPE_I32] = { DT_INT32, 32 },
  [VOLUME_DTYPE_U64] = { DT_UINT64, 64 },  [VOLUME_DTYPE_I64] = { DT_INT64, 64 },
  [VOLUME_DTYPE_F32] = { DT_FLOAT32, 32 }, [VOLUME_DTYPE_F64] = { DT_FLOAT64, 64 },
};

/* The quaternion of an affine whose columns are at right angles; FALSE for a sheared one, which a
 * qform cannot hold. */
static gboolean
quaternion_of (const VolumeGeometry *geometry, double quatern[3], double *qfac)
{
  nifti_dmat44 m = { 0 };
  double offset[3], spacing[3];

  for (int a = 0; a < 3; a++)
    for (int b = a + 1; b < 3; b++)
      {
        double dot = 0.0;

        for (int r = 0; r < 3; r++)
          dot += geometry->affine[r][a] * geometry->affine[r][b];
        if (fabs (dot) > 1e-5 * geometry->spacing_mm[a] * geometry->spacing_mm[b])
          return FALSE;
      }
  for (int r = 0; r < 4; r++)
    for (int c = 0; c < 4; c++)
      m.m[r][c] = geometry->affine[r][c];
  nifti_dmat44_to_quatern (m, &quatern[0], &quatern[1], &quatern[2], &offset[0], &offset[1],
                           &offset[2], &spacing[0], &spacing[1], &spacing[2], qfac);
  return TRUE;
}

/* The fields both versions have under the same names. */
#define FILL_FROM_GEOMETRY(h, g)                                                                   \
  do                                                                                               \
    {                                                                                              \
      double quatern_[3], qfac_ = 1.0;                                                             \
                                                                                                   \
      for (int a = 0; a < 3; a++)                                                                  \
        (h)->pixdim[a + 1] = (g)->spacing_mm[a];                                                   \
      if ((g)->affine_from != VOLUME_AFFINE_FROM_PIXDIM)                                           \
        {                                                                                          \
          for (int c = 0; c < 4; c++)                                                              \
            {                                                                                      \
              (h)->srow_x[c] = (g)->affine[0][c];                                                  \
              (h)->srow_y[c] = (g)->affine[1][c];                                                  \
              (h)->srow_z[c] = (g)->affine[2][c];                                                  \
            }                                                                                      \
          (h)->sform_code = NIFTI_XFORM_SCANNER_ANAT;                                              \
          if (quaternion_of ((g), quatern_, &qfac_))                                               \
            {                                                                                      \
              (h)->quatern_b = quatern_[0];                                                        \
              (h)->quatern_c = quatern_[1];                                                        \
              (h)->quatern_d = quatern_[2];                                                        \
              (h)->qoffset_x = (g)->affine[0][3];                                                  \
              (h)->qoffset_y = (g)->affine[1][3];                                                  \
              (h)->qoffset_z = (g)->affine[2][3];                                                  \
              (h)->qform_code = NIFTI_XFORM_SCANNER_ANAT;                                          \
            }                                                                                      \
        }                                                                                          \
      (h)->pixdim[0] = qfac_ < 0.0 ? -1.0 : 1.0;                                                   \
      (h)->xyzt_units = NIFTI_UNITS_MM;                                                            \
    }                                                                                              \
  while (0)

/* I5: copied as they are; assignment of a float to a float keeps its bits. */
#define COPY_SPATIAL(h, src)                                                                       \
  do                                                                                               \
    {                                                                                              \
      memcpy ((h)->pixdim, (src)->pixdim, sizeof (h)->pixdim);                                     \
      memcpy ((h)->srow_x, (src)->srow_x, sizeof (h)->srow_x);                                     \
      memcpy ((h)->srow_y, (src)->srow_y, sizeof (h)->srow_y);                                     \
      memcpy ((h)->srow_z, (src)->srow_z, sizeof (h)->srow_z);                                     \
      memcpy (&(h)->quatern_b, &(src)->quatern_b, sizeof (h)->quatern_b);                          \
      memcpy (&(h)->quatern_c, &(src)->quatern_c, sizeof (h)->quatern_c);                          \
      memcpy (&(h)->quatern_d, &(src)->quatern_d, sizeof (h)->quatern_d);                          \
      memcpy (&(h)->qoffset_x, &(src)->qoffset_x, sizeof (h)->qoffset_x);                          \
      memcpy (&(h)->qoffset_y, &(src)->qoffset_y, sizeof (h)->qoffset_y);                          \
      memcpy (&(h)->qoffset_z, &(src)->qoffset_z, sizeof (h)->qoffset_z);                          \
      (h)->qform_code = (src)->qform_code;                                                         \
      (h)->sform_code = (src)->sform_code;                                                         \
      (h)->xyzt_units = (src)->xyzt_units;                                                         \
      (h)->dim[0] = MIN ((src)->dim[0], 3);                                                        \
    }                                                                                              \
  while (0)

#define FILL_COMMON(h, g, params)                                                                  \
  do                                                                                               \
    {                                                                                              \
      (h)->dim[0] = 3;                                                                             \
      for (int d = 1; d < 8; d++)                                                                  \
        {                                                                                          \
          (h)->dim[d] = d <= 3 ? (g)->size[d - 1] : 1;                                             \
          (h)->pixdim[d] = 1.0;                                                                    \
        }                                                                                          \
      (h)->datatype = types[(params)->dtype].datatype;                                             \
      (h)->bitpix = types[(params)->dtype].bits;                                                   \
      (h)->vox_offset = sizeof *(h) + 4;                                                           \
      (h)->scl_slope = (params)->slope != 0.0 ? (params)->slope : 1.0;                             \
      (h)->scl_inter = (params)->inter;                                                            \
    }                                                                                              \
  while (0)

static void
make_head_1 (Head *head, const VolumeGeometry *geometry, const VolumeNiftiParams *params,
             const nifti_1_header *like)
{
  nifti_1_header h = { .sizeof_hdr = sizeof h, .regular = 'r', .magic = "n+1" };

  FILL_COMMON (&h, geometry, params);
  if (like != NULL)
    COPY_SPATIAL (&h, like);
  else
    FILL_FROM_GEOMETRY (&h, geometry);
  memcpy (head->bytes, &h, sizeof h);
  head->size = sizeof h + 4;
}

static void
make_head_2 (Head *head, const VolumeGeometry *geometry, const VolumeNiftiParams *params,
             const nifti_2_header *like)
{
  nifti_2_header h = { .sizeof_hdr = sizeof h };

  memcpy (h.magic, "n+2\0\r\n\032\n", 8);
  FILL_COMMON (&h, geometry, params);
  if (like != NULL)
    COPY_SPATIAL (&h, like);
  else
    FILL_FROM_GEOMETRY (&h, geometry);
  memcpy (head->bytes, &h, sizeof h);
  head->size = sizeof h + 4;
}

static gboolean
make_head (Head *head, const VolumeGeometry *geometry, const VolumeNiftiParams *params)
{
  GBytes *source = params->like != NULL ? volume_scan_get_nifti_header (params->like) : NULL;
  gsize size = 0;
  const guint8 *bytes = source != NULL ? g_bytes_get_data (source, &size) : NULL;
  gboolean is_large = geometry->size[0] > G_MAXINT16 || geometry->size[1] > G_MAXINT16
                      || geometry->size[2] > G_MAXINT16;
  gint32 first = 0;

  memset (head, 0, sizeof *head);
  if (bytes != NULL)
    memcpy (&first, bytes, sizeof first);
  if (bytes != NULL && size == sizeof (nifti_1_header))
    {
      nifti_1_header like;

      memcpy (&like, bytes, sizeof like);
      if (first != sizeof like)
        swap_nifti_header (&like, 1);
      make_head_1 (head, geometry, params, &like);
    }
  else if (bytes != NULL && size == sizeof (nifti_2_header))
    {
      nifti_2_header like;

      memcpy (&like, bytes, sizeof like);
      if (first != sizeof like)
        swap_nifti_header (&like, 2);
      make_head_2 (head, geometry, params, &like);
    }
  else if (is_large)
    make_head_2 (head, geometry, params, NULL);
  else
    make_head_1 (head, geometry, params, NULL);
  return TRUE;
}

/* Output */

static gboolean
write_gzipped (VolumeFileWriter *writer, const Head *head, const guint8 *data, gsize n_bytes,
               GError **error)
{
  enum
  {
    ROOM = 1 << 18
  };
  /* A fixed header without name and time: the same data give the same file. */
  gz_header gz = { .os = 3 };
  g_autofree guint8 *room = g_malloc (ROOM);
  const struct
  {
    const guint8 *data;
    gsize n_bytes;
  } parts[] = { { head->bytes, head->size }, { data, n_bytes } };
  z_stream z = { 0 };
  gboolean good;

  good = deflateInit2 (&z, 4, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  if (!good)
    {
      g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_IO, "no memory to compress with");
      return FALSE;
    }
  deflateSetHeader (&z, &gz);
  for (gsize p = 0; good && p < G_N_ELEMENTS (parts); p++)
    for (gsize at = 0; good && (at < parts[p].n_bytes || p == 1);)
      {
        gsize n = MIN (parts[p].n_bytes - at, (gsize) 1 << 24);
        int flush = p == 1 && at + n == parts[p].n_bytes ? Z_FINISH : Z_NO_FLUSH;

        z.next_in = (Bytef *) parts[p].data + at;
        z.avail_in = (uInt) n;
        do
          {
            z.next_out = room;
            z.avail_out = ROOM;
            deflate (&z, flush);
            good = volume_file_writer_write (writer, room, ROOM - z.avail_out, error);
          }
        while (good && z.avail_out == 0);
        at += n;
        if (flush == Z_FINISH)
          break;
      }
  deflateEnd (&z);
  return good;
}

gboolean
volume_nifti_write (const char *path, const VolumeNiftiParams *params, GError **error)
{
  const VolumeGeometry *geometry = params->geometry;
  g_autoptr (VolumeFileWriter) writer = NULL;
  gsize n_bytes;
  Head head;

  if (params->like != NULL)
    {
      const VolumeGeometry *own = volume_scan_get_geometry (params->like);

      if (geometry != NULL && memcmp (geometry->size, own->size, sizeof own->size) != 0)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                       "%s: %d × %d × %d voxels do not fit the scan's %d × %d × %d", path,
                       geometry->size[0], geometry->size[1], geometry->size[2], own->size[0],
                       own->size[1], own->size[2]);
          return FALSE;
        }
      geometry = own;
    }
  g_return_val_if_fail (geometry != NULL && params->data != NULL, FALSE);
  if (!g_str_has_suffix (path, ".nii") && !g_str_has_suffix (path, ".nii.gz"))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED,
                   "%s: NIfTI files end with .nii or .nii.gz", path);
      return FALSE;
    }

  make_head (&head, geometry, params);
  n_bytes = (gsize) geometry->size[0] * geometry->size[1] * geometry->size[2]
            * volume_dtype_get_size (params->dtype);
  writer = volume_file_writer_new (path, error);
  if (writer == NULL)
    return FALSE;
  if (g_str_has_suffix (path, ".gz"))
    {
      if (!write_gzipped (writer, &head, params->data, n_bytes, error))
        return FALSE;
    }
  else if (!volume_file_writer_write (writer, head.bytes, head.size, error)
           || !volume_file_writer_write (writer, params->data, n_bytes, error))
    return FALSE;
  return volume_file_writer_finish (writer, error);
}

gboolean
volume_nifti_write_labels (const char *path, VolumeScan *like, const guint16 *labels,
                           GError **error)
{
  gsize n = volume_scan_get_n_voxels (like);
  g_autofree guint8 *bytes = NULL;
  guint16 most = 0;

  for (gsize v = 0; v < n; v++)
    most = MAX (most, labels[v]);
  if (most <= 255)
    {
      bytes = volume_memory_try (n, sizeof *bytes, error);
      if (bytes == NULL)
        {
          g_prefix_error (error, "%s: ", path);
          return FALSE;
        }
      for (gsize v = 0; v < n; v++)
        bytes[v] = (guint8) labels[v];
    }
  return volume_nifti_write (
      path,
      &(VolumeNiftiParams){ .like = like,
                            .dtype = bytes != NULL ? VOLUME_DTYPE_U8 : VOLUME_DTYPE_U16,
                            .data = bytes != NULL ? (gconstpointer) bytes : labels },
      error);
}

gboolean
volume_nifti_write_snapshot (const char *path, VolumeScan *like,
                             const VolumeLabelSnapshot *snapshot, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (like);
  g_autofree guint16 *labels = NULL;
  VolumeBox box = { { 0 } };

  volume_label_snapshot_get_size (snapshot, box.hi);
  if (memcmp (box.hi, geometry->size, sizeof box.hi) != 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "%s: the labels' grid is not the scan's", path);
      return FALSE;
    }
  labels = volume_memory_try (volume_scan_get_n_voxels (like), sizeof *labels, error);
  if (labels == NULL)
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  volume_label_snapshot_read_box (snapshot, &box, labels);
  return volume_nifti_write_labels (path, like, labels, error);
}
