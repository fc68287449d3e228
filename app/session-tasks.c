/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "app/crossing.h"
#include "app/settings.h"

#include <glib/gi18n.h>
#include <string.h>

/* Reading speed: the crossing check follows strokes at this pace. */
#define CHECK_MS 200
/* A person who does nothing for this long is not labelling. */
#define IDLE_S 30
#define CLOCK_S 5

/* Marks of the sliders */

static gboolean
is_in_conflict (AppSession *self, VolumePlane plane, int index)
{
  int axis = volume_scan_get_geometry (self->scan)->axis_of_plane[plane];

  for (guint c = 0; c < self->conflicts->len; c++)
    {
      const AppConflict *conflict = &g_array_index (self->conflicts, AppConflict, c);

      if ((conflict->plane_a == plane || conflict->plane_b == plane)
          && conflict->ijk[axis] == index)
        return TRUE;
    }
  return FALSE;
}

static void
update_marks (AppSession *self)
{
  guint n_tasks = g_list_model_get_n_items (self->tasks);

  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, p);
      g_autofree guint8 *marks = g_new0 (guint8, frame->n_slices);

      for (guint t = 0; t < n_tasks; t++)
        {
          g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);

          if (task->plane != p || task->index < 0 || task->index >= frame->n_slices)
            continue;
          marks[task->index] |= task->state == DB_TASK_SIGNED ? UI_MARK_SIGNED : UI_MARK_PROPOSED;
          if (is_in_conflict (self, p, task->index))
            marks[task->index] |= UI_MARK_CONFLICT;
        }
      ui_view_state_set_marks (self->state, p, marks, frame->n_slices);
    }
}

static void
update_progress (AppSession *self)
{
  DbCase *row = db_store_get_case (self->store, self->case_id);

  ui_case_bar_set_progress (ui_window_get_case_bar (self->window), row->n_signed, row->n_tasks,
                            row->complete);
  ui_case_bar_set_conflicts (ui_window_get_case_bar (self->window), (int) self->conflicts->len);
}

/* The crossing check */

static void
show_conflicts (AppSession *self)
{
  GPtrArray *shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);
  GPtrArray *kept = ui_view_state_get_fixed_shapes (self->state);
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);

  for (guint n = 0; n < kept->len; n++)
    {
      UiShape *shape = g_ptr_array_index (kept, n);

      if (shape->kind != UI_SHAPE_CONFLICT)
        {
          UiShape *copy = ui_shape_new (shape->kind, shape->plane, shape->index);

          g_array_append_vals (copy->points, shape->points->data, shape->points->len);
          copy->text = g_strdup (shape->text);
          g_ptr_array_add (shapes, copy);
        }
    }
  for (guint c = 0; c < self->conflicts->len; c++)
    {
      const AppConflict *conflict = &g_array_index (self->conflicts, AppConflict, c);
      VolumePlane planes[2] = { conflict->plane_a, conflict->plane_b };
      double ijk[3] = { conflict->ijk[0], conflict->ijk[1], conflict->ijk[2] };

      for (int p = 0; p < 2; p++)
        {
          UiShape *shape = ui_shape_new (UI_SHAPE_CONFLICT, planes[p],
                                         conflict->ijk[geometry->axis_of_plane[planes[p]]]);

          ui_shape_add (shape, ijk);
          g_ptr_array_add (shapes, shape);
        }
    }
  ui_view_state_set_fixed_shapes (self->state, shapes);
}

static GArray *
task_slices (AppSession *self)
{
  GArray *slices = g_array_new (FALSE, FALSE, sizeof (AppCrossingSlice));
  guint n = g_list_model_get_n_items (self->tasks);

  for (guint t = 0; t < n; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);
      AppCrossingSlice slice = { task->plane, task->index };

      g_array_append_val (slices, slice);
    }
  return slices;
}

static gboolean
check_cb (gpointer data)
{
  AppSession *self = data;
  g_autoptr (GArray) slices = task_slices (self);
  g_autoptr (GArray) found = NULL;

  self->check_id = 0;
  found =
      app_crossing_find (db_labels_get_map (self->labels), volume_scan_get_geometry (self->scan),
                         (const AppCrossingSlice *) slices->data, slices->len);
  g_array_set_size (self->conflicts, 0);
  for (guint f = 0; f < found->len; f++)
    {
      const AppCrossing *crossing = &g_array_index (found, AppCrossing, f);
      AppConflict conflict = { .plane_a =
                                   g_array_index (slices, AppCrossingSlice, crossing->a).plane,
                               .plane_b =
                                   g_array_index (slices, AppCrossingSlice, crossing->b).plane };

      memcpy (conflict.ijk, crossing->ijk, sizeof conflict.ijk);
      g_array_append_val (self->conflicts, conflict);
    }
  show_conflicts (self);
  update_marks (self);
  update_progress (self);
  return G_SOURCE_REMOVE;
}

