/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define PROPAGATE_SLICES 10
/* Scribbles are asked about at most this often while they grow. */
#define ASK_MS 120

/* What was there before a gesture, for going back. */
typedef struct
{
  VolumePrompt *prompt;
  const AppPromptAnswer *answer; /* of the tool's answers; NULL: none yet */
  int mask;
  gboolean is_answered; /* the answer is to this prompt, not to an earlier one */
} Step;

/* Points, boxes and scribbles on one slice, the answer of the generalist shown over the labels, and
 * its acceptance as one edit. */
typedef struct
{
  AppTool tool;
  VolumePrompt *prompt; /* NULL before the first gesture */
  GPtrArray *steps; /* Step */
  GPtrArray *answers; /* AppPromptAnswer: all since the first gesture */
  const AppPromptAnswer *answer; /* the one shown, of these */
  int mask; /* of the answer, shown */
  GCancellable *asking;
  gboolean drawing;
  GArray *line; /* UiShapePoint of the scribble, or the box's corners */
  VolumePromptSign sign;
  guint ask_id;
} Prompt;

/* A question under way outlives the tool: it holds the session and looks whether it is still
 * wanted. */
typedef struct
{
  AppSession *session;
  GCancellable *cancellable;
} Question;

static void
question_free (Question *question)
{
  g_object_unref (question->session);
  g_object_unref (question->cancellable);
  g_free (question);
}

static void
step_free (gpointer data)
{
  Step *step = data;

  volume_prompt_free (step->prompt);
  g_free (step);
}

static void
say (Prompt *self, const char *text)
{
  ui_tool_options_set_message (ui_window_get_tool_options (self->tool.session->window), text);
}

static guint16
active_label (Prompt *self)
{
  return ui_view_state_get_active_label (self->tool.session->state);
}

/* Shapes */

static void
add_points (GPtrArray *shapes, const VolumePrompt *prompt)
{
  for (guint n = 0; n < prompt->points->len; n++)
    {
      const VolumePromptPoint *point = &g_array_index (prompt->points, VolumePromptPoint, n);
      UiShape *shape = ui_shape_new (
          point->sign == VOLUME_PROMPT_POSITIVE ? UI_SHAPE_POINT_POSITIVE : UI_SHAPE_POINT_NEGATIVE,
          prompt->plane, prompt->slice_index);

      ui_shape_add (shape, point->ijk);
      g_ptr_array_add (shapes, shape);
    }
}

static void
add_scribbles (GPtrArray *shapes, const VolumePrompt *prompt)
{
  for (guint n = 0; n < prompt->scribbles->len; n++)
    {
      const VolumePromptScribble *scribble = g_ptr_array_index (prompt->scribbles, n);
      UiShape *shape;

      if (scribble->n_points == 0)
        continue;
      shape = ui_shape_new (scribble->points[0].sign == VOLUME_PROMPT_POSITIVE
                                ? UI_SHAPE_SCRIBBLE_POSITIVE
                                : UI_SHAPE_SCRIBBLE_NEGATIVE,
                            prompt->plane, prompt->slice_index);
      for (gsize p = 0; p < scribble->n_points; p++)
        ui_shape_add (shape, scribble->points[p].ijk);
      g_ptr_array_add (shapes, shape);
    }
}

static void
add_box (GPtrArray *shapes, const VolumePrompt *prompt)
{
  UiShape *shape;
  double lo[3], hi[3];

  if (!prompt->has_box)
    return;
  for (int axis = 0; axis < 3; axis++)
    {
      lo[axis] = prompt->box.lo[axis] - 0.5;
      hi[axis] = prompt->box.hi[axis] - 0.5;
    }
  shape = ui_shape_new (UI_SHAPE_BOX, prompt->plane, prompt->slice_index);
  ui_shape_add (shape, lo);
  ui_shape_add (shape, hi);
  g_ptr_array_add (shapes, shape);
}

static void
add_line (Prompt *self, GPtrArray *shapes)
{
  UiShape *shape;

  if (!self->drawing || self->line->len == 0)
    return;
  shape = ui_shape_new (self->tool.kind == UI_TOOL_PROMPT_BOX  ? UI_SHAPE_BOX
                        : self->sign == VOLUME_PROMPT_POSITIVE ? UI_SHAPE_SCRIBBLE_POSITIVE
                                                               : UI_SHAPE_SCRIBBLE_NEGATIVE,
                        self->prompt->plane, self->prompt->slice_index);
  g_array_append_vals (shape->points, self->line->data, self->line->len);
  g_ptr_array_add (shapes, shape);
}

