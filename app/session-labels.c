/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "volume/tool-shape.h"

#include <glib/gi18n.h>

/* The look of the labels */

static void
parse_colour (const char *text, guint8 rgba[4])
{
  GdkRGBA colour = { 0.9f, 0.6f, 0.0f, 1 };

  if (text != NULL)
    gdk_rgba_parse (&colour, text);
  rgba[0] = (guint8) (colour.red * 255 + 0.5);
  rgba[1] = (guint8) (colour.green * 255 + 0.5);
  rgba[2] = (guint8) (colour.blue * 255 + 0.5);
  rgba[3] = 255;
}

/* Labels that are hidden are left fully transparent: the look has no other word for it. */
void
app_session_update_look (AppSession *self)
{
  GListModel *labels = db_store_get_labels (self->store);
  guint n = g_list_model_get_n_items (labels);
  g_autoptr (VolumeLabelSet) look = volume_label_set_new ();

  for (guint l = 0; l < n; l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, l);
      guint8 rgba[4];

      parse_colour (label->colour, rgba);
      rgba[3] = label->visible ? 255 : 0;
      volume_label_set_put (look, (guint16) label->id, label->name, rgba);
    }
  ui_view_state_set_look (self->state, look);
}

static void
labels_list_changed_cb (AppSession *self)
{
  app_session_watch_labels (self, TRUE);
}

void
app_session_watch_labels (AppSession *self, gboolean watch)
{
  GListModel *labels = db_store_get_labels (self->store);
  guint n = g_list_model_get_n_items (labels);

  for (guint l = 0; l < self->watched_labels->len; l++)
    g_signal_handlers_disconnect_by_func (g_ptr_array_index (self->watched_labels, l),
                                          G_CALLBACK (app_session_update_look), self);
  g_ptr_array_set_size (self->watched_labels, 0);
  g_signal_handlers_disconnect_by_func (labels, G_CALLBACK (labels_list_changed_cb), self);
  if (!watch)
    return;
  g_signal_connect_swapped (labels, "items-changed", G_CALLBACK (labels_list_changed_cb), self);
  for (guint l = 0; l < n; l++)
    {
      DbLabel *label = g_list_model_get_item (labels, l);

      g_ptr_array_add (self->watched_labels, label);
      g_signal_connect_swapped (label, "notify", G_CALLBACK (app_session_update_look), self);
    }
  app_session_update_look (self);
}

/* Volumes beside the labels' names */

static void
update_volumes (AppSession *self)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
  const gsize *counts = volume_label_map_get_counts (db_labels_get_map (self->labels));
  double ml = geometry->spacing_mm[0] * geometry->spacing_mm[1] * geometry->spacing_mm[2] / 1000;
  GListModel *labels = db_store_get_labels (self->store);
  guint n = g_list_model_get_n_items (labels);

  for (guint l = 0; l < n; l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, l);

      ui_label_list_set_volume (ui_window_get_label_list (self->window), label->id,
                                counts[label->id] * ml);
    }
}

static void
set_enabled (AppSession *self, const char *name, gboolean enabled)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (self->window), name);

  if (action != NULL)
    g_simple_action_set_enabled (G_SIMPLE_ACTION (action), enabled);
}

static void
name_undo (AppSession *self)
{
  UiHistoryList *history = ui_window_get_history_list (self->window);
  g_autofree char *undo = ui_history_list_describe (history, db_labels_get_head (self->labels));
  g_autofree char *redo = ui_history_list_describe (history, db_labels_get_next (self->labels));

  ui_window_set_undo (self->window, undo, redo);
}

static void
update_undo (AppSession *self)
{
  if (self->window == NULL)
    return;
  set_enabled (self, "undo", self->labels != NULL && db_labels_get_can_undo (self->labels));
  set_enabled (self, "redo", self->labels != NULL && db_labels_get_can_redo (self->labels));
  if (self->labels == NULL)
    {
      ui_window_set_undo (self->window, NULL, NULL);
      return;
    }
  ui_history_list_set_head (ui_window_get_history_list (self->window),
                            db_labels_get_head (self->labels));
  name_undo (self);
}