void
app_session_check_later (AppSession *self)
{
  if (self->check_id == 0 && self->tasks != NULL)
    self->check_id = g_timeout_add (CHECK_MS, check_cb, self);
}

void
app_session_next_conflict (AppSession *self)
{
  const AppConflict *conflict;

  if (self->scan == NULL)
    return;
  if (self->conflicts->len == 0)
    {
      ui_window_toast (self->window, _ ("Crossing slices agree everywhere."));
      return;
    }
  self->conflict_next %= self->conflicts->len;
  conflict = &g_array_index (self->conflicts, AppConflict, self->conflict_next++);
  ui_view_state_set_cursor (self->state, conflict->ijk);
}

/* Tasks */

void
app_session_tasks_changed (AppSession *self)
{
  if (self->tasks == NULL || self->window == NULL)
    return;
  update_marks (self);
  update_progress (self);
  app_session_check_later (self);
  g_signal_emit_by_name (self, "case-labels-changed");
}

static void
watch_tasks (AppSession *self)
{
  guint n = g_list_model_get_n_items (self->tasks);

  for (guint t = 0; t < n; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);

      g_signal_handlers_disconnect_by_func (task, G_CALLBACK (app_session_tasks_changed), self);
      g_signal_connect_object (task, "notify::state", G_CALLBACK (app_session_tasks_changed), self,
                               G_CONNECT_SWAPPED);
      g_signal_connect_object (task, "notify::index", G_CALLBACK (app_session_tasks_changed), self,
                               G_CONNECT_SWAPPED);
    }
}

/* A click shall find the slices that are to be labelled encoded: those of the open case, then those
 * of the next. */

static void
wish_slices (AppSession *self, VolumeScan *scan, GListModel *tasks)
{
  guint n = g_list_model_get_n_items (tasks);

  for (guint t = 0; t < n; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, t);
      VolumeSliceFrame frame;

      if (task->state != DB_TASK_PROPOSED || task->plane < 0 || task->plane >= VOLUME_N_PLANES)
        continue;
      volume_geometry_get_slice_frame (volume_scan_get_geometry (scan), task->plane, &frame);
      if (task->index >= 0 && task->index < frame.n_slices)
        app_prompter_prefetch (self->prompter, scan, task->plane, task->index);
    }
}

void
app_session_prefetch (AppSession *self)
{
  if (self->prompter == NULL)
    return;
  app_prompter_prefetch (self->prompter, NULL, 0, 0);
  if (self->scan != NULL && self->tasks != NULL)
    wish_slices (self, self->scan, self->tasks);
  if (self->ahead != NULL && self->store != NULL)
    wish_slices (self, self->ahead, db_store_get_tasks (self->store, self->ahead_id));
}

static void
tasks_items_cb (AppSession *self)
{
  watch_tasks (self);
  app_session_tasks_changed (self);
  app_session_prefetch (self);
}

static gboolean clock_cb (gpointer data);

void
app_session_tasks_opened (AppSession *self)
{
  DbCase *row = db_store_get_case (self->store, self->case_id);

  self->tasks = g_object_ref (db_store_get_tasks (self->store, self->case_id));
  g_signal_connect_swapped (self->tasks, "items-changed", G_CALLBACK (tasks_items_cb), self);
  g_signal_connect_object (row, "notify::n-signed", G_CALLBACK (app_session_tasks_changed), self,
                           G_CONNECT_SWAPPED);
  self->conflict_next = 0;
  tasks_items_cb (self);
  self->clock_id = g_timeout_add_seconds (CLOCK_S, clock_cb, self);
}

void
app_session_tasks_closing (AppSession *self)
{
  DbCase *row = db_store_get_case (self->store, self->case_id);

  if (self->tasks == NULL)
    return;
  g_clear_handle_id (&self->check_id, g_source_remove);
  g_clear_handle_id (&self->clock_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->tasks, self);
  for (guint t = 0; t < g_list_model_get_n_items (self->tasks); t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);

      g_signal_handlers_disconnect_by_func (task, G_CALLBACK (app_session_tasks_changed), self);
    }
  if (row != NULL)
    g_signal_handlers_disconnect_by_func (row, G_CALLBACK (app_session_tasks_changed), self);
  g_clear_object (&self->tasks);
  g_array_set_size (self->conflicts, 0);
}

DbSliceTask *
app_session_find_task (AppSession *self, VolumePlane plane, int index)
{
  guint n = self->tasks != NULL ? g_list_model_get_n_items (self->tasks) : 0;

  for (guint t = 0; t < n; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);

      if (task->plane == (int) plane && task->index == index)
        return task; /* the list keeps it */
    }
  return NULL;
}