static void
show_shapes (Prompt *self)
{
  GPtrArray *shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);

  if (self->prompt != NULL)
    {
      add_points (shapes, self->prompt);
      add_scribbles (shapes, self->prompt);
      add_box (shapes, self->prompt);
      add_line (self, shapes);
    }
  ui_view_state_set_tool_shapes (self->tool.session->state, shapes);
}

/* The answer */

/* I4: an answer adds to the active label where nothing is drawn, and nowhere else. */
static VolumeEditBuilder *
build_answer (Prompt *self)
{
  VolumeEditBuilder *builder =
      app_session_new_builder (self->tool.session, VOLUME_PROVENANCE_PROMPT, FALSE);

  volume_edit_builder_set_only_label (builder, 0);
  volume_edit_builder_set_mask (builder, &self->answer->box, self->answer->masks[self->mask],
                                active_label (self));
  return builder;
}

static void
show_answer (Prompt *self)
{
  AppSession *session = self->tool.session;
  g_autoptr (VolumeEditBuilder) builder = NULL, piece = NULL;
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;
  const VolumeEditRun *runs;
  gsize n_runs;
  g_autofree char *text = NULL;

  app_shown_labels_drop_preview (session->shown, session->state);
  if (self->answer == NULL)
    return;
  builder = build_answer (self);
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_PROMPT, "prompt", &error);
  if (edit == NULL)
    {
      app_session_tell (session, _ ("The answer cannot be shown"), error);
      return;
    }
  piece = volume_edit_builder_new (app_shown_labels_get_map (session->shown), NULL);
  runs = volume_edit_get_runs (edit, &n_runs);
  for (gsize r = 0; r < n_runs; r++)
    volume_edit_builder_set_run (piece, runs[r].i, runs[r].j, runs[r].k, (int) runs[r].length,
                                 runs[r].after);
  app_shown_labels_preview (
      session->shown, volume_edit_builder_end (piece, 1, VOLUME_PROVENANCE_PROMPT, "preview", NULL),
      session->state);
  if (isfinite (self->answer->iou[self->mask]))
    /* Translators: which of the masks a generalist gave is shown, and how good it thinks it is */
    text = g_strdup_printf (_ ("Answer %d of %d, expected overlap %.0f %%. Enter accepts."),
                            self->mask + 1, self->answer->n_masks,
                            100 * self->answer->iou[self->mask]);
  else
    text = g_strdup_printf (_ ("Answer %d of %d. Enter accepts."), self->mask + 1,
                            self->answer->n_masks);
  say (self, text);
}

static void
stop_asking (Prompt *self)
{
  g_clear_handle_id (&self->ask_id, g_source_remove);
  if (self->asking != NULL)
    g_cancellable_cancel (self->asking);
  g_clear_object (&self->asking);
}

static void
swap_masks (AppPromptAnswer *answer, int a, int b)
{
  guint8 *mask = answer->masks[a];
  const double iou = answer->iou[a], stability = answer->stability[a];

  answer->masks[a] = answer->masks[b];
  answer->iou[a] = answer->iou[b];
  answer->stability[a] = answer->stability[b];
  answer->masks[b] = mask;
  answer->iou[b] = iou;
  answer->stability[b] = stability;
}

/* A person looks at the mask first that the generalist thinks best. */
static void
put_best_first (AppPromptAnswer *answer)
{
  for (int last = answer->n_masks - 1; last > 0; last--)
    for (int m = 0; m < last; m++)
      if (answer->iou[m] < answer->iou[m + 1])
        swap_masks (answer, m, m + 1);
}

/* The prompt tool that asked, if it is still in hand and still waits for this question. */
static Prompt *
find_asker (Question *question)
{
  AppSession *session = question->session;
  Prompt *self = (Prompt *) session->tool;

  if (session->window == NULL || self == NULL || !ui_tool_is_prompt (self->tool.kind)
      || self->asking != question->cancellable)
    return NULL;
  return self;
}

static void
take_answer (Question *question, AppPromptAnswer *answer, const GError *error)
{
  Prompt *self = find_asker (question);

  if (self == NULL)
    {
      app_prompt_answer_free (answer);
      return;
    }
  g_clear_object (&self->asking);
  if (answer == NULL)
    {
      say (self, error->message);
      return;
    }
  put_best_first (answer);
  g_ptr_array_add (self->answers, answer);
  self->answer = answer;
  self->mask = 0;
  show_answer (self);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  g_autoptr (GError) error = NULL;
  AppPromptAnswer *answer = app_prompter_answer_finish (APP_PROMPTER (source), result, &error);

  take_answer (question, answer, error);
  question_free (question);
}

