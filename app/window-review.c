/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/current-model.h"
#include "app/flow-open.h"
#include "app/flow-predict.h"
#include "app/review-item.h"
#include "app/session-private.h"
#include "volume/mask.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Predictions of the model in use: shown over the open case, reviewed place by place, taken over.
 */

#define MAX_ITEMS 300
/* Entropy below this share of its largest value is left clear. */
#define UNCERTAIN_MIN 0.2

typedef struct
{
  AppSession *session; /* owns this */
  GListStore *items; /* AppReviewItem, open ones first, the worst first */
  GCancellable *reading;
  AppReviewItem *current; /* or NULL */
  gboolean is_going; /* to a place of a case that is being opened */
} Review;

static Review *
review_of (AppSession *session)
{
  return g_object_get_data (G_OBJECT (session), "review");
}

static void
review_free (gpointer data)
{
  Review *self = data;

  g_cancellable_cancel (self->reading);
  g_clear_object (&self->reading);
  g_clear_object (&self->items);
  g_clear_object (&self->current);
  g_free (self);
}

static DbPrediction *
find_prediction (AppSession *session)
{
  return session->store != NULL && session->case_id >= 0
             ? app_current_model_find_prediction (session->store, session->case_id)
             : NULL;
}

/* Reading a prediction, on a worker
 * ------------------------------------------------------------------- */

typedef enum
{
  USE_SHOW,
  USE_DIFFERENCES,
  USE_UNCERTAINTY,
} Use;

typedef struct
{
  char *path;
  VolumeScan *scan;
  gint64 case_id;
  Use use;
  GBytes *bytes; /* the answer */
} Query;

static void
query_free (gpointer data)
{
  Query *query = data;

  volume_scan_unref (query->scan);
  g_clear_pointer (&query->bytes, g_bytes_unref);
  g_free (query->path);
  g_free (query);
}

/* Entropies 0 … 1: no file of labels, but on the scan's grid too. */
static GBytes *
read_field (const Query *query, GError **error)
{
  g_autoptr (VolumeScan) file = volume_scan_load (query->path, 0, error);
  const VolumeGeometry *here = volume_scan_get_geometry (query->scan);
  VolumeBox box = { { 0, 0, 0 }, { here->size[0], here->size[1], here->size[2] } };
  gsize n = volume_scan_get_n_voxels (query->scan);
  g_autofree float *field = NULL;

  if (file == NULL)
    return NULL;
  if (memcmp (volume_scan_get_geometry (file)->size, here->size, sizeof here->size) != 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH, "%s: not on the scan's grid",
                   query->path);
      return NULL;
    }
  field = volume_memory_try (n, sizeof *field, error);
  if (field == NULL)
    return NULL;
  volume_scan_read_box (file, &box, field);
  return g_bytes_new_take (g_steal_pointer (&field), n * sizeof (float));
}

static void
read_prediction (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Query *query = data;
  GError *error = NULL;
  gsize n = volume_scan_get_n_voxels (query->scan);
  g_autofree guint16 *values = NULL;

  if (query->use == USE_UNCERTAINTY)
    query->bytes = read_field (query, &error);
  else
    values = app_flow_load_labels_like (query->path, query->scan, &error);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (values != NULL)
    query->bytes = g_bytes_new_take (g_steal_pointer (&values), n * sizeof (guint16));
  g_task_return_boolean (task, TRUE);
}

/* Overlays
 * -------------------------------------------------------------------------------------------- */

static const char *const overlays[] = { "show-prediction", "show-differences", "show-uncertainty" };

static void
set_toggle (AppSession *session, const char *name, gboolean on)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (session->window), name);

  g_simple_action_set_state (G_SIMPLE_ACTION (action), g_variant_new_boolean (on));
}

static gboolean
get_toggle (AppSession *session, const char *name)
{
  g_autoptr (GVariant) state =
      g_action_group_get_action_state (G_ACTION_GROUP (session->window), name);

  return g_variant_get_boolean (state);
}

static void
update_badge (AppSession *session)
{
  DbPrediction *prediction = find_prediction (session);
  g_autofree char *text = NULL;

  if (prediction == NULL)
    text = NULL;
  else if (get_toggle (session, "show-prediction"))
    text = g_strdup_printf (_ ("Prediction of round %d, not labels"), (int) prediction->round);
  else if (get_toggle (session, "show-differences"))
    text = g_strdup_printf (_ ("Labels against round %d"), (int) prediction->round);
  else if (get_toggle (session, "show-uncertainty"))
    text = g_strdup_printf (_ ("Uncertainty of round %d"), (int) prediction->round);
  ui_case_bar_set_overlay (ui_window_get_case_bar (session->window), text);
}