/* I3: a voxel that was set to background is not an unlabelled one. */
static void
show_origins (AppSession *self, GBytes *edits, const VolumeBox *box)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelSnapshot) now =
      volume_label_map_snapshot (db_labels_get_map (self->labels), &error);

  if (now != NULL)
    ui_view_state_set_origins (self->state, now, edits, box);
  else
    g_message ("origins of labels: %s", error->message);
}

static void
show_new_origins (AppSession *self, const VolumeBox *box)
{
  const guint32 head = (guint32) db_labels_get_head (self->labels);
  const guint32 pair[2] = { head, db_labels_get_provenance (self->labels, head) };
  g_autoptr (GBytes) edits = g_bytes_new (pair, sizeof pair);

  show_origins (self, edits, box);
}

static void
show_all_origins (AppSession *self)
{
  g_autoptr (GBytes) edits = db_labels_get_origins (self->labels);

  show_origins (self, edits, NULL);
}

static void
labels_changed_cb (AppSession *self, const VolumeBox *box)
{
  if (self->tool != NULL && self->tool->klass->discard != NULL && self->n_pending == 0
      && !ui_tool_is_prompt (self->tool->kind))
    self->tool->klass->discard (self->tool);
  show_new_origins (self, box);
  app_shown_labels_sync (self->shown, db_labels_get_map (self->labels), box, self->state);
  update_volumes (self);
  app_session_check_later (self);
  g_signal_emit_by_name (self, "case-labels-changed");
}

static void
history_changed_cb (AppSession *self)
{
  if (self->window != NULL && self->labels != NULL)
    name_undo (self);
}

static void
history_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GListModel) history = NULL;

  history = db_labels_get_history_finish (DB_LABELS (source), result, &error);
  if (self->window == NULL || self->labels != DB_LABELS (source))
    return;
  if (history == NULL)
    {
      app_session_tell (self, _ ("The history cannot be shown"), error);
      return;
    }
  ui_history_list_set_model (ui_window_get_history_list (self->window), history);
  g_signal_connect_object (history, "items-changed", G_CALLBACK (history_changed_cb), self,
                           G_CONNECT_SWAPPED);
  update_undo (self);
}

void
app_session_labels_opened (AppSession *self)
{
  g_signal_connect_swapped (self->labels, "changed", G_CALLBACK (labels_changed_cb), self);
  g_signal_connect_swapped (self->labels, "notify", G_CALLBACK (update_undo), self);
  db_labels_get_history_async (self->labels, NULL, history_read_cb, g_object_ref (self));
  show_all_origins (self);
  update_volumes (self);
  update_undo (self);
  ui_label_list_set_active (ui_window_get_label_list (self->window),
                            ui_view_state_get_active_label (self->state));
}

void
app_session_labels_closing (AppSession *self)
{
  g_signal_handlers_disconnect_by_data (self->labels, self);
  if (self->window == NULL)
    return;
  ui_history_list_set_model (ui_window_get_history_list (self->window), NULL);
  set_enabled (self, "undo", FALSE);
  set_enabled (self, "redo", FALSE);
}

/* Edits */

VolumeEditBuilder *
app_session_new_builder (AppSession *self, VolumeProvenance provenance, gboolean on_shown)
{
  VolumeLabelMap *map =
      on_shown ? app_shown_labels_get_map (self->shown) : db_labels_get_map (self->labels);
  VolumeEditGuard guard = { 0 };

  db_labels_init_guard (self->labels, provenance, FALSE, &guard);
  /* Edit ids of the shown map mean nothing: whose a voxel is, only the journal's map knows. */
  if (on_shown)
    guard.protect_hand = FALSE;
  return volume_edit_builder_new (map, &guard);
}

gboolean
app_session_may_draw (AppSession *self, VolumePlane plane, int index)
{
  if (!(ui_view_state_get_mark (self->state, plane, index) & UI_MARK_SIGNED))
    return TRUE;
  ui_window_toast (self->window, _ ("This slice is signed. Unsign it to change its labels."));
  return FALSE;
}

