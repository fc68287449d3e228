/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/**
 * SegPractice: trains the built-in generalist on made-up scenes alone (seg/generalist/scenes.h).
 *
 * AdamW with warm-up and a final linear fall of the rate, gradient norm at most 1, a moving average
 * of the parameters as the result. Everything follows from the seed: it can be stopped after any
 * step and goes on as if it had not been (I7).
 */
typedef struct _SegPractice SegPractice;

typedef struct
{
  guint64 seed;
  gint64 n_steps;
  int batch; /* 0: 16 */
  double lr; /* 0: 2e-3 */
  SegDtype dtype; /* of activations: F32 or BF16 */
} SegPracticeParams;

SegPractice *seg_practice_new (SegDevice *device,
                               const SegPracticeParams *params) G_GNUC_WARN_UNUSED_RESULT;
void seg_practice_free (SegPractice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegPractice, seg_practice_free)

gint64 seg_practice_get_step (SegPractice *self);
/* One step. @loss, @dice: (out) (nullable): of this batch, the first mask's soft Dice */
gboolean seg_practice_step (SegPractice *self, double *loss, double *dice, GError **error);

/* Mean Dice of the averaged network on scenes it is not trained on. */
typedef struct
{
  double
      clicks[4]; /* after 1, 3, 5, 10 simulated clicks (the deepest pixel of the largest error) */
  double box; /* box with 5 % jitter */
  int n_scenes;
} SegPracticeReport;

/* @blank: the image is blanked, so that only the prompt is left: the gap to the figures with image
 * is what the network sees. */
gboolean seg_practice_examine (SegPractice *self, int n_scenes, gboolean blank,
                               SegPracticeReport *report, GError **error);

/* A checkpoint in @folder, and back; save is atomic. Restoring checks seed, batch and dtype; with
 * another length the rest of the schedule follows the new one. */
gboolean seg_practice_save (SegPractice *self, const char *folder, GError **error);
gboolean seg_practice_restore (SegPractice *self, const char *folder, GError **error);
/* The averaged network as the weight file the program ships (f16 safetensors). */
gboolean seg_practice_export (SegPractice *self, const char *path, GError **error);
/* Takes the network and its average from such a file, to be examined or to be trained further. */
gboolean seg_practice_import (SegPractice *self, const char *path, GError **error);

G_END_DECLS