static void
hide_overlay (AppSession *session, const char *name)
{
  if (g_str_equal (name, "show-prediction"))
    ui_view_state_set_prediction (session->state, NULL);
  else if (g_str_equal (name, "show-differences"))
    ui_view_state_set_compare (session->state, NULL);
  else
    ui_view_state_set_field (session->state, NULL, 0, 1);
  set_toggle (session, name, FALSE);
}

static void
hide_overlays (AppSession *session)
{
  for (gsize o = 0; o < G_N_ELEMENTS (overlays); o++)
    if (get_toggle (session, overlays[o]))
      hide_overlay (session, overlays[o]);
  update_badge (session);
}

static void
show_overlay (AppSession *session, const Query *query)
{
  RenderDevice *device = ui_view_state_get_device (session->state);
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);

  if (device == NULL)
    return;
  if (query->use == USE_UNCERTAINTY)
    {
      VolumeBox box = { { 0, 0, 0 }, { geometry->size[0], geometry->size[1], geometry->size[2] } };
      g_autoptr (RenderField) field = render_field_new (device, &box, query->bytes);

      ui_view_state_set_field (session->state, field, UNCERTAIN_MIN, 1);
    }
  else
    {
      g_autoptr (RenderLabels) labels = render_labels_new (device, geometry->size);

      render_labels_update_array (labels, query->bytes);
      if (query->use == USE_SHOW)
        ui_view_state_set_prediction (session->state, labels);
      else
        ui_view_state_set_compare (session->state, labels);
    }
  set_toggle (session, overlays[query->use], TRUE);
  update_badge (session);
}

/* Taking over
 * ----------------------------------------------------------------------------------------- */

static void go_on (AppSession *session);

typedef struct
{
  gint64 prediction;
  AppReviewItem *item;
  AppReviewDecision decision;
  guint n_voxels;
} Taken;

static void
decide (AppSession *session, AppReviewItem *item, AppReviewDecision decision, gint64 edit)
{
  db_store_write_later (session->store,
                        app_review_item_write_decision (item, session->store, decision, edit));
  app_review_item_set_decision (item, decision);
}

static void
taken_cb (AppSession *session, gint64 edit, gpointer data)
{
  Taken *taken = data;
  g_autofree char *text = NULL;

  if (session->store != NULL && edit > 0)
    {
      DbPrediction *prediction = find_prediction (session);

      if (taken->item != NULL)
        decide (session, taken->item, taken->decision, edit);
      else
        db_store_write_later (session->store,
                              db_write_set_prediction_accepted (taken->prediction, edit));
      text = g_strdup_printf (
          g_dngettext (NULL, "%d voxel taken over from round %d. One undo takes it back.",
                       "%d voxels taken over from round %d. One undo takes them back.",
                       taken->n_voxels),
          (int) taken->n_voxels, prediction != NULL ? (int) prediction->round : 0);
      if (session->window != NULL)
        ui_window_toast_action (session->window, text, _ ("Undo"), "win.undo");
    }
  if (taken->item != NULL && taken->decision == APP_REVIEW_ACCEPTED && session->window != NULL)
    go_on (session);
  g_clear_object (&taken->item);
  g_free (taken);
}

typedef struct
{
  char *path;
  VolumeScan *scan;
  gint64 prediction, round;
  VolumeBox box;
  AppReviewItem *item; /* or NULL: the whole scan */
  AppReviewDecision decision;
  guint8 *signed_slices[3]; /* along each axis, a byte each */
  guint16 *values; /* of the prediction, once it is read */
} Acceptance;

static void
acceptance_free (gpointer data)
{
  Acceptance *self = data;

  volume_scan_unref (self->scan);
  g_clear_object (&self->item);
  for (int axis = 0; axis < 3; axis++)
    g_free (self->signed_slices[axis]);
  g_free (self->values);
  g_free (self->path);
  g_free (self);
}

