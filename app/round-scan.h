/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "seg/adapter/preprocess.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/**
 * AppRoundScan:
 *
 * One scan of a round: where it is, what is labelled of it, and, once loaded, its arrays in the
 * model's space. Made on any thread, used by one.
 *
 * @labels_ijk: classes 0 … K − 1 on the scan's own grid, i fastest; looked at inside the labelled
 *   domain alone (I3): everywhere if @complete, else on @scan_planes
 * @truth_ijk: (nullable): for simulated experts and for evaluation; never trained on by itself
 * @label, @planes: the same labels in the model's space
 * @pseudo: (nullable): the generalist's labels in the model's space
 */
typedef struct
{
  gint64 id;
  char *name;
  char *path;
  char *sha256; /* (nullable): what the file must be (I1) */
  int volume_index;
  gboolean validation; /* I6 */
  gboolean offered; /* has slices proposed or signed already */

  guint8 *labels_ijk;
  guint8 *truth_ijk;
  SegPlane *scan_planes;
  gsize n_planes;
  gboolean complete;

  SegPrepared *prepared;
  guint8 *label;
  SegPlane *planes;
  guint8 *pseudo;
} AppRoundScan;

AppRoundScan *app_round_scan_new (gint64 id, const char *name, const char *path, const char *sha256,
                                  int volume_index) G_GNUC_WARN_UNUSED_RESULT;
void app_round_scan_free (AppRoundScan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppRoundScan, app_round_scan_free)

/* A scan has labels if a plane is signed or all of it is. */
gboolean app_round_scan_is_labelled (const AppRoundScan *self);

/* The file, checked against its hash; the messages name the scan. Blocking. */
VolumeScan *app_round_scan_open (const AppRoundScan *self,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads truth or labels of the scan's grid from a file; more than @n_classes − 1 labels, or another
 * grid, is an error. (transfer full) */
guint8 *app_round_scan_read_labels (const AppRoundScan *self, const VolumeGeometry *geometry,
                                    const char *path, int n_classes,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Fills @prepared from the file, unless it is there. */
gboolean app_round_scan_prepare (AppRoundScan *self, const SegPreprocess *preprocess,
                                 GError **error);
/* Labels and planes into the model's space, anew. */
gboolean app_round_scan_prepare_labels (AppRoundScan *self, GError **error);
/* Signs the planes: (scan axis, index); labels come from @labels_ijk or the truth. */
void app_round_scan_set_planes (AppRoundScan *self, const SegPlane *scan_planes, gsize n_planes,
                                gboolean complete);

/**
 * app_round_scan_count:
 *
 * Voxels of each class k in prediction, truth and both, inside the labelled domain (or everywhere
 * with @whole): 2·both/(prediction + truth) is Dice.
 */
typedef struct
{
  gsize prediction, truth, both;
} AppOverlap;
void app_overlap_add (AppOverlap *counts, guint8 prediction, guint8 truth);
void app_round_scan_count (const AppRoundScan *self, const guint8 *prediction_ijk,
                           const guint8 *truth_ijk, gboolean whole, int n_classes,
                           AppOverlap *counts);
/* 2·both/(prediction + truth); NaN where there is neither. */
double app_overlap_dice (const AppOverlap *counts);

G_END_DECLS
