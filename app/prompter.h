/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "app/app-types.h"
#include "volume/prompt.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/**
 * AppPromptAnswer:
 *
 * What a generalist answers to one prompt: up to three masks on one box of the scan (one voxel
 * thick for a slice, thicker after propagation), the likeliest first.
 *
 * @masks: n_masks times the box's voxels, i fastest, non-zero inside
 * @iou: estimated quality of each mask, 0…1
 * @stability: how little each mask depends on its threshold, 0…1
 */
typedef struct
{
  VolumeBox box;
  int n_masks;
  guint8 *masks[3];
  double iou[3], stability[3];
  double encode_ms, decode_ms;
} AppPromptAnswer;

AppPromptAnswer *app_prompt_answer_new (const VolumeBox *box, int n_masks,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
void app_prompt_answer_free (AppPromptAnswer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppPromptAnswer, app_prompt_answer_free)

/**
 * AppPrompter:
 *
 * Who answers prompts. The session asks and shows; it knows no engine. An implementation answers
 * on its own thread and calls back on the caller's main context; newer questions about the same
 * slice make older ones worthless (the session cancels them).
 */
#define APP_TYPE_PROMPTER (app_prompter_get_type ())
G_DECLARE_INTERFACE (AppPrompter, app_prompter, APP, PROMPTER, GObject)

struct _AppPrompterInterface
{
  GTypeInterface parent;

  /* NULL when prompts can be answered; otherwise one translated sentence: what is missing and how
   * to get it. Transfer none. */
  const char *(*get_missing) (AppPrompter *self);
  /* For people: "Built-in", "SAM ViT-B", … Transfer none. */
  const char *(*get_name) (AppPrompter *self);
  /* A hint without an answer: this slice will be prompted soon; encode it when there is time, in
   * the order of the hints. Without a scan: hints not followed yet are forgotten. May be NULL. */
  void (*prefetch) (AppPrompter *self, VolumeScan *scan, VolumePlane plane, int index);
  /* @prompt and @previous (the box's voxels of an answer shown before, or NULL) are copied. */
  void (*answer_async) (AppPrompter *self, VolumeScan *scan, const VolumePrompt *prompt,
                        const AppPromptAnswer *previous, int previous_mask,
                        GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);
  AppPromptAnswer *(*answer_finish) (AppPrompter *self, GAsyncResult *result, GError **error);
  /* From the mask of one slice to its neighbours, up to @n_slices each way, until confidence drops.
   * The answer has one mask on a thicker box. May be NULL: not offered. */
  void (*propagate_async) (AppPrompter *self, VolumeScan *scan, VolumePlane plane,
                           const AppPromptAnswer *from, int from_mask, int n_slices,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data);
  AppPromptAnswer *(*propagate_finish) (AppPrompter *self, GAsyncResult *result, GError **error);
};

const char *app_prompter_get_missing (AppPrompter *self);
const char *app_prompter_get_name (AppPrompter *self);
void app_prompter_prefetch (AppPrompter *self, VolumeScan *scan, VolumePlane plane, int index);
void app_prompter_answer_async (AppPrompter *self, VolumeScan *scan, const VolumePrompt *prompt,
                                const AppPromptAnswer *previous, int previous_mask,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
AppPromptAnswer *app_prompter_answer_finish (AppPrompter *self, GAsyncResult *result,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean app_prompter_can_propagate (AppPrompter *self);
void app_prompter_propagate_async (AppPrompter *self, VolumeScan *scan, VolumePlane plane,
                                   const AppPromptAnswer *from, int from_mask, int n_slices,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
AppPromptAnswer *app_prompter_propagate_finish (AppPrompter *self, GAsyncResult *result,
                                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
