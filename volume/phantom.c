/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/nifti-write.h"
#include "volume/phantom.h"

#include <math.h>
#include <string.h>

#define N_WAVES 6

/* Numbers: splitmix64 (Steele, Lea, Flood 2014). Small, seeded by anything, the same everywhere. */

typedef struct
{
  guint64 state;
} Random;

static guint64
mix (guint64 x)
{
  x = (x ^ x >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return x ^ x >> 31;
}

static double
uniform (Random *random, double lo, double hi)
{
  random->state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return lo + (hi - lo) * (double) (mix (random->state) >> 11) * 0x1p-53;
}

static double
normal (Random *random)
{
  double u = uniform (random, 1e-12, 1.0), v = uniform (random, 0.0, 2.0 * G_PI);

  return sqrt (-2.0 * log (u)) * cos (v);
}

/* Smooth noise of about unit range: values at the points of a lattice, blended between. */
static double
lattice_value (guint64 salt, int x, int y, int z)
{
  guint64 key = salt + (guint64) (guint32) x * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)
                + (guint64) (guint32) y * G_GUINT64_CONSTANT (0xc2b2ae3d27d4eb4f)
                + (guint64) (guint32) z * G_GUINT64_CONSTANT (0x165667b19e3779f9);

  return (double) (mix (key) >> 11) * 0x1p-52 - 1.0;
}

static double
smooth_noise (guint64 salt, const double p[3])
{
  int base[3];
  double t[3], value = 0.0;

  for (int a = 0; a < 3; a++)
    {
      double below = floor (p[a]), f = p[a] - below;

      base[a] = (int) below;
      t[a] = f * f * (3.0 - 2.0 * f);
    }
  for (int corner = 0; corner < 8; corner++)
    {
      int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2;

      value += (dx ? t[0] : 1 - t[0]) * (dy ? t[1] : 1 - t[1]) * (dz ? t[2] : 1 - t[2])
               * lattice_value (salt, base[0] + dx, base[1] + dy, base[2] + dz);
    }
  return value;
}

/* Shapes, in body coordinates: R, A, S from −1 to 1 across the field of view. */

typedef struct
{
  double centre[3];
  double to_unit[3][3]; /* body coordinates → the unit sphere */
  double wave[N_WAVES][3], phase[N_WAVES], height[N_WAVES];
} Blob;

typedef struct
{
  double centre[3], radius[3];
  double level; /* grey level */
  double grain, contrast; /* of the texture: lattice points across the view, ± part of the level */
} Organ;

/* Where organs are and how they look before chance moves them. */
static const Organ organs[VOLUME_PHANTOM_N_LABELS] = {
  { { 0.36, 0.10, 0.05 }, { 0.36, 0.40, 0.52 }, 560, 22, 0.07 },
  { { -0.46, -0.14, 0.10 }, { 0.21, 0.26, 0.38 }, 690, 12, 0.10 },
  { { -0.08, 0.36, -0.12 }, { 0.16, 0.15, 0.24 }, 300, 30, 0.04 },
};
static const char *const organ_names[VOLUME_PHANTOM_N_LABELS] = { "Liver", "Spleen",
                                                                  "Gallbladder" };

typedef enum
{
  TISSUE_AIR = -4,
  TISSUE_FAT = -3,
  TISSUE_BONE = -2,
  TISSUE_VESSEL = -1,
  TISSUE_MUSCLE = 0 /* 1 … n: organs */
} Tissue;

typedef struct
{
  int n_organs;
  Blob organ[VOLUME_PHANTOM_N_LABELS];
  double level[VOLUME_PHANTOM_N_LABELS + 1];
  double body_radius[2], fat;
  double vessel_phase, vessel_sway, spine_phase;
  double gain, noise;
  double bias[3], bias2[3];
  guint64 texture_salt;
} Anatomy;