static void
finished (AppSession *self, GAsyncResult *result, const char *what)
{
  g_autoptr (GError) error = NULL;

  if (self->labels != NULL && db_labels_finish (self->labels, result, &error) < 0
      && !g_error_matches (error, DB_ERROR, DB_ERROR_NOTHING))
    app_session_tell (self, what, error);
}

/* A commit on its way, and who wants to know. */
typedef struct
{
  AppSession *session;
  AppCommitted done; /* or NULL */
  gpointer data;
} Commit;

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Commit *commit = data;
  g_autoptr (AppSession) self = commit->session;
  g_autoptr (GError) error = NULL;
  gint64 edit = db_labels_finish (DB_LABELS (source), result, &error);

  self->n_pending--;
  if (edit < 0 && !g_error_matches (error, DB_ERROR, DB_ERROR_NOTHING))
    app_session_tell (self, _ ("The last edit could not be kept and was taken back"), error);
  if (commit->done != NULL)
    commit->done (self, edit, commit->data);
  g_free (commit);
}

static Commit *
commit_new (AppSession *self, AppCommitted done, gpointer data)
{
  Commit *commit = g_new (Commit, 1);

  *commit = (Commit){ g_object_ref (self), done, data };
  self->n_pending++;
  return commit;
}

void
app_session_commit_draft (AppSession *self, DbDraft *draft, const DbEditInfo *info,
                          AppCommitted done, gpointer data)
{
  db_draft_commit_async (draft, info, committed_cb, commit_new (self, done, data));
}

void
app_session_commit_then (AppSession *self, VolumeEdit *edit, const DbEditInfo *info,
                         AppCommitted done, gpointer data)
{
  G_GNUC_UNUSED g_autoptr (VolumeEdit) owned = edit;

  db_labels_commit_async (self->labels, edit, info, NULL, committed_cb,
                          commit_new (self, done, data));
}

void
app_session_commit (AppSession *self, VolumeEditBuilder *builder, VolumeProvenance provenance,
                    const char *tool, const DbEditInfo *info)
{
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;

  if (self->labels != NULL)
    edit = volume_edit_builder_end (builder, db_labels_reserve_id (self->labels), provenance, tool,
                                    &error);
  if (edit == NULL || volume_edit_get_n_voxels (edit) == 0)
    {
      if (self->shown != NULL)
        app_shown_labels_drop_preview (self->shown, self->state);
      if (error != NULL)
        app_session_tell (self, _ ("The last edit could not be kept and was taken back"), error);
      return;
    }
  app_session_commit_then (self, g_steal_pointer (&edit), info, NULL, NULL);
}

void
app_session_commit_builder (AppSession *self, VolumeEditBuilder *builder,
                            VolumeProvenance provenance, const char *tool, const char *detail)
{
  app_session_commit (self, builder, provenance, tool, &(DbEditInfo){ .detail = detail });
}

static void
undone_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;

  if (self->labels == DB_LABELS (source))
    finished (self, result, _ ("This step could not be taken back"));
}

void
app_session_undo (AppSession *self)
{
  if (self->labels != NULL)
    db_labels_undo_async (self->labels, undone_cb, g_object_ref (self));
}

void
app_session_redo (AppSession *self)
{
  if (self->labels != NULL)
    db_labels_redo_async (self->labels, undone_cb, g_object_ref (self));
}

void
app_session_jump (AppSession *self, gint64 edit_id)
{
  if (self->labels != NULL)
    db_labels_jump_async (self->labels, edit_id, undone_cb, g_object_ref (self));
}

void
app_session_revert (AppSession *self, gint64 edit_id)
{
  if (self->labels != NULL)
    db_labels_revert_async (self->labels, edit_id, undone_cb, g_object_ref (self));
}

/* Commands over slices */

