/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_WINDOW_UNIFORM, /* every voxel of a patch counts alike (the dossiers' way) */
  SEG_WINDOW_GAUSSIAN, /* the middle of a patch counts more; σ = side × gaussian_sigma */
} SegWindowWeighting;

/**
 * SegWindowParams:
 * @size: the volume, axes 0, 1, 2 (axis 2 fastest)
 * @patch: the network's input
 * @stride: start positions per axis are min (k·stride, size − patch), k = 0 … ceil ((size −
 *   patch) / stride); a size below the patch is zero-padded, the low side by the floor half
 *   At most the patch.
 * @n_in, @n_out: channels of the image and of the network's answer
 * @batch: patches handed over at once; 0 means 1
 * @gaussian_sigma: 0 means 1/8
 */
typedef struct
{
  int size[3];
  int patch[3];
  int stride[3];
  int n_in, n_out;
  int batch;
  SegWindowWeighting weighting;
  double gaussian_sigma;
} SegWindowParams;

/* stride = patch × (1 − overlap), at least 1. */
void seg_window_params_set_overlap (SegWindowParams *params, double overlap);
gsize seg_window_count (const SegWindowParams *params);
/* Starts along one axis; returns their number, writes at most @max. A size up to the patch has the
 * one start 0. */
int seg_window_starts (int size, int patch, int stride, int *starts, int max);

/**
 * SegWindowFunc:
 * @in: n × n_in × patch
 * @n: patches in this batch, at most params->batch
 * @out: n × n_out × patch, to be filled (probabilities, features)
 * @done, @total: windows finished before this batch, and in all
 *
 * Returns: %FALSE with an error (SEG_ERROR_CANCELLED to stop).
 */
typedef gboolean (*SegWindowFunc) (const float *in, int n, float *out, gsize done, gsize total,
                                   gpointer user_data, GError **error);

/**
 * SegWindowSlabFunc:
 * @values: n_out × n_rows × size[1] × size[2], finished averages of rows first_row … of axis 0
 *
 * Slabs come in ascending order and cover axis 0 once.
 */
typedef gboolean (*SegWindowSlabFunc) (const float *values, int first_row, int n_rows,
                                       gpointer user_data, GError **error);

/**
 * seg_window_run:
 * @image: n_in × size
 *
 * Calls @func on every window, axis 2 fastest, and hands out the weighted averages as soon as they
 * are final, so memory is bounded by n_out × (patch[0] + stride[0]) × size[1] × size[2] floats. The
 * order of summation depends on the params alone: two runs are equal bit for bit, whatever @batch
 * is.
 */
gboolean seg_window_run (const SegWindowParams *params, const float *image, SegWindowFunc func,
                         gpointer func_data, SegWindowSlabFunc slab, gpointer slab_data,
                         GError **error);

/* Averages gathered: @out is n_out × size. */
gboolean seg_window_run_average (const SegWindowParams *params, const float *image,
                                 SegWindowFunc func, gpointer user_data, float *out,
                                 GError **error);
/* Arg-max over channels, the lowest channel on a tie; n_out ≤ 256. */
gboolean seg_window_run_argmax (const SegWindowParams *params, const float *image,
                                SegWindowFunc func, gpointer user_data, guint8 *labels,
                                GError **error);

G_END_DECLS