static guint8 *
list_signed (AppSession *session, int axis)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);
  guint8 *is_signed = g_new0 (guint8, geometry->size[axis]);

  for (int p = 0; p < VOLUME_N_PLANES; p++)
    for (int n = 0; geometry->axis_of_plane[p] == axis && n < geometry->size[axis]; n++)
      is_signed[n] = (ui_view_state_get_mark (session->state, p, n) & UI_MARK_SIGNED) != 0;
  return is_signed;
}

static void
look_at_signed (AppSession *session, gpointer data)
{
  Acceptance *self = data;

  for (int axis = 0; axis < 3; axis++)
    {
      g_free (self->signed_slices[axis]);
      self->signed_slices[axis] = list_signed (session, axis);
    }
}

static gboolean
signed_hold (AppSession *session, gpointer data)
{
  const Acceptance *self = data;
  const int *size = volume_scan_get_geometry (self->scan)->size;

  for (int axis = 0; axis < 3; axis++)
    {
      g_autofree guint8 *now = list_signed (session, axis);

      if (memcmp (now, self->signed_slices[axis], size[axis]) != 0)
        return FALSE;
    }
  return TRUE;
}

/* I4: the model fills what nobody drew: only voxels without a label, none set by hand, and none of
 * a signed slice. */
static gboolean
build_acceptance (const VolumeLabelMap *map, VolumeEditBuilder *builder, gpointer data,
                  GError **error)
{
  Acceptance *self = data;
  const int *size = volume_scan_get_geometry (self->scan)->size;

  if (self->values == NULL)
    self->values = app_flow_load_labels_like (self->path, self->scan, error);
  if (self->values == NULL)
    return FALSE;
  volume_edit_builder_set_only_label (builder, 0);
  for (int k = self->box.lo[2]; k < self->box.hi[2]; k++)
    for (int j = self->box.lo[1]; j < self->box.hi[1]; j++)
      {
        const guint16 *row = self->values + ((gsize) k * size[1] + j) * size[0];

        if (self->signed_slices[2][k] || self->signed_slices[1][j])
          continue;
        for (int i = self->box.lo[0]; i < self->box.hi[0]; i++)
          if (row[i] != 0 && !self->signed_slices[0][i])
            volume_edit_builder_set (builder, i, j, k, row[i]);
      }
  return TRUE;
}

static void
tell_nothing_taken (AppSession *session, const Acceptance *self)
{
  ui_window_toast (session->window,
                        _ ("There is nothing to take over: it is labelled already."));
  if (self->item == NULL)
    return;
  decide (session, self->item, self->decision, 0);
  if (self->decision == APP_REVIEW_ACCEPTED)
    go_on (session);
}

static void
take_over (AppSession *session, DbDraft *draft, const GError *error, gpointer data)
{
  Acceptance *self = data;
  g_autofree char *detail = NULL;
  Taken *taken;

  if (draft == NULL)
    {
      app_session_tell (session, _ ("The prediction could not be taken over"), error);
      return;
    }
  hide_overlays (session);
  if (db_draft_get_n_voxels (draft) == 0)
    {
      tell_nothing_taken (session, self);
      return;
    }
  detail = g_strdup_printf (
      "{\"prediction\":%" G_GINT64_FORMAT ",\"round\":%" G_GINT64_FORMAT ",\"region\":%d}",
      self->prediction, self->round, self->item != NULL ? self->item->number : -1);
  taken = g_new0 (Taken, 1);
  taken->prediction = self->prediction;
  taken->item = g_steal_pointer (&self->item);
  taken->decision = self->decision;
  taken->n_voxels = (guint) db_draft_get_n_voxels (draft);
  app_session_commit_draft (session, draft,
                            &(DbEditInfo){ .round = self->round, .detail = detail }, taken_cb,
                            taken);
}

/* The case's prediction; where there is none that is told. */
static DbPrediction *
prediction_in_hand (AppSession *session)
{
  DbPrediction *prediction = find_prediction (session);

  if (prediction == NULL)
    ui_window_toast_action (session->window, _ ("There is no prediction for this case yet."),
                                 _ ("Predict"), "win.predict");
  return prediction;
}

