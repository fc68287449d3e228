/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/random-stream.h"

G_BEGIN_DECLS

/* A labelled plane of a volume: all voxels with index @index along @axis. */
typedef struct
{
  int axis;
  int index;
} SegPlane;

/* In a pseudo-label: nobody's guess is trusted here. */
#define SEG_PSEUDO_UNKNOWN 255
/* In a patch's: no voxel of the volume, but padding or what lies beyond it (see mark_outside). */
#define SEG_PSEUDO_OUTSIDE 254

/**
 * SegCase:
 *
 * One training volume in memory, axes 0, 1, 2 with axis 2 fastest. Everything but @image may be
 * missing. The labelled domain (I3) is the whole volume if @complete, else the union of @planes,
 * else
 * @domain where it is not 0. @pseudo is the generalist's label; it and @label go through the same
 * transforms as the image. Arrays are borrowed: they must stay as they are while a loader uses
 * them.
 */
typedef struct
{
  int size[3];
  const float *image;
  const guint8 *label;
  const guint8 *pseudo;
  const guint8 *domain;
  const SegPlane *planes;
  gsize n_planes;
  gboolean complete;
  double spacing_mm[3]; /* of the axes; all 0 as if it were 1. For SegWarpParams */
} SegCase;

typedef enum
{
  SEG_ORIENT_NONE,
  SEG_ORIENT_MIRRORED, /* rot90 by k = 0 … 3 in (0, 1), then always a flip of axis 0 or 1: the
                          dossiers' rule (gm-abs 2.4), which never shows an unmirrored patch */
  SEG_ORIENT_SQUARE, /* rot90, then a flip of axis 0 with probability ½: all 8 of the square */
  SEG_ORIENT_FLIPS, /* each of the three axes with probability ½, no rotation */
} SegOrientRule;

/* Small changes of place and grey that keep what is in front in front: a rotation about the patch's
 * middle by up to ±@rotate_degrees about each axis (about the coarsest alone, where it is three
 * times as coarse as the finest), zoom 1 ± @zoom, and x → (1 ± @contrast) x ± @brightness. All 0:
 * none. The image is sampled trilinearly, zero outside; labels and their domain at the nearest
 * voxel, so that what is unlabelled stays unlabelled (I3). */
typedef struct
{
  double rotate_degrees;
  double zoom;
  double contrast;
  double brightness;
} SegWarpParams;

/* The strong augmentations of generic-ssl 8.3: @n_ops distinct ones of six in random order, each
 * applied with @probability. n_ops 0 for none. Zoom factors lie in [scale_low, 1]. */
typedef struct
{
  int n_ops;
  double probability;
  double rotate_degrees;
  double scale_low;
  double blur_low, blur_high;
  double brightness_low, brightness_high;
  double contrast_low, contrast_high;
  double gamma_low, gamma_high;
} SegStrongParams;
extern const SegStrongParams
    seg_strong_3d; /* 3, 0.7, 15°, 0.7, 0.7–1.3, 0.7–1.3, 0.7–1.3, 0.7–1.3 */
extern const SegStrongParams seg_strong_2d; /* 3, 0.7, 15°, 0.5, 0.7–1.3, 0.5–2, 0.5–1.5, 0.5–2 */

/**
 * SegPatchParams:
 * @patch: sides; equal in axes 0 and 1 where @orient rotates
 * @pad_extra: if any side of the volume is ≤ the patch, every side is zero-padded at both ends by
 *   max ((patch − side) div 2 + pad_extra, 0), the division rounding down: 3 for UA-MT and GM-ABS,
 *   1 for A&D, 2 for its 2-D form
 * @overhang: share of a side by which the crop may lie outside the volume, beyond that padding:
 * what a scan shows is then not told from where in the patch it lies; 0 in the dossiers
 * @mark_outside: what is beyond the volume is SEG_PSEUDO_OUTSIDE in the patch's pseudo-label, even
 * where the volume has none; else 0, background, as in the dossiers
 * @use_last_offset: off (parity): the crop's offset is uniform in 0 … side − patch − 1
 * @centre_crop: for validation: no random offset but round-half-even ((side − patch) / 2)
 * @foreground_share: probability that the crop is moved, as little as possible, so that a random
 *   labelled voxel of a foreground class falls inside, each class that is there equally often; 0 in
 *   the dossiers
 */
typedef struct
{
  int patch[3];
  int pad_extra;
  double overhang;
  gboolean mark_outside;
  gboolean use_last_offset;
  gboolean centre_crop;
  double foreground_share;
  SegOrientRule orient;
  SegWarpParams warp;
  SegStrongParams strong;
} SegPatchParams;

