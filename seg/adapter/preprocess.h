/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/sampler.h"
#include "volume/geometry.h"
#include "volume/scan.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_INTENSITY_AS_IS, /* values as they are (sets that are standardised already) */
  SEG_INTENSITY_CT_WINDOW, /* clip to window_low … window_high, then (x − mean) / std */
  SEG_INTENSITY_ROBUST_Z, /* clip to the scan's percentiles low … high, then z-score of the rest */
} SegIntensity;

/**
 * SegPreprocess:
 *
 * How a scan becomes a model's input; recorded with each model (DESIGN 6). A plain value.
 *
 * @orientation: letters axes 0, 1, 2 of the model's array point to, each axis of the scan going to
 *   the array axis it is nearest to; "RAS" by default
 * @spacing_mm: of the model's grid; 0 keeps the scan's own along that axis
 * @window_low, @window_high, @mean, @std: of SEG_INTENSITY_CT_WINDOW
 * @percentile_low, @percentile_high: of SEG_INTENSITY_ROBUST_Z, e.g. 0.5 and 99.5
 */
typedef struct
{
  char orientation[4];
  double spacing_mm[3];
  SegIntensity intensity;
  double window_low, window_high;
  double mean, std;
  double percentile_low, percentile_high;
} SegPreprocess;

/* RAS, own spacing, robust z-score between the percentiles 0.5 and 99.5. */
void seg_preprocess_init (SegPreprocess *self);

/**
 * seg_preprocess_fit:
 *
 * Chooses from the scans of a project: CT window −175…250 HU with its mean and std if every scan
 * looks like CT (values below −500 and a span like Hounsfield units), otherwise robust z-score; the
 * median spacing where spacings differ by more than 10 %, otherwise each scan's own.
 */
gboolean seg_preprocess_fit (SegPreprocess *self, VolumeScan *const *scans, gsize n_scans,
                             GError **error);

char *seg_preprocess_to_json (const SegPreprocess *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean seg_preprocess_from_json (SegPreprocess *self, const char *json, GError **error);

/* Largest multiples of 16 ≤ the sizes, about @n_voxels in all, sides 0 and 1 equal if @square. At
 * least 16; a side larger than the volume is padded by the sampler and the sliding window. */
void seg_preprocess_choose_patch (const int size[3], gsize n_voxels, gboolean square, int patch[3]);

/**
 * SegPrepared:
 *
 * One scan in a model's space, and the exact way back to the scan's own grid. Without resampling
 * both ways only permute and flip: there and back is bit for bit. With it, voxel centres correspond
 * as array index a = (own + ½)·n/n_own − ½ along each axis. Immutable, reference-counted (atomic).
 */
typedef struct _SegPrepared SegPrepared;

/* SEG_ERROR_TOO_LARGE if the resampled grid is beyond 2³¹ voxels; values that are not finite become
 * the smallest finite one. */
SegPrepared *seg_prepared_new (const SegPreprocess *preprocess, VolumeScan *scan,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The two ways without an image. */
SegPrepared *seg_prepared_new_for_geometry (const SegPreprocess *preprocess,
                                            const VolumeGeometry *geometry,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
SegPrepared *seg_prepared_ref (SegPrepared *self);
void seg_prepared_unref (SegPrepared *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegPrepared, seg_prepared_unref)

void seg_prepared_get_size (const SegPrepared *self, int size[3]); /* axis 2 fastest */
const float *seg_prepared_get_image (const SegPrepared *self); /* NULL without one */
gsize seg_prepared_get_n_voxels (const SegPrepared *self);
const VolumeGeometry *seg_prepared_get_geometry (const SegPrepared *self); /* the scan's */
/* The prepared grid's place in the world: index (a0, a1, a2) → RAS mm, row major. */
void seg_prepared_get_affine (const SegPrepared *self, double affine[4][4]);
void seg_prepared_get_spacing (const SegPrepared *self, double spacing_mm[3]);
/* Voxel axis of the scan behind array axis @axis. */
int seg_prepared_get_scan_axis (const SegPrepared *self, int axis);

/* Points, both in voxels with whole numbers at centres. */
void seg_prepared_point_forward (const SegPrepared *self, const double ijk[3], double a[3]);
void seg_prepared_point_back (const SegPrepared *self, const double a[3], double ijk[3]);

/* Dense labels of the scan (i fastest) → array; nearest. Labels above 255 are an error of the
 * caller: map classes to channels first. */
void seg_prepared_labels_forward (const SegPrepared *self, const guint8 *labels_ijk, guint8 *dst);

/* A signed plane of the scan (voxel axis and index) → plane of the array. */
SegPlane seg_prepared_plane_forward (const SegPrepared *self, int scan_axis, int index);
SegPlane seg_prepared_plane_back (const SegPrepared *self, SegPlane plane);

/**
 * seg_prepared_planes_forward:
 * @labels_ijk: labels of the scan, of which only the signed planes are looked at
 * @scan_planes: axis = voxel axis of the scan
 * @dst: array of labels; 0 off the planes (I3: see @planes for the domain)
 * @planes: (out caller-allocates) (array length=n_planes): the same planes in the array
 *
 * A plane keeps its own labels even where the array's voxels are larger or smaller than the scan's.
 */
void seg_prepared_planes_forward (const SegPrepared *self, const guint8 *labels_ijk,
                                  const SegPlane *scan_planes, gsize n_planes, guint8 *dst,
                                  SegPlane *planes);

/* Array → the scan's own grid (i fastest); nearest. */
void seg_prepared_labels_back (const SegPrepared *self, const guint8 *labels, guint8 *dst_ijk);
/* One channel, trilinear; bit for bit without resampling. */
void seg_prepared_values_back (const SegPrepared *self, const float *values, float *dst_ijk);
/* Probabilities of @n_classes channels (n_classes × size) → arg-max on the scan's own grid after
 * trilinear interpolation; the lowest class on a tie. @confidence (or NULL): the winner's. */
void seg_prepared_probabilities_back (const SegPrepared *self, const float *probabilities,
                                      int n_classes, guint8 *dst_ijk, float *confidence_ijk);

G_END_DECLS