/* @item: (nullable): the place, else the whole scan */
static void
accept (AppSession *session, AppReviewItem *item, AppReviewDecision decision)
{
  static const AppBuild kind = { .provenance = VOLUME_PROVENANCE_MODEL,
                                 .tool = "prediction",
                                 .telling = N_ ("Taking the prediction over…"),
                                 .look = look_at_signed,
                                 .build = build_acceptance,
                                 .holds = signed_hold,
                                 .done = take_over };
  DbPrediction *prediction = session->scan != NULL ? prediction_in_hand (session) : NULL;
  Acceptance *self;

  if (prediction == NULL)
    return;
  self = g_new0 (Acceptance, 1);
  self->path = db_store_resolve (session->store, prediction->path);
  self->scan = volume_scan_ref (session->scan);
  self->prediction = prediction->id;
  self->round = prediction->round;
  self->decision = decision;
  self->box = volume_box_of_grid (volume_scan_get_geometry (session->scan)->size);
  if (item != NULL)
    {
      self->item = g_object_ref (item);
      for (int a = 0; a < 3; a++)
        {
          self->box.lo[a] = CLAMP (item->region.lo[a], 0, self->box.hi[a]);
          self->box.hi[a] = CLAMP (item->region.hi[a], self->box.lo[a], self->box.hi[a]);
        }
    }
  app_session_build (session, &kind, self, acceptance_free);
}

static void
prediction_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  Query *query = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  if (session->window == NULL || session->case_id != query->case_id)
    return;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      app_session_tell (session, _ ("The prediction cannot be shown"), error);
      return;
    }
  show_overlay (session, query);
}

static void
use_prediction (AppSession *session, Use use)
{
  DbPrediction *prediction = session->scan != NULL ? prediction_in_hand (session) : NULL;
  g_autoptr (GTask) task = NULL;
  Query *query;

  if (prediction == NULL)
    return;
  task = g_task_new (session, NULL, prediction_read_cb, NULL);
  query = g_new0 (Query, 1);
  query->path = db_store_resolve (session->store, prediction->path);
  if (use == USE_UNCERTAINTY)
    {
      g_autofree char *labels = g_steal_pointer (&query->path);

      query->path = app_prediction_beside (labels, "_uncertainty.nii.gz");
    }
  query->scan = volume_scan_ref (session->scan);
  query->case_id = session->case_id;
  query->use = use;
  g_task_set_task_data (task, query, query_free);
  g_task_run_in_thread (task, read_prediction);
}

static void
change_overlay (AppSession *session, const char *name, Use use, gboolean on)
{
  if (session->scan == NULL)
    return;
  if (on)
    {
      /* The prediction stands in the labels' place; differences colour both. */
      if (use != USE_UNCERTAINTY)
        {
          hide_overlay (session, "show-prediction");
          hide_overlay (session, "show-differences");
        }
      use_prediction (session, use);
    }
  else
    hide_overlay (session, name);
  update_badge (session);
}

static void
change_prediction (GSimpleAction *action, GVariant *value, gpointer data)
{
  change_overlay (data, "show-prediction", USE_SHOW, g_variant_get_boolean (value));
}

static void
change_differences (GSimpleAction *action, GVariant *value, gpointer data)
{
  change_overlay (data, "show-differences", USE_DIFFERENCES, g_variant_get_boolean (value));
}

static void
change_uncertainty (GSimpleAction *action, GVariant *value, gpointer data)
{
  change_overlay (data, "show-uncertainty", USE_UNCERTAINTY, g_variant_get_boolean (value));
}

static void
accept_prediction (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  accept (data, NULL, APP_REVIEW_ACCEPTED);
}

/* Review: place by place
 * ------------------------------------------------------------------------------ */

static void
set_current (Review *self, AppReviewItem *item)
{
  guint position = 0;
  gboolean found = item != NULL && g_list_store_find (self->items, item, &position);

  g_set_object (&self->current, item);
  ui_review_list_set_current (ui_window_get_review_list (self->session->window),
                              found ? (int) position : -1);
}

static void
clear_boxes (AppSession *session)
{
  GPtrArray *shapes = ui_view_state_get_fixed_shapes (session->state);

  for (guint s = shapes->len; s-- > 0;)
    if (((UiShape *) g_ptr_array_index (shapes, s))->kind == UI_SHAPE_BOX)
      g_ptr_array_remove_index (shapes, s);
}