static void
make_rotation (const double axis[3], double angle, double m[3][3])
{
  double length = sqrt (axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]);
  double u[3] = { axis[0] / length, axis[1] / length, axis[2] / length };
  double c = cos (angle), s = sin (angle);
  const double cross[3][3] = { { 0, -u[2], u[1] }, { u[2], 0, -u[0] }, { -u[1], u[0], 0 } };

  for (int row = 0; row < 3; row++)
    for (int col = 0; col < 3; col++)
      m[row][col] = (row == col ? c : 0.0) + (1.0 - c) * u[row] * u[col] + s * cross[row][col];
}

static void
make_blob (Blob *blob, const Organ *organ, Random *random)
{
  const double axis[3] = { normal (random), normal (random), normal (random) + 1e-3 };
  double rotation[3][3];

  make_rotation (axis, uniform (random, -0.35, 0.35), rotation);
  for (int r = 0; r < 3; r++)
    {
      double radius = organ->radius[r] * uniform (random, 0.82, 1.15);

      blob->centre[r] = organ->centre[r] + uniform (random, -0.05, 0.05);
      for (int c = 0; c < 3; c++)
        blob->to_unit[r][c] = rotation[r][c] / radius;
    }
  for (int w = 0; w < N_WAVES; w++)
    {
      for (int a = 0; a < 3; a++)
        blob->wave[w][a] = normal (random) * 1.7;
      blob->phase[w] = uniform (random, 0.0, 2.0 * G_PI);
      blob->height[w] = uniform (random, 0.02, 0.09);
    }
}

static gboolean
blob_has (const Blob *blob, const double q[3])
{
  double d[3], u[3], length2 = 0.0, bump = 1.0;

  for (int a = 0; a < 3; a++)
    d[a] = q[a] - blob->centre[a];
  for (int r = 0; r < 3; r++)
    {
      u[r] = blob->to_unit[r][0] * d[0] + blob->to_unit[r][1] * d[1] + blob->to_unit[r][2] * d[2];
      length2 += u[r] * u[r];
    }
  /* The waves sum to less than 0.54, so these need no sines. */
  if (length2 > 1.54 * 1.54)
    return FALSE;
  if (length2 < 0.46 * 0.46)
    return TRUE;
  for (int w = 0; w < N_WAVES; w++)
    bump += blob->height[w]
            * sin (blob->wave[w][0] * u[0] + blob->wave[w][1] * u[1] + blob->wave[w][2] * u[2]
                   + blob->phase[w]);
  return length2 < bump * bump;
}

static void
make_anatomy (Anatomy *self, const VolumePhantomParams *params, Random *random)
{
  memset (self, 0, sizeof *self);
  self->n_organs = volume_phantom_get_n_labels (params);
  for (int o = 0; o < self->n_organs; o++)
    {
      make_blob (&self->organ[o], &organs[o], random);
      self->level[o + 1] = organs[o].level * uniform (random, 0.93, 1.07);
    }
  self->level[0] = uniform (random, 400, 450);
  self->body_radius[0] = uniform (random, 0.84, 0.92);
  self->body_radius[1] = uniform (random, 0.70, 0.80);
  self->fat = uniform (random, 0.04, 0.10);
  self->vessel_phase = uniform (random, 0.0, 2.0 * G_PI);
  self->vessel_sway = uniform (random, 0.01, 0.05);
  self->spine_phase = uniform (random, 0.0, 2.0 * G_PI);
  self->gain = uniform (random, 0.7, 1.4);
  self->noise = uniform (random, 12.0, 24.0);
  for (int a = 0; a < 3; a++)
    {
      self->bias[a] = uniform (random, -0.15, 0.15);
      self->bias2[a] = uniform (random, -0.15, 0.05);
    }
  self->texture_salt = mix (random->state);
}

static gboolean
in_disc (double x, double y, double centre_x, double centre_y, double radius)
{
  return (x - centre_x) * (x - centre_x) + (y - centre_y) * (y - centre_y) < radius * radius;
}