static void
propagated_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  g_autoptr (GError) error = NULL;
  AppPromptAnswer *answer = app_prompter_propagate_finish (APP_PROMPTER (source), result, &error);

  take_answer (question, answer, error);
  question_free (question);
}

static const char *
find_missing (Prompt *self)
{
  AppPrompter *prompter = self->tool.session->prompter;

  if (prompter == NULL)
    return _ ("Prompts need a generalist model, and this build has none.");
  return app_prompter_get_missing (prompter);
}

static Question *
question_new (Prompt *self)
{
  Question *question = g_new0 (Question, 1);

  stop_asking (self);
  self->asking = g_cancellable_new ();
  question->session = g_object_ref (self->tool.session);
  question->cancellable = g_object_ref (self->asking);
  return question;
}

static void
ask (Prompt *self)
{
  AppSession *session = self->tool.session;
  Question *question;

  if (volume_prompt_is_empty (self->prompt))
    return;
  question = question_new (self);
  app_prompter_answer_async (session->prompter, session->scan, self->prompt, self->answer,
                             self->mask, question->cancellable, answered_cb, question);
}

static gboolean
ask_cb (gpointer data)
{
  Prompt *self = data;

  self->ask_id = 0;
  ask (self);
  return G_SOURCE_REMOVE;
}

static void
ask_soon (Prompt *self)
{
  g_clear_handle_id (&self->ask_id, g_source_remove);
  self->ask_id =
      g_timeout_add (self->tool.kind == UI_TOOL_PROMPT_SCRIBBLE ? ASK_MS : 1, ask_cb, self);
}

/* Beginning and end */

static void
forget (Prompt *self)
{
  stop_asking (self);
  g_clear_pointer (&self->prompt, volume_prompt_free);
  self->answer = NULL;
  if (self->steps != NULL)
    {
      g_ptr_array_set_size (self->steps, 0);
      g_ptr_array_set_size (self->answers, 0);
    }
  self->drawing = FALSE;
}

static void
discard (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;

  if (self->prompt == NULL)
    return;
  forget (self);
  app_shown_labels_drop_preview (tool->session->shown, tool->session->state);
  show_shapes (self);
  say (self, NULL);
}

static void
accept (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;
  g_autoptr (VolumeEditBuilder) builder = NULL;
  g_autofree char *detail = NULL;
  const char *name;

  if (self->answer == NULL || self->prompt == NULL)
    return;
  builder = build_answer (self);
  detail = volume_prompt_to_json (self->prompt);
  name = self->answer->box.hi[0] - self->answer->box.lo[0] > 1
                 && self->answer->box.hi[1] - self->answer->box.lo[1] > 1
                 && self->answer->box.hi[2] - self->answer->box.lo[2] > 1
             ? "propagate"
             : "prompt";
  forget (self);
  app_session_commit_builder (tool->session, builder, VOLUME_PROVENANCE_PROMPT, name, detail);
  app_shown_labels_drop_preview (tool->session->shown, tool->session->state);
  show_shapes (self);
  say (self, NULL);
}

static void
back (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;
  Step *step;

  if (self->prompt == NULL)
    return;
  if (self->steps == NULL || self->steps->len <= 1)
    {
      discard (tool);
      return;
    }
  stop_asking (self);
  self->drawing = FALSE;
  step = g_ptr_array_steal_index (self->steps, self->steps->len - 1);
  volume_prompt_free (self->prompt);
  self->prompt = g_steal_pointer (&step->prompt);
  self->answer = step->answer;
  self->mask = step->mask;
  show_shapes (self);
  show_answer (self);
  if (!step->is_answered)
    ask (self);
  step_free (step);
}

static Step *
step_new (Prompt *self)
{
  Step *step = g_new0 (Step, 1);

  step->prompt = volume_prompt_copy (self->prompt);
  step->answer = self->answer;
  step->mask = self->mask;
  step->is_answered = self->answer != NULL && self->asking == NULL && self->ask_id == 0;
  return step;
}

static gboolean
start (Prompt *self, const UiGesture *gesture)
{
  AppSession *session = self->tool.session;
  const char *missing = find_missing (self);

  if (missing != NULL)
    {
      say (self, missing);
      ui_window_toast (session->window, missing);
      return FALSE;
    }
  if (!app_session_may_draw (session, gesture->plane, gesture->index))
    return FALSE;
  if (self->prompt != NULL
      && (self->prompt->plane != gesture->plane || self->prompt->slice_index != gesture->index))
    discard (&self->tool);
  if (self->prompt == NULL)
    self->prompt = volume_prompt_new (gesture->plane, gesture->index);
  if (self->steps == NULL)
    {
      self->steps = g_ptr_array_new_with_free_func (step_free);
      self->answers = g_ptr_array_new_with_free_func ((GDestroyNotify) app_prompt_answer_free);
    }
  if (self->line == NULL)
    self->line = g_array_new (FALSE, FALSE, sizeof (UiShapePoint));
  g_ptr_array_add (self->steps, step_new (self));
  self->sign =
      gesture->modifiers & GDK_CONTROL_MASK ? VOLUME_PROMPT_NEGATIVE : VOLUME_PROMPT_POSITIVE;
  return TRUE;
}