/* The place's outline, on every slice it spans. */
static void
add_boxes (AppSession *session, const AppRegion *region)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);
  GPtrArray *shapes = ui_view_state_get_fixed_shapes (session->state);

  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      int axis = geometry->axis_of_plane[p];

      for (int index = region->lo[axis]; index < region->hi[axis]; index++)
        {
          UiShape *shape = ui_shape_new (UI_SHAPE_BOX, p, index);
          double lo[3], hi[3];

          for (int a = 0; a < 3; a++)
            {
              lo[a] = a == axis ? index : region->lo[a] - 0.5;
              hi[a] = a == axis ? index : region->hi[a] - 0.5;
            }
          ui_shape_add (shape, lo);
          ui_shape_add (shape, hi);
          g_ptr_array_add (shapes, shape);
        }
    }
}

static void
show_place (Review *self)
{
  AppSession *session = self->session;
  const AppRegion *region = &self->current->region;
  const int *size = volume_scan_get_geometry (session->scan)->size;
  int ijk[3];

  for (int a = 0; a < 3; a++)
    {
      if (region->lo[a] < 0 || region->hi[a] > size[a] || region->lo[a] >= region->hi[a])
        return;
      ijk[a] = (region->lo[a] + region->hi[a]) / 2;
    }
  clear_boxes (session);
  add_boxes (session, region);
  ui_view_state_set_cursor (session->state, ijk);
  ui_view_state_centre (session->state);
  if (!get_toggle (session, "show-prediction"))
    change_overlay (session, "show-prediction", USE_SHOW, TRUE);
}

static void
go_to (Review *self, AppReviewItem *item)
{
  set_current (self, item);
  ui_window_show_review (self->session->window);
  if (item->case_id == self->session->case_id)
    show_place (self);
  else
    {
      self->is_going = TRUE;
      app_session_open_case (self->session, item->case_id);
    }
}

static void
step (AppSession *session, int by)
{
  Review *self = review_of (session);
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->items)), position = 0;
  g_autoptr (AppReviewItem) item = NULL;

  if (n == 0)
    {
      ui_window_toast (session->window, _ ("There is nothing to review: no predictions."));
      return;
    }
  if (self->current == NULL || !g_list_store_find (self->items, self->current, &position))
    position = by > 0 ? n - 1 : 0;
  item = g_list_model_get_item (G_LIST_MODEL (self->items), (position + n + (guint) by) % n);
  go_to (self, item);
}

/* The next place nobody has decided about. */
static void
go_on (AppSession *session)
{
  Review *self = review_of (session);
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->items)), position = 0;

  if (n == 0)
    return;
  if (self->current != NULL)
    g_list_store_find (self->items, self->current, &position);
  for (guint s = 1; s <= n; s++)
    {
      g_autoptr (AppReviewItem) item =
          g_list_model_get_item (G_LIST_MODEL (self->items), (position + s) % n);

      if (item->decision == APP_REVIEW_OPEN)
        {
          go_to (self, item);
          return;
        }
    }
  clear_boxes (session);
  set_current (self, NULL);
  ui_window_toast (session->window, _ ("Every place is decided about."));
}

static AppReviewItem *
item_in_hand (AppSession *session)
{
  Review *self = review_of (session);

  if (self->current != NULL && session->scan != NULL && self->current->case_id == session->case_id)
    return self->current;
  ui_window_toast_action (session->window, _ ("No place is in hand."), _ ("First Place"),
                          "win.review");
  return NULL;
}

static void
review (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppSession *session = data;
  Review *self = review_of (session);

  ui_window_show_review (session->window);
  if (g_list_model_get_n_items (G_LIST_MODEL (self->items)) == 0)
    ui_window_toast_action (session->window, _ ("There is nothing to review: no predictions."),
                            _ ("Predict"), "win.predict");
  else
    {
      set_current (self, NULL);
      go_on (session);
    }
}

static void
review_accept (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppReviewItem *item = item_in_hand (data);

  if (item != NULL)
    accept (data, item, APP_REVIEW_ACCEPTED);
}

/* What the model says is the start; the brush is in hand to correct it. */
static void
review_fix (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppReviewItem *item = item_in_hand (data);

  if (item == NULL)
    return;
  accept (data, item, APP_REVIEW_FIXED);
  g_action_group_change_action_state (G_ACTION_GROUP (((AppSession *) data)->window), "tool",
                                      g_variant_new_string ("brush"));
}

static void
review_unsure (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppReviewItem *item = item_in_hand (data);

  if (item == NULL)
    return;
  decide (data, item, APP_REVIEW_UNSURE, 0);
  go_on (data);
}