static int
tissue_at (const Anatomy *self, const double q[3])
{
  double x = fabs (q[0]) / self->body_radius[0], y = fabs (q[1]) / self->body_radius[1];
  double rim = x * x * sqrt (x) + y * y * sqrt (y); /* a rounded box */
  double sway = self->vessel_sway * sin (3.0 * q[2] + self->vessel_phase);

  if (rim > 1.0)
    return TISSUE_AIR;
  if (rim > 1.0 - 2.5 * self->fat)
    return TISSUE_FAT;
  for (int o = self->n_organs; o-- > 0;)
    if (blob_has (&self->organ[o], q))
      return o + 1;
  /* Vertebrae with discs between, the canal behind them, and two vessels in front. */
  if (in_disc (q[0], q[1], 0.0, -0.44, 0.13))
    return sin (14.0 * q[2] + self->spine_phase) > -0.75 ? TISSUE_BONE : TISSUE_MUSCLE;
  if (in_disc (q[0], q[1], -0.09 + sway, -0.25, 0.055)
      || in_disc (q[0], q[1], 0.09 + sway, -0.25, 0.05))
    return TISSUE_VESSEL;
  return TISSUE_MUSCLE;
}

static double
tissue_level (const Anatomy *self, int tissue)
{
  switch (tissue)
    {
    case TISSUE_AIR:
      return 0.0;
    case TISSUE_FAT:
      return 900.0;
    case TISSUE_BONE:
      return 240.0;
    case TISSUE_VESSEL:
      return 780.0;
    default:
      return self->level[tissue];
    }
}

static double
texture_at (const Anatomy *self, int tissue, const double q[3])
{
  double grain = tissue > 0 ? organs[tissue - 1].grain : 9.0;
  double contrast = tissue > 0 ? organs[tissue - 1].contrast : tissue == TISSUE_AIR ? 0.0 : 0.08;
  double p[3];

  for (int a = 0; a < 3; a++)
    p[a] = q[a] * grain;
  return 1.0
         + contrast
               * (smooth_noise (self->texture_salt + (guint64) (tissue + 8), p)
                  + 0.5
                        * smooth_noise (self->texture_salt + 99,
                                        (double[3]){ 2.1 * p[0], 2.1 * p[1], 2.1 * p[2] }));
}

static double
bias_at (const Anatomy *self, const double q[3])
{
  double field = 0.0;

  for (int a = 0; a < 3; a++)
    field += self->bias[a] * q[a] + self->bias2[a] * q[a] * q[a];
  return exp (field);
}

/* The grid */

static void
make_geometry (VolumeGeometry *geometry, const VolumePhantomParams *params, Random *random)
{
  static const struct
  {
    int world[3], sign[3];
  } orders[] = {
    { { 0, 1, 2 }, { 1, 1, 1 } }, /* RAS */
    { { 0, 1, 2 }, { -1, -1, 1 } }, /* LPS */
    { { 1, 2, 0 }, { -1, -1, 1 } }, /* PIR: sagittal slices */
    { { 0, 1, 2 }, { -1, 1, 1 } }, /* LAS */
    { { 0, 2, 1 }, { -1, -1, 1 } }, /* LIA: coronal slices */
  };
  double rotation[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
  double affine[4][4] = { [3][3] = 1.0 }, spacing[3], in_plane = uniform (random, 1.7, 2.3);
  const double axis[3] = { normal (random), normal (random), normal (random) + 1e-3 };
  const double tilt = uniform (random, 0.09, 0.35);
  gsize order = params->index % G_N_ELEMENTS (orders);
  int size[3];

  for (int a = 0; a < 3; a++)
    {
      static const int base[3] = { 80, 80, 48 };
      double change = uniform (random, -4.0, 4.0);

      size[a] = params->size[a] > 0 ? params->size[a] : base[a] + (int) change;
      spacing[a] = a == 2 ? in_plane * uniform (random, 1.4, 1.8) : in_plane;
    }
  if (params->index % 3 == 2)
    make_rotation (axis, tilt, rotation);
  for (int a = 0; a < 3; a++)
    for (int r = 0; r < 3; r++)
      affine[r][a] = rotation[r][orders[order].world[a]] * orders[order].sign[a] * spacing[a];
  for (int r = 0; r < 3; r++) /* the middle of the grid lies at a scanner-like offset */
    {
      affine[r][3] = uniform (random, -30.0, 30.0);
      for (int a = 0; a < 3; a++)
        affine[r][3] -= affine[r][a] * 0.5 * (size[a] - 1);
      /* As single precision, which is what files keep. */
      for (int c = 0; c < 4; c++)
        affine[r][c] = (float) affine[r][c] + 0.0; /* no −0 */
    }
  if (!volume_geometry_init (geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL))
    g_assert_not_reached ();
}

/* Body coordinates of a voxel: world axes about the grid's middle, by half the field of view. */
typedef struct
{
  double matrix[3][4];
} BodyMap;

static void
make_body_map (BodyMap *map, const VolumeGeometry *geometry)
{
  double middle[3], centre[3], half[3] = { 0 };

  for (int a = 0; a < 3; a++)
    middle[a] = 0.5 * (geometry->size[a] - 1);
  volume_geometry_ijk_to_ras (geometry, middle, centre);
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      static const int world_of_plane[VOLUME_N_PLANES] = { 2, 1, 0 };
      int axis = geometry->axis_of_plane[plane];

      half[world_of_plane[plane]] = 0.5 * geometry->size[axis] * geometry->spacing_mm[axis];
    }
  for (int r = 0; r < 3; r++)
    {
      for (int c = 0; c < 3; c++)
        map->matrix[r][c] = geometry->affine[r][c] / half[r];
      map->matrix[r][3] = (geometry->affine[r][3] - centre[r]) / half[r];
    }
}