static void
add_to_line (Prompt *self, const double ijk[3])
{
  UiShapePoint point;

  memcpy (point.ijk, ijk, sizeof point.ijk);
  if (self->tool.kind == UI_TOOL_PROMPT_BOX && self->line->len == 2)
    g_array_set_size (self->line, 1);
  g_array_append_val (self->line, point);
}

static void
finish_box (Prompt *self)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->tool.session->scan);
  int normal = geometry->axis_of_plane[self->prompt->plane];
  VolumeBox box;
  const double *a, *b;

  if (self->line->len < 2)
    return;
  a = g_array_index (self->line, UiShapePoint, 0).ijk;
  b = g_array_index (self->line, UiShapePoint, 1).ijk;
  for (int axis = 0; axis < 3; axis++)
    {
      box.lo[axis] = CLAMP ((int) lround (MIN (a[axis], b[axis])), 0, geometry->size[axis] - 1);
      box.hi[axis] = CLAMP ((int) lround (MAX (a[axis], b[axis])), 0, geometry->size[axis] - 1) + 1;
    }
  box.lo[normal] = self->prompt->slice_index;
  box.hi[normal] = box.lo[normal] + 1;
  volume_prompt_set_box (self->prompt, &box);
}

static void
finish_drawing (Prompt *self)
{
  self->drawing = FALSE;
  if (self->tool.kind == UI_TOOL_PROMPT_BOX)
    finish_box (self);
  else
    volume_prompt_add_scribble (self->prompt, (const double (*)[3]) self->line->data,
                                self->line->len, self->sign);
  show_shapes (self);
  ask_soon (self);
}

static void
gesture (AppTool *tool, const UiGesture *gesture)
{
  Prompt *self = (Prompt *) tool;

  switch (gesture->phase)
    {
    case UI_GESTURE_BEGIN:
      if (gesture->n_press > 1 || !start (self, gesture))
        return;
      if (tool->kind == UI_TOOL_PROMPT_POINT)
        {
          volume_prompt_add_point (self->prompt, gesture->ijk, self->sign);
          ask_soon (self);
        }
      else
        {
          g_array_set_size (self->line, 0);
          self->drawing = TRUE;
          add_to_line (self, gesture->ijk);
        }
      break;
    case UI_GESTURE_MOTION:
      if (!self->drawing)
        return;
      add_to_line (self, gesture->ijk);
      break;
    case UI_GESTURE_END:
      if (!self->drawing)
        return;
      finish_drawing (self);
      return;
    case UI_GESTURE_CANCEL:
      self->drawing = FALSE;
      break;
    default:
      return;
    }
  show_shapes (self);
}

static void
clear (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;

  forget (self);
  g_clear_pointer (&self->steps, g_ptr_array_unref);
  g_clear_pointer (&self->answers, g_ptr_array_unref);
  g_clear_pointer (&self->line, g_array_unref);
}

void
app_tool_prompt_next_mask (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;

  if (self->answer == NULL || self->answer->n_masks < 2)
    return;
  self->mask = (self->mask + 1) % self->answer->n_masks;
  show_answer (self);
}

void
app_tool_prompt_propagate (AppTool *tool)
{
  Prompt *self = (Prompt *) tool;
  AppSession *session = tool->session;
  Question *question;

  if (self->answer == NULL || self->prompt == NULL)
    {
      say (self, _ ("Give a prompt first."));
      return;
    }
  if (!app_prompter_can_propagate (session->prompter))
    {
      say (self, _ ("This generalist cannot carry masks on to other slices."));
      return;
    }
  question = question_new (self);
  app_prompter_propagate_async (session->prompter, session->scan, self->prompt->plane, self->answer,
                                self->mask, PROPAGATE_SLICES, question->cancellable, propagated_cb,
                                question);
  say (self, _ ("Carrying the mask on…"));
}

const AppToolClass app_tool_prompt_class = {
  .size = sizeof (Prompt),
  .gesture = gesture,
  .accept = accept,
  .discard = discard,
  .back = back,
  .clear = clear,
};