static void
review_next (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  step (data, 1);
}

static void
review_previous (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  step (data, -1);
}

static void
activated_cb (UiReviewList *list, guint position, AppSession *session)
{
  Review *self = review_of (session);
  g_autoptr (AppReviewItem) item = g_list_model_get_item (G_LIST_MODEL (self->items), position);

  if (item != NULL)
    go_to (self, item);
}

/* The list: read from beside the predictions
 * ---------------------------------------------------------- */

typedef struct
{
  gint64 prediction;
  char *path;
  GArray *regions; /* NULL: none could be read */
} Source;

static void
source_clear (gpointer data)
{
  Source *source = data;

  g_free (source->path);
  g_clear_pointer (&source->regions, g_array_unref);
}

static void
read_regions (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  GArray *sources = data;

  for (guint s = 0; s < sources->len && !g_cancellable_is_cancelled (cancellable); s++)
    {
      Source *source = &g_array_index (sources, Source, s);

      source->regions = app_regions_read (source->path, NULL);
    }
  g_task_return_boolean (task, TRUE);
}

/* Open places first, unsure ones last; the largest dispute first. */
static int
compare_items (gconstpointer a, gconstpointer b, gpointer data)
{
  const AppReviewItem *x = a, *y = b;
  gboolean x_open = x->decision == APP_REVIEW_OPEN, y_open = y->decision == APP_REVIEW_OPEN;

  if (x_open != y_open)
    return x_open ? -1 : 1;
  if (x->region.disputed_mm3 != y->region.disputed_mm3)
    return x->region.disputed_mm3 > y->region.disputed_mm3 ? -1 : 1;
  return 0;
}

static DbPrediction *
prediction_by_id (DbStore *store, gint64 id)
{
  GListModel *list = db_store_get_predictions (store);

  for (guint p = 0; p < g_list_model_get_n_items (list); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (list, p);

      if (prediction->id == id)
        return prediction; /* the list keeps it */
    }
  return NULL;
}

static void
add_items (Review *self, const Source *source)
{
  DbStore *store = self->session->store;
  DbPrediction *prediction = prediction_by_id (store, source->prediction);
  DbCase *row = prediction != NULL ? db_store_get_case (store, prediction->case_id) : NULL;

  for (guint r = 0; row != NULL && source->regions != NULL && r < source->regions->len; r++)
    {
      g_autoptr (AppReviewItem) item = app_review_item_new (
          prediction, row, (int) r, &g_array_index (source->regions, AppRegion, r),
          app_review_read_decision (store, prediction->id, (int) r));

      g_list_store_append (self->items, item);
    }
}

static void
regions_read_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (object);
  Review *self = review_of (session);
  GArray *sources = g_task_get_task_data (G_TASK (result));
  guint n;

  if (!g_task_propagate_boolean (G_TASK (result), NULL) || session->window == NULL
      || session->store == NULL || g_task_get_cancellable (G_TASK (result)) != self->reading)
    return;
  set_current (self, NULL);
  g_list_store_remove_all (self->items);
  for (guint s = 0; s < sources->len; s++)
    add_items (self, &g_array_index (sources, Source, s));
  g_list_store_sort (self->items, compare_items, NULL);
  n = g_list_model_get_n_items (G_LIST_MODEL (self->items));
  if (n > MAX_ITEMS)
    g_list_store_splice (self->items, MAX_ITEMS, n - MAX_ITEMS, NULL, 0);
}

/* Validation scans are not for review: their labels are the expert's alone (I6). */
static GArray *
list_sources (DbStore *store)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (Source));
  GListModel *list = db_store_get_predictions (store);
  DbModel *model = app_current_model_get (store);

  g_array_set_clear_func (sources, source_clear);
  for (guint p = 0; model != NULL && p < g_list_model_get_n_items (list); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (list, p);
      DbCase *row = db_store_get_case (store, prediction->case_id);
      g_autofree char *labels = NULL;
      Source source = { .prediction = prediction->id };

      if (prediction->model != model->id || row == NULL || row->validation)
        continue;
      labels = db_store_resolve (store, prediction->path);
      source.path = app_prediction_beside (labels, "_regions.json");
      g_array_append_val (sources, source);
    }
  return sources;
}