DbSliceTask *
app_session_get_task (AppSession *self, VolumePlane plane)
{
  guint n = self->tasks != NULL ? g_list_model_get_n_items (self->tasks) : 0;
  DbSliceTask *signed_task = NULL;

  for (guint t = 0; t < n; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (self->tasks, t);

      if (task->plane != (int) plane)
        continue;
      if (task->state == DB_TASK_PROPOSED)
        return task;
      signed_task = task;
    }
  return signed_task;
}

void
app_session_go_to_task (AppSession *self, VolumePlane plane)
{
  DbSliceTask *task = app_session_get_task (self, plane);

  if (task != NULL)
    ui_view_state_set_index (self->state, plane, task->index);
}

void
app_session_go_to_tasks (AppSession *self)
{
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    app_session_go_to_task (self, p);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;
  g_autoptr (GError) error = NULL;

  if (db_store_write_finish (DB_STORE (source), result, &error) < 0)
    app_session_tell (self, _ ("This could not be kept"), error);
}

static void
write_told (AppSession *self, DbWrite *write)
{
  db_store_write_async (self->store, write, NULL, written_cb, g_object_ref (self));
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;
  g_autoptr (GError) error = NULL;
  DbCase *row;

  if (db_store_write_finish (DB_STORE (source), result, &error) < 0)
    {
      app_session_tell (self, _ ("The slice could not be signed"), error);
      return;
    }
  row = self->case_id >= 0 && self->store != NULL ? db_store_get_case (self->store, self->case_id)
                                                  : NULL;
  if (row != NULL && row->n_tasks > 0 && row->n_signed == row->n_tasks)
    ui_window_toast_action (self->window, _ ("All slices of this case are signed."),
                            _ ("Next Case"), "win.next-case");
}

void
app_session_toggle_signed (AppSession *self, VolumePlane plane)
{
  g_autofree char *reader = NULL;
  DbSliceTask *task;

  if (self->tasks == NULL)
    return;
  task = app_session_find_task (self, plane, ui_view_state_get_index (self->state, plane));
  if (task == NULL)
    {
      ui_window_toast (self->window, _ ("This slice is not one of those to be labelled."));
      return;
    }
  /* What is unfinished is not part of what is signed. */
  app_session_tool_discard (self);
  app_session_flush_seconds (self);
  if (task->state == DB_TASK_SIGNED)
    {
      write_told (self, db_write_unsign_task (task->id));
      return;
    }
  if (app_settings_get_default () != NULL)
    reader = g_settings_get_string (app_settings_get_default (), "reader");
  db_store_write_async (
      self->store, db_write_sign_task (task->id, reader != NULL && *reader != '\0' ? reader : NULL),
      NULL, done_cb, g_object_ref (self));
}

void
app_session_move_task_here (AppSession *self, VolumePlane plane)
{
  DbSliceTask *task = app_session_get_task (self, plane);

  if (task == NULL || task->state == DB_TASK_SIGNED)
    {
      ui_window_toast (self->window, _ ("There is no unsigned slice of this plane to move."));
      return;
    }
  write_told (self, db_write_move_task (task->id, ui_view_state_get_index (self->state, plane)));
}

void
app_session_propose_here (AppSession *self)
{
  DbWrite *writes[VOLUME_N_PLANES];

  if (self->tasks == NULL)
    return;
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    writes[p] = db_write_propose_slice (self->case_id, p, ui_view_state_get_index (self->state, p),
                                        "person");
  write_told (self, db_write_all (writes, VOLUME_N_PLANES));
}

/* The clock: seconds of work on a slice to be labelled (DESIGN 9) */

void
app_session_flush_seconds (AppSession *self)
{
  if (self->seconds >= 0.5 && self->seconds_task > 0 && self->store != NULL)
    db_store_write_later (self->store,
                          db_write_add_task_seconds (self->seconds_task, self->seconds));
  self->seconds = 0;
}

static void
count_time (AppSession *self)
{
  gint64 now = g_get_monotonic_time ();
  double elapsed = (now - self->last_action_us) / (double) G_USEC_PER_SEC;

  if (self->last_action_us > 0 && elapsed < IDLE_S)
    self->seconds += elapsed;
  self->last_action_us = now;
}

void
app_session_worked (AppSession *self, VolumePlane plane)
{
  DbSliceTask *task;

  self->plane = plane;
  if (self->tasks == NULL)
    return;
  count_time (self);
  task = app_session_find_task (self, plane, ui_view_state_get_index (self->state, plane));
  if ((task != NULL ? task->id : 0) == self->seconds_task)
    return;
  app_session_flush_seconds (self);
  self->seconds_task = task != NULL ? task->id : 0;
}

static gboolean
clock_cb (gpointer data)
{
  app_session_flush_seconds (data);
  return G_SOURCE_CONTINUE;
}