typedef struct
{
  VolumeScan *scan;
  VolumePlane plane;
  int index;
  guint16 label;
  gboolean found; /* slices to interpolate between */
} Interpolation;

static void
interpolation_free (gpointer data)
{
  volume_scan_unref (((Interpolation *) data)->scan);
  g_free (data);
}

/* The nearest slices on both sides of the one shown that carry the label. */
static gboolean
find_neighbours (const Interpolation *self, const VolumeLabelMap *map, int *first, int *last)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
  VolumeSliceRaster raster;
  g_autofree guint16 *pixels = NULL;

  *first = *last = -1;
  for (int n = 0; n == 0 || n < raster.frame.n_slices; n++)
    {
      gsize n_pixels, n_label = 0;

      if (!volume_slice_raster_init (&raster, geometry, self->plane, n))
        return FALSE;
      n_pixels = volume_slice_raster_get_n_pixels (&raster);
      if (pixels == NULL)
        pixels = g_new (guint16, n_pixels);
      volume_slice_raster_read_labels (&raster, map, pixels);
      for (gsize p = 0; p < n_pixels; p++)
        n_label += pixels[p] == self->label;
      /* A few voxels are the line of a crossing slice, not a labelled slice. */
      if (n_label < 9)
        continue;
      if (n < self->index || (n == self->index && *first < 0))
        *first = n;
      if (n > *first && n >= self->index && *last < 0 && n != *first)
        *last = n;
    }
  return *first >= 0 && *last > *first + 1;
}

static gboolean
build_interpolation (const VolumeLabelMap *map, VolumeEditBuilder *builder, gpointer data,
                     GError **error)
{
  Interpolation *self = data;
  int first, last;

  self->found = find_neighbours (self, map, &first, &last);
  if (self->found)
    volume_tool_interpolate (builder, volume_scan_get_geometry (self->scan), map, self->plane, first,
                             last, self->label);
  return TRUE;
}

static void
interpolated (AppSession *session, DbDraft *draft, const GError *error, gpointer data)
{
  const Interpolation *self = data;

  if (draft == NULL)
    app_session_tell (session, _ ("The slices could not be interpolated"), error);
  else if (!self->found)
    ui_window_toast (session->window,
                     _ ("There are no two labelled slices on both sides of this one."));
  else if (db_draft_get_n_voxels (draft) > 0)
    app_session_commit_draft (session, draft, NULL, NULL, NULL);
}

void
app_session_interpolate (AppSession *self)
{
  static const AppBuild kind = { .provenance = VOLUME_PROVENANCE_INTERPOLATION,
                                 .tool = "interpolate",
                                 .telling = N_ ("Interpolating…"),
                                 .build = build_interpolation,
                                 .done = interpolated };
  Interpolation *data;

  if (self->labels == NULL)
    return;
  data = g_new (Interpolation, 1);
  *data = (Interpolation){ .scan = volume_scan_ref (self->scan),
                           .plane = self->plane,
                           .index = ui_view_state_get_index (self->state, self->plane),
                           .label = ui_view_state_get_active_label (self->state) };
  app_session_build (self, &kind, data, interpolation_free);
}

void
app_session_copy_neighbour (AppSession *self, int step)
{
  g_autoptr (VolumeEditBuilder) builder = NULL;
  VolumeSliceRaster raster;
  int index;

  if (self->labels == NULL)
    return;
  index = ui_view_state_get_index (self->state, self->plane);
  if (!app_session_may_draw (self, self->plane, index)
      || !volume_slice_raster_init (&raster, volume_scan_get_geometry (self->scan), self->plane,
                                    index))
    return;
  builder = app_session_new_builder (self, VOLUME_PROVENANCE_HAND, FALSE);
  if (volume_tool_copy_slice (builder, &raster, db_labels_get_map (self->labels), index + step,
                              ui_view_state_get_active_label (self->state)))
    app_session_commit_builder (self, builder, VOLUME_PROVENANCE_HAND, "copy", NULL);
  else
    ui_window_toast (self->window, _ ("There is no slice on that side."));
}