/**
 * SegPatch:
 *
 * One training patch and how it was cut: voxel p of the patch is voxel q of the volume with
 * q[axis[a]] = offset[axis[a]] + sign[a] · p[a], before any warp or strong augmentation.
 */
typedef struct
{
  gsize n_voxels;
  float *image;
  guint8 *label;
  guint8 *pseudo;
  guint8 *domain; /* 1 inside the labelled domain; 0 in padding */
  gboolean has_pseudo;
  guint32 case_index;
  int axis[3];
  int sign[3];
  int offset[3];
} SegPatch;

/* Fills the arrays of @patch (each patch-sized, given by the caller). A pure function of @params,
 * @volume, @seed and @item. A volume of any size ≥ 1 gives a patch. */
void seg_patch_cut (const SegPatchParams *params, const SegCase *volume, guint64 seed, guint64 item,
                    SegPatch *patch);

/* Intensity changes the methods make themselves, in place or out of place. */
/* x + clip (sigma · N (0, 1), ±limit) */
void seg_augment_noise (const float *in, float *out, gsize n, double sigma, double limit,
                        guint64 seed, guint64 item);
/* sign (x)·|x|^(e^g), g uniform in ±range (gm-abs 4.3); returns g. @in may be @out. */
double seg_augment_gamma (const float *in, float *out, gsize n, double range, guint64 seed,
                          guint64 item);

/**
 * seg_augment_strong:
 * @size: sides of the patch (size[0] = 1 for 2-D)
 * @labels: (array length=n_labels): u8 arrays transformed with the image
 *
 * In place. Rotation about axis 0, cubic B-spline for the image, labels class by class.
 */
void seg_augment_strong (const SegStrongParams *params, const int size[3], float *image,
                         guint8 *const *labels, gsize n_labels, guint64 seed, guint64 item);

/* sam-burden: θ = identity + sigma·N (0, 1), six numbers, then seg_augment_affine_2d(). */
void seg_augment_affine_2d_draw (double sigma, guint64 seed, guint64 item, double theta[2][3]);
/* Output pixel → input pixel in PyTorch's normalised coordinates (align_corners off); images
 * bilinear, masks (nearest, half to even), zero outside. */
void seg_augment_affine_2d (const double theta[2][3], int height, int width, const float *in,
                            float *out);
void seg_augment_affine_2d_mask (const double theta[2][3], int height, int width, const guint8 *in,
                                 guint8 *out);
gboolean seg_augment_affine_2d_invert (const double theta[2][3], double inverse[2][3]);

/* sd-messenger 6: the rectangle [row0, row1) × [col0, col1) of side ≤ @side about a random point of
 * the labelled box; %FALSE (nothing to paste) if the box is not larger than @side both ways. */
gboolean seg_augment_paste_box (const guint8 *label, int height, int width, int side, guint64 seed,
                                guint64 item, int box[4]);

/**
 * SegTwoStream:
 *
 * Which cases form a batch (gm-abs 2.4): first n_labelled labelled ones, then n_unlabelled others.
 * An epoch is one random pass over the labelled indices in groups of n_labelled, a remainder being
 * dropped; unlabelled indices come from an endless stream of permutations. Fewer labelled cases
 * than a group repeat, in a new order. No unlabelled cases: the batch holds the labelled ones
 * alone.
 */
typedef struct _SegTwoStream SegTwoStream;

SegTwoStream *seg_two_stream_new (guint64 seed, int n_labelled,
                                  int n_unlabelled) G_GNUC_WARN_UNUSED_RESULT;
SegTwoStream *seg_two_stream_copy (const SegTwoStream *self) G_GNUC_WARN_UNUSED_RESULT;
void seg_two_stream_free (SegTwoStream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegTwoStream, seg_two_stream_free)

/* Copied; takes effect at the next epoch, at once before the first batch. At least one labelled. */
void seg_two_stream_set_cases (SegTwoStream *self, const guint32 *labelled, gsize n_labelled,
                               const guint32 *unlabelled, gsize n_unlabelled);
/* Case indices of the next batch; returns how many, n_labelled + (n_unlabelled or 0). */
int seg_two_stream_next (SegTwoStream *self, guint32 *cases);
guint64 seg_two_stream_get_epoch (const SegTwoStream *self);
guint64 seg_two_stream_get_step (const SegTwoStream *self); /* batches given so far */
int seg_two_stream_get_n_labelled (const SegTwoStream *self); /* of a full batch */
int seg_two_stream_get_n_unlabelled (const SegTwoStream *self);

/* State as text for a checkpoint (I7), and back. */
char *seg_two_stream_to_string (const SegTwoStream *self) G_GNUC_WARN_UNUSED_RESULT;
SegTwoStream *seg_two_stream_from_string (const char *text,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