static void
body_coordinates (const BodyMap *map, double i, double j, double k, double q[3])
{
  for (int r = 0; r < 3; r++)
    q[r] =
        map->matrix[r][0] * i + map->matrix[r][1] * j + map->matrix[r][2] * k + map->matrix[r][3];
}

/* Tissue at voxel centres tells where a border runs through a voxel's neighbourhood; only there
 * the voxel is taken apart for its partial volume. */
static gboolean
is_at_border (const gint8 *tissue, const int size[3], int i, int j, int k)
{
  const int at[3] = { i, j, k };
  const gsize strides[3] = { 1, size[0], (gsize) size[0] * size[1] };
  gsize here = (gsize) i + strides[1] * j + strides[2] * k;

  for (int a = 0; a < 3; a++)
    if ((at[a] > 0 && tissue[here - strides[a]] != tissue[here])
        || (at[a] + 1 < size[a] && tissue[here + strides[a]] != tissue[here]))
      return TRUE;
  return FALSE;
}

static double
partial_level (const Anatomy *anatomy, const BodyMap *map, int i, int j, int k)
{
  enum
  {
    N_IJ = 2,
    N_K = 4
  }; /* slices are thick */
  double sum = 0.0;

  for (int c = 0; c < N_K; c++)
    for (int b = 0; b < N_IJ; b++)
      for (int a = 0; a < N_IJ; a++)
        {
          double q[3];

          body_coordinates (map, i + (a + 0.5) / N_IJ - 0.5, j + (b + 0.5) / N_IJ - 0.5,
                            k + (c + 0.5) / N_K - 0.5, q);
          sum += tissue_level (anatomy, tissue_at (anatomy, q));
        }
  return sum / (N_IJ * N_IJ * N_K);
}

static gint16
grey_value (const Anatomy *anatomy, int tissue, const double q[3], double level, Random *random)
{
  double signal = level * texture_at (anatomy, tissue, q) * bias_at (anatomy, q) * anatomy->gain;
  double real = signal + anatomy->noise * normal (random);
  double imaginary = anatomy->noise * normal (random);

  /* The magnitude of a complex signal, as MR scanners store it (Rician noise). */
  return (gint16) CLAMP (sqrt (real * real + imaginary * imaginary) + 0.5, 0.0, 32000.0);
}