void
app_window_review_reload (AppSession *session)
{
  Review *self = review_of (session);
  g_autoptr (GTask) task = NULL;

  g_cancellable_cancel (self->reading);
  g_clear_object (&self->reading);
  if (session->store == NULL)
    {
      g_list_store_remove_all (self->items);
      g_clear_object (&self->current);
      return;
    }
  self->reading = g_cancellable_new ();
  task = g_task_new (session, self->reading, regions_read_cb, NULL);
  g_task_set_task_data (task, list_sources (session->store), (GDestroyNotify) g_array_unref);
  g_task_run_in_thread (task, read_regions);
}

/* Predictions that are not there yet: scans added later, an imported model, a cleared cache
 * ------------------------------------------------------------------------------------------- */

static void
predicted_cb (AppJob *job, const GError *error, gpointer data)
{
  g_autoptr (AppSession) session = data;

  if (app_session_get_window (session) == NULL)
    return;
  if (error == NULL)
    ui_window_toast (session->window, _ ("Every scan has its prediction."));
  else if (!g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED)
           && !g_error_matches (error, SEG_ERROR, SEG_ERROR_CANCELLED)
           && !g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN))
    app_session_tell (session, _ ("Not every scan could be predicted"), error);
  app_window_review_reload (session);
}

static gboolean
predict_missing (AppSession *session)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AppJob) job = app_flow_predict_missing (session->store, app_engine_get_default (),
                                                     predicted_cb, g_object_ref (session), &error);

  if (job == NULL)
    g_object_unref (session);
  if (error != NULL)
    ui_window_toast (session->window, error->message);
  return job != NULL;
}

static void
predict (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppSession *session = data;

  if (predict_missing (session))
    ui_window_toast (session->window, _ ("Predicting what has no prediction yet."));
  else if (app_current_model_get (session->store) != NULL)
    ui_window_toast (session->window, _ ("Every scan has its prediction."));
}

void
app_window_review_model_changed (AppSession *session)
{
  DbModel *model = app_current_model_get (session->store);
  g_autofree char *text = NULL;

  hide_overlays (session);
  app_window_review_reload (session);
  predict_missing (session);
  text = g_strdup_printf (_ ("Predictions and proposals are those of “%s” now."), model->name);
  ui_window_toast (session->window, text);
}

static void
case_changed_cb (AppSession *session)
{
  Review *self = review_of (session);

  if (session->window == NULL)
    return;
  hide_overlays (session);
  if (self->is_going && self->current != NULL && session->case_id == self->current->case_id)
    {
      self->is_going = FALSE;
      show_place (self);
    }
}

/* A stroke that cannot be seen is a trap: the labels come back with it. */
static void
labels_changed_cb (AppSession *session)
{
  if (session->window != NULL && get_toggle (session, "show-prediction"))
    {
      hide_overlay (session, "show-prediction");
      update_badge (session);
    }
}

void
app_window_review_add (AppSession *session)
{
  static const GActionEntry entries[] = {
    { "accept-prediction", accept_prediction },
    { "show-prediction", NULL, NULL, "false", change_prediction },
    { "show-differences", NULL, NULL, "false", change_differences },
    { "show-uncertainty", NULL, NULL, "false", change_uncertainty },
    { "review", review },
    { "review-accept", review_accept },
    { "review-fix", review_fix },
    { "review-unsure", review_unsure },
    { "review-next", review_next },
    { "review-previous", review_previous },
    { "predict", predict },
  };
  UiWindow *window = app_session_get_window (session);
  Review *self = g_new0 (Review, 1);

  self->session = session;
  self->items = g_list_store_new (APP_TYPE_REVIEW_ITEM);
  g_object_set_data_full (G_OBJECT (session), "review", self, review_free);
  g_action_map_add_action_entries (G_ACTION_MAP (window), entries, G_N_ELEMENTS (entries), session);
  ui_review_list_set_model (ui_window_get_review_list (window), G_LIST_MODEL (self->items));
  g_signal_connect_object (ui_window_get_review_list (window), "activated",
                           G_CALLBACK (activated_cb), session, 0);
  g_signal_connect (session, "case-changed", G_CALLBACK (case_changed_cb), NULL);
  g_signal_connect (session, "case-labels-changed", G_CALLBACK (labels_changed_cb), NULL);
  g_signal_connect (session, "project-changed", G_CALLBACK (app_window_review_reload), NULL);
}
