/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* Schedules shared by the methods. t is the number of finished steps where nothing else is said. */

/* exp (−5 (1 − clip (c, 0, length) / length)²); 1 for length 0. */
double seg_ramp_sigmoid (double c, double length);

/* Mean teacher's decay of step t (0-based): min (1 − 1 / (t + 1), decay); 0 at t = 0, so that the
 * first step copies the student. */
double seg_ramp_ema_decay (gint64 t, double decay);

/* Poly rule of the supervised baseline: base (1 − t / n_steps)^0.9. */
double seg_ramp_poly_lr (double base, gint64 t, gint64 n_steps);

/* UA-MT: ×0.1 after steps 2500 and 5000 of 6000; t and n_steps scale the rule. */
double seg_ramp_uamt_lr (double base, gint64 t, gint64 n_steps);

/**
 * SegGmAbsSchedule:
 *
 * Everything of GM-ABS that depends on the step. The released constants are for 10 000 steps; a
 * shorter run scales them: a step t counts as t · 10 000 / n_steps of the released run, and events
 * fall on the scaled steps, each at least one step after the one before.
 */
typedef struct
{
  gint64 n_steps;
  int n_refreshes; /* 13 as released, evenly spread from 0.06 to 0.78 of the run */
} SegGmAbsSchedule;

#define SEG_GM_ABS_RELEASED_STEPS 10000
#define SEG_GM_ABS_RELEASED_REFRESHES 13

/* Learning rate used by step t: base until half of the run, base · 0.01 until three quarters,
 * base · 0.001 after (base · 0.1^(t div 2500), looked at only at multiples of 2500 from 5000). */
double seg_gm_abs_lr (const SegGmAbsSchedule *self, double base, gint64 t);
/* w_sam (t) = 1 − 0.9 ramp (t, 10 000), to be multiplied by 0.5 in the total. */
double seg_gm_abs_weight_sam (const SegGmAbsSchedule *self, gint64 t);
/* w_c (t) = 0.1 ramp (⌊t / 150⌋, 40). */
double seg_gm_abs_weight_consistency (const SegGmAbsSchedule *self, gint64 t);
/* Threshold of normalised entropy, 0.35 + 0.25 ramp (t, 10 000). */
double seg_gm_abs_tau (const SegGmAbsSchedule *self, gint64 t);
/* The same where a selection follows the round instead of interrupting it: that of the paper's last
 * selection, t = 2200. At the ramp's end, .60, hardly a voxel of a trained network is left above.
 */
double seg_gm_abs_tau_after_round (const SegGmAbsSchedule *self);
/* Whether a refresh of the generalist's labels is due after t finished steps; with the released
 * number of steps and refreshes: t = 600, 1200, … 7800. */
gboolean seg_gm_abs_refresh_is_due (const SegGmAbsSchedule *self, gint64 t);
#define SEG_GM_ABS_SELECTIONS 8
/* The mid-training selections of the paper: t = 800, 1000, … 2200 (scaled). */
gboolean seg_gm_abs_selection_is_due (const SegGmAbsSchedule *self, gint64 t);

/* UA-MT: H (t) = (0.75 + 0.25 ramp (t, n_steps)) ln 2, nats. */
double seg_ramp_uamt_threshold (gint64 t, gint64 n_steps);

G_END_DECLS