VolumeScan *
volume_phantom_create (const VolumePhantomParams *params, guint8 **labels, GError **error)
{
  Random random = { mix (params->seed ^ G_GUINT64_CONSTANT (0x5851f42d4c957f2d))
                    + mix (params->index + 1) };
  VolumeGeometry geometry;
  Anatomy anatomy;
  BodyMap map;
  gsize n, v = 0;
  g_autofree gint8 *tissue = NULL;
  g_autofree guint8 *organs = NULL;
  g_autofree gint16 *stored = NULL;

  g_return_val_if_fail (params->n_organs >= 0 && params->n_organs <= VOLUME_PHANTOM_N_LABELS, NULL);

  make_geometry (&geometry, params, &random);
  make_anatomy (&anatomy, params, &random);
  make_body_map (&map, &geometry);
  n = (gsize) geometry.size[0] * geometry.size[1] * geometry.size[2];
  tissue = volume_memory_try (n, sizeof *tissue, error);
  if (tissue == NULL)
    return NULL;
  stored = volume_memory_try (n, sizeof *stored, error);
  if (stored == NULL)
    return NULL;
  for (int k = 0; k < geometry.size[2]; k++)
    for (int j = 0; j < geometry.size[1]; j++)
      for (int i = 0; i < geometry.size[0]; i++, v++)
        {
          double q[3];

          body_coordinates (&map, i, j, k, q);
          tissue[v] = (gint8) tissue_at (&anatomy, q);
        }
  v = 0;
  for (int k = 0; k < geometry.size[2]; k++)
    for (int j = 0; j < geometry.size[1]; j++)
      for (int i = 0; i < geometry.size[0]; i++, v++)
        {
          double q[3], level = tissue_level (&anatomy, tissue[v]);

          body_coordinates (&map, i, j, k, q);
          if (is_at_border (tissue, geometry.size, i, j, k))
            level = partial_level (&anatomy, &map, i, j, k);
          stored[v] = grey_value (&anatomy, tissue[v], q, level, &random);
        }
  if (labels != NULL)
    {
      organs = volume_memory_try (n, sizeof *organs, error);
      if (organs == NULL)
        return NULL;
      for (v = 0; v < n; v++)
        organs[v] = (guint8) MAX (tissue[v], 0);
      *labels = g_steal_pointer (&organs);
    }
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_I16,
                               g_bytes_new_take (g_steal_pointer (&stored), n * sizeof *stored),
                               1.0, 0.0);
}

int
volume_phantom_get_n_labels (const VolumePhantomParams *params)
{
  /* By the seed alone, so that a whole set has the same. */
  return params->n_organs > 0 ? params->n_organs : 2 + (int) (mix (params->seed + 77) & 1);
}

const char *
volume_phantom_get_label_name (int label)
{
  g_return_val_if_fail (label >= 1 && label <= VOLUME_PHANTOM_N_LABELS, NULL);
  return organ_names[label - 1];
}

gboolean
volume_phantom_write (const VolumePhantomParams *params, const char *folder, char **scan_path,
                      char **label_path, GError **error)
{
  g_autofree guint8 *labels = NULL;
  g_autoptr (VolumeScan) scan = volume_phantom_create (params, &labels, error);
  g_autofree char *scan_name = g_strdup_printf ("phantom_%03u.nii.gz", params->index);
  g_autofree char *label_name = g_strdup_printf ("phantom_%03u_label.nii.gz", params->index);
  g_autofree char *scan_file = g_build_filename (folder, scan_name, NULL);
  g_autofree char *label_file = g_build_filename (folder, label_name, NULL);
  VolumeNiftiParams nifti = { .like = scan, .dtype = VOLUME_DTYPE_I16 };

  if (scan == NULL)
    return FALSE;
  nifti.data = volume_scan_get_stored (scan);
  if (!volume_nifti_write (scan_file, &nifti, error))
    return FALSE;
  nifti.dtype = VOLUME_DTYPE_U8;
  nifti.data = labels;
  if (!volume_nifti_write (label_file, &nifti, error))
    return FALSE;
  if (scan_path != NULL)
    *scan_path = g_steal_pointer (&scan_file);
  if (label_path != NULL)
    *label_path = g_steal_pointer (&label_file);
  return TRUE;
}
