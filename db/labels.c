/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/labels.h"

#include "db/journal-private.h"
#include "db/labels-private.h"
#include "volume/mask.h"

/* From this many voxels on a step through history is taken on a worker (I8). */
#define MANY_VOXELS (1 << 17)

/* What is known of an edit without reading it. */
typedef struct
{
  gint64 parent, next;
  VolumeProvenance provenance;
} Node;

typedef enum
{
  CHANGE_EDIT,
  CHANGE_MOVE,
  CHANGE_REVERT, /* reads the edit, then becomes a CHANGE_EDIT */
} ChangeKind;

/* Something on its way to the disk, or waiting for that. */
typedef struct
{
  ChangeKind kind;
  DbLabels *labels; /* a reference while on its way */
  GTask *task; /* NULL: somebody waits for it */
  VolumeEdit *edit;
  GBytes *runs; /* the edit, as it will lie on the disk */
  VolumeLabelMap *after; /* made by a worker on labels of @version: the map with the edit; or NULL */
  guint64 version;
  DbWrite *also; /* finished together with the edit, or NULL */
  char *detail;
  DbEditInfo info;
  DbMove move;
  gint64 target;
  gint64 parent; /* what the edit was built on */
  GPtrArray *steps;
  gboolean taken_back; /* the map has lost it already: something before it failed */
} Change;

struct _DbLabels
{
  GObject parent_instance;

  DbStore *store;
  gint64 case_id;
  VolumeLabelMap *map;
  gint64 head; /* with what is on its way */
  gint64 first; /* what redo does at the start */
  GHashTable *nodes; /* gint64 → Node */
  GQueue pending; /* Change, edits applied and handed over, oldest first */
  GQueue waiting; /* Change, behind a move */
  gboolean busy;
  gboolean broken; /* the map is not what the disk says: open it again */
  GListStore *history;
  GHashTable *history_rows; /* gint64 → DbEdit */
  guint16 *locked; /* of the last guard */
};

enum
{
  PROP_0,
  PROP_CAN_UNDO,
  PROP_CAN_REDO,
  PROP_HEAD,
  PROP_BUSY,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DbLabels, db_labels, G_TYPE_OBJECT)

static void start_waiting (DbLabels *self);

/* History in memory */

static Node *
find_node (DbLabels *self, gint64 id)
{
  return g_hash_table_lookup (self->nodes, &id);
}

static gint64 *
next_of (DbLabels *self, gint64 id)
{
  Node *node = find_node (self, id);

  return node != NULL ? &node->next : &self->first;
}

static void
add_node (DbLabels *self, gint64 id, gint64 parent, gint64 next, VolumeProvenance provenance)
{
  Node *node = g_new (Node, 1);

  *node = (Node){ parent, next, provenance };
  g_hash_table_insert (self->nodes, g_memdup2 (&id, sizeof id), node);
}

static void
notify_place (DbLabels *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_HEAD]);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_CAN_UNDO]);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_CAN_REDO]);
}

static void
mark_applied (DbLabels *self, gint64 id, gboolean applied)
{
  DbEdit *row = self->history_rows != NULL ? g_hash_table_lookup (self->history_rows, &id) : NULL;

  if (row != NULL)
    db_row_set_boolean (row, "applied", &row->applied, applied);
}

static void
set_busy (DbLabels *self, gboolean busy)
{
  if (self->busy == busy)
    return;
  self->busy = busy;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_BUSY]);
}

static void
emit_changed (DbLabels *self, const VolumeEdit *edit)
{
  VolumeBox box = volume_edit_get_box (edit);

  g_signal_emit (self, signals[SIGNAL_CHANGED], 0, &box);
}

/* The store's news: rows of this case's history. */
static void
watch_cb (gpointer watcher, gint64 case_id, DbEdit *edit)
{
  DbLabels *self = watcher;

  if (case_id != self->case_id || edit == NULL || self->history == NULL
      || g_hash_table_contains (self->history_rows, &edit->id))
    return;
  edit->applied = TRUE;
  g_hash_table_insert (self->history_rows, g_memdup2 (&edit->id, sizeof edit->id), edit);
  g_list_store_append (self->history, edit);
}

/* I4 */

static gboolean
is_hand_cb (guint32 edit_id, gpointer user_data)
{
  return db_labels_get_provenance (user_data, edit_id) == VOLUME_PROVENANCE_HAND;
}

static gboolean
is_of_person_cb (guint32 edit_id, gpointer user_data)
{
  VolumeProvenance provenance = db_labels_get_provenance (user_data, edit_id);

  return provenance != VOLUME_PROVENANCE_NONE && provenance != VOLUME_PROVENANCE_MODEL;
}

void
db_labels_init_guard (DbLabels *self, VolumeProvenance provenance, gboolean over_hand,
                      VolumeEditGuard *guard)
{
  GListModel *labels = db_store_get_labels (self->store);
  guint n_labels = g_list_model_get_n_items (labels);

  g_return_if_fail (DB_IS_LABELS (self) && guard != NULL);

  *guard = (VolumeEditGuard){ 0 };
  g_free (self->locked);
  self->locked = g_new0 (guint16, n_labels + 1);
  for (guint n = 0; n < n_labels; n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      if (label->locked)
        self->locked[guard->n_locked_labels++] = label->id;
    }
  guard->locked_labels = self->locked;
  guard->user_data = self;
  /* A promptable model answers for the person, who sees it at once; it keeps off what was drawn by
   * hand. A specialist keeps off everything a person has put there. */
  guard->protect_hand =
      !over_hand
      && (provenance == VOLUME_PROVENANCE_MODEL || provenance == VOLUME_PROVENANCE_PROMPT);
  guard->is_hand = provenance == VOLUME_PROVENANCE_MODEL ? is_of_person_cb : is_hand_cb;
}

GHashTable *
db_labels_list_protected (DbLabels *self, VolumeEditGuard *guard)
{
  GHashTable *ids = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, self->nodes);
  while (guard->protect_hand && g_hash_table_iter_next (&iter, &id, NULL))
    if (guard->is_hand ((guint32) * (gint64 *) id, self))
      g_hash_table_add (ids, GUINT_TO_POINTER ((guint32) * (gint64 *) id));
  return ids;
}

static gboolean
refuse_locked (DbLabels *self, guint16 label, GError **error)
{
  g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT, "“%s” is locked; unlock it first.",
               db_store_get_label (self->store, label)->name);
  return FALSE;
}

/* The builder has been told; nobody has to be believed. */
static gboolean
check_edit (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info, GError **error)
{
  const VolumeProvenance provenance = volume_edit_get_provenance (edit);
  g_autofree guint8 *locked = g_new0 (guint8, G_MAXUINT16 + 1);
  VolumeEditGuard guard;
  gsize n_runs;
  const VolumeEditRun *runs = volume_edit_get_runs (edit, &n_runs);

  if (n_runs == 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOTHING, "The edit changes nothing.");
      return FALSE;
    }
  db_labels_init_guard (self, provenance, info->over_hand, &guard);
  for (gsize l = 0; l < guard.n_locked_labels; l++)
    locked[guard.locked_labels[l]] = TRUE;
  for (gsize r = 0; r < n_runs; r++)
    {
      const VolumeEditRun *run = &runs[r];

      if (run->before != run->after && (locked[run->before] || locked[run->after]))
        return refuse_locked (self, locked[run->before] ? run->before : run->after, error);
      if (guard.protect_hand && run->before_edit_id != 0
          && guard.is_hand (run->before_edit_id, self))
        {
          g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                       "A model may not change what was labelled by hand.");
          return FALSE;
        }
    }
  return TRUE;
}

/* Changes */

static Change *
change_new (DbLabels *self, ChangeKind kind, GTask *task)
{
  Change *change = g_new0 (Change, 1);

  change->kind = kind;
  change->labels = g_object_ref (self);
  change->task = task;
  return change;
}

static void
change_free (Change *change)
{
  g_clear_object (&change->task);
  g_clear_pointer (&change->edit, volume_edit_unref);
  g_clear_pointer (&change->runs, g_bytes_unref);
  g_clear_pointer (&change->after, volume_label_map_unref);
  g_clear_pointer (&change->also, db_write_free);
  g_clear_pointer (&change->steps, g_ptr_array_unref);
  g_free (change->detail);
  g_object_unref (change->labels);
  g_free (change);
}

/* Tells whoever asked; frees @change. Takes @error over. */
static gint64
change_finish (Change *change, gint64 head, GError *error, GError **error_out)
{
  if (change->task != NULL && error != NULL)
    g_task_return_error (change->task, error);
  else if (change->task != NULL)
    g_task_return_int (change->task, head);
  else if (error != NULL)
    g_propagate_error (error_out, error);
  change_free (change);
  return error != NULL ? -1 : head;
}

static gboolean
check_usable (DbLabels *self, GError **error)
{
  if (!self->broken)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_CONFLICT,
               "The labels shown are not those on the disk; open the scan again.");
  return FALSE;
}

/* A worker's map is taken where it was made of the labels as they are. */
static gboolean
apply_to_map (DbLabels *self, Change *change, GError **error)
{
  const VolumeBox box = volume_edit_get_box (change->edit);

  if (change->after == NULL || change->version != volume_label_map_get_version (self->map))
    return volume_label_map_apply_edit (self->map, change->edit, error);
  volume_label_map_become (self->map, change->after, &box);
  g_clear_pointer (&change->after, volume_label_map_unref);
  return TRUE;
}

/* Shows the edit at once. */
static gboolean
edit_apply (DbLabels *self, Change *change, GError **error)
{
  const gint64 id = volume_edit_get_id (change->edit);

  if (!check_usable (self, error) || !check_edit (self, change->edit, &change->info, error))
    return FALSE;
  if (id == 0 || find_node (self, id) != NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_CONFLICT, "Edit %" G_GINT64_FORMAT " exists already.",
                   id);
      return FALSE;
    }
  if (change->runs == NULL)
    change->runs = volume_edit_serialize (change->edit, error);
  if (change->runs == NULL || !apply_to_map (self, change, error))
    return FALSE;
  change->parent = self->head;
  add_node (self, id, self->head, 0, volume_edit_get_provenance (change->edit));
  *next_of (self, self->head) = id;
  self->head = id;
  g_queue_push_tail (&self->pending, change);
  emit_changed (self, change->edit);
  notify_place (self);
  return TRUE;
}

/* The disk did not take it: out of the map with it, and with all that was built on it. */
static void
take_back_from (DbLabels *self, Change *failed)
{
  for (GList *link = self->pending.tail; link != NULL; link = link->prev)
    {
      Change *change = link->data;
      gint64 id = volume_edit_get_id (change->edit);

      if (!change->taken_back)
        {
          if (!volume_label_map_revert_edit (self->map, change->edit, NULL))
            self->broken = TRUE;
          change->taken_back = TRUE;
          self->head = change->parent;
          *next_of (self, change->parent) = 0;
          g_hash_table_remove (self->nodes, &id);
          emit_changed (self, change->edit);
        }
      if (change == failed)
        break;
    }
  notify_place (self);
}

static gint64
edit_done (Change *change, gint64 result, GError *error, GError **error_out)
{
  DbLabels *self = change->labels;

  if (error != NULL && !change->taken_back)
    take_back_from (self, change);
  g_queue_remove (&self->pending, change);
  return change_finish (change, result, error, error_out);
}

static void
edit_written_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;
  gint64 id = db_store_write_finish (DB_STORE (object), result, &error);

  edit_done (user_data, id, error, NULL);
}

static DbWrite *
edit_to_write (Change *change)
{
  DbWrite *edit = db_journal_write_edit (change->labels->case_id, change->parent, change->edit,
                                         change->runs, &change->info);

  if (change->also == NULL)
    return edit;
  return db_write_all ((DbWrite *[]){ edit, g_steal_pointer (&change->also) }, 2);
}

/* Takes the steps on a map: the labels', or a worker's copy. */
static gboolean
take_steps (VolumeLabelMap *map, GPtrArray *steps)
{
  gboolean all = TRUE;

  for (guint s = 0; s < steps->len; s++)
    {
      const DbStep *step = g_ptr_array_index (steps, s);

      if (!(step->revert ? volume_label_map_revert_edit (map, step->edit, NULL)
                         : volume_label_map_apply_edit (map, step->edit, NULL)))
        all = FALSE;
    }
  return all;
}

static VolumeBox
box_of_steps (GPtrArray *steps)
{
  VolumeBox box = { { 0 } };

  for (guint s = 0; s < steps->len; s++)
    {
      const VolumeBox own =
          volume_edit_get_box (((const DbStep *) g_ptr_array_index (steps, s))->edit);

      volume_box_join (&box, &own);
    }
  return box;
}

/* The map has come to where the disk went; so does what is known of the history. */
static void
follow_steps (DbLabels *self, GPtrArray *steps)
{
  VolumeBox box = box_of_steps (steps);

  for (guint s = 0; s < steps->len; s++)
    {
      const DbStep *step = g_ptr_array_index (steps, s);
      const gint64 id = volume_edit_get_id (step->edit);
      const Node *node = find_node (self, id);

      if (node != NULL)
        *next_of (self, node->parent) = id;
      mark_applied (self, id, !step->revert);
    }
  if (!volume_box_is_empty (&box))
    g_signal_emit (self, signals[SIGNAL_CHANGED], 0, &box);
}

/* @result: where the disk stands; @is_whole: the map went there too. Takes @error over. */
static gint64
move_done (Change *change, gint64 result, gboolean is_whole, GError *error, GError **error_out)
{
  g_autoptr (DbLabels) self = g_object_ref (change->labels);
  gint64 head;

  if (error == NULL)
    {
      self->broken = self->broken || !is_whole;
      self->head = result;
      follow_steps (self, change->steps);
      notify_place (self);
      if (self->broken)
        check_usable (self, &error);
    }
  set_busy (self, FALSE);
  head = change_finish (change, result, error, error_out);
  start_waiting (self);
  return head;
}

static gboolean
are_large (GPtrArray *steps)
{
  gsize n_voxels = 0;

  for (guint s = 0; s < steps->len; s++)
    n_voxels += volume_edit_get_n_voxels (((DbStep *) g_ptr_array_index (steps, s))->edit);
  return n_voxels >= MANY_VOXELS;
}

static void
take_steps_cb (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Change *change = data;

  g_task_return_boolean (task, take_steps (change->after, change->steps));
}

/* Nobody else wrote to the map meanwhile: it was busy. */
static void
steps_taken_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  DbLabels *self = DB_LABELS (source);
  Change *change = user_data;
  const gint64 head = change->target;
  const VolumeBox box = box_of_steps (change->steps);
  const gboolean is_whole = g_task_propagate_boolean (G_TASK (result), NULL);

  volume_label_map_become (self->map, change->after, &box);
  move_done (change, head, is_whole, NULL, NULL);
}

static void
move_written_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Change *change = user_data;
  DbLabels *self = change->labels;
  GError *error = NULL;
  gint64 head = db_store_write_finish (DB_STORE (object), result, &error);
  g_autoptr (GTask) task = NULL;

  if (error == NULL && are_large (change->steps))
    change->after = volume_label_map_copy (self->map, NULL);
  if (change->after == NULL)
    {
      move_done (change, head, error != NULL || take_steps (self->map, change->steps), error, NULL);
      return;
    }
  change->target = head;
  task = g_task_new (self, NULL, steps_taken_cb, change);
  g_task_set_task_data (task, change, NULL);
  g_task_run_in_thread (task, take_steps_cb);
}

static DbWrite *
move_to_write (Change *change)
{
  DbLabels *self = change->labels;

  set_busy (self, TRUE);
  change->steps = db_journal_new_steps ();
  return db_journal_write_move (self->case_id, self->head, change->move, change->target,
                                change->steps);
}

static void
start (Change *change)
{
  DbLabels *self = change->labels;
  GError *error = NULL;

  if (change->kind == CHANGE_EDIT)
    {
      if (edit_apply (self, change, &error))
        db_store_write_async (self->store, edit_to_write (change), NULL, edit_written_cb, change);
      else
        change_finish (change, -1, error, NULL);
      return;
    }
  if (check_usable (self, &error))
    db_store_write_async (self->store, move_to_write (change), NULL, move_written_cb, change);
  else
    change_finish (change, -1, error, NULL);
}

static void revert_start (Change *change);

static void
start_waiting (DbLabels *self)
{
  while (!self->busy && !g_queue_is_empty (&self->waiting))
    {
      Change *change = g_queue_pop_head (&self->waiting);

      if (change->kind == CHANGE_REVERT)
        revert_start (change);
      else
        start (change);
    }
}

static void
enqueue (DbLabels *self, Change *change)
{
  g_queue_push_tail (&self->waiting, change);
  start_waiting (self);
}

static GTask *
new_task (DbLabels *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (self, cancellable, callback, data);

  g_task_set_source_tag (task, db_labels_finish);
  g_task_set_check_cancellable (task, FALSE);
  return task;
}

static void
set_edit (Change *change, VolumeEdit *edit, const DbEditInfo *info)
{
  change->edit = volume_edit_ref (edit);
  if (info != NULL)
    change->info = *info;
  change->detail = g_strdup (change->info.detail);
  change->info.detail = change->detail;
}

void
db_labels_commit_async (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Change *change;

  g_return_if_fail (DB_IS_LABELS (self) && edit != NULL);

  change = change_new (self, CHANGE_EDIT, new_task (self, cancellable, callback, user_data));
  set_edit (change, edit, info);
  enqueue (self, change);
}

void
db_labels_commit_ready_async (DbLabels *self, VolumeEdit *edit, GBytes *runs, VolumeLabelMap *after,
                              guint64 version, const DbEditInfo *info,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  Change *change = change_new (self, CHANGE_EDIT, new_task (self, NULL, callback, user_data));

  set_edit (change, edit, info);
  change->runs = g_bytes_ref (runs);
  change->after = volume_label_map_ref (after);
  change->version = version;
  enqueue (self, change);
}

static void
move_async (DbLabels *self, DbMove move, gint64 target, GAsyncReadyCallback callback,
            gpointer user_data)
{
  Change *change;

  g_return_if_fail (DB_IS_LABELS (self));

  change = change_new (self, CHANGE_MOVE, new_task (self, NULL, callback, user_data));
  change->move = move;
  change->target = target;
  enqueue (self, change);
}

void
db_labels_undo_async (DbLabels *self, GAsyncReadyCallback callback, gpointer user_data)
{
  move_async (self, DB_MOVE_UNDO, 0, callback, user_data);
}

void
db_labels_redo_async (DbLabels *self, GAsyncReadyCallback callback, gpointer user_data)
{
  move_async (self, DB_MOVE_REDO, 0, callback, user_data);
}

void
db_labels_jump_async (DbLabels *self, gint64 edit_id, GAsyncReadyCallback callback,
                      gpointer user_data)
{
  move_async (self, DB_MOVE_JUMP, edit_id, callback, user_data);
}

/* Taking one edit back: read it, see what of it is left, and commit the opposite. */

static gboolean
check_own (DbLabels *self, gint64 edit_id, GError **error)
{
  if (find_node (self, edit_id) != NULL)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "This scan has no edit %" G_GINT64_FORMAT ".",
               edit_id);
  return FALSE;
}

static VolumeEdit *
make_revert (DbLabels *self, const VolumeLabelMap *map, gint64 edit_id, GError **error)
{
  g_autoptr (VolumeEdit) edit = db_store_read_edit (self->store, edit_id, error);

  return edit != NULL ? volume_edit_new_selective_revert (map, edit, db_labels_reserve_id (self),
                                                          error)
                      : NULL;
}

gboolean
db_labels_ready_edit (VolumeLabelMap *map, const VolumeEdit *edit, GBytes **runs, GError **error)
{
  if (volume_edit_get_n_voxels (edit) == 0)
    return TRUE;
  *runs = volume_edit_serialize (edit, error);
  return *runs != NULL && volume_label_map_apply_edit (map, edit, error);
}

static void
make_revert_cb (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Change *change = data;
  GError *error = NULL;

  change->edit = make_revert (source, change->after, change->target, &error);
  if (change->edit != NULL
      && db_labels_ready_edit (change->after, change->edit, &change->runs, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
revert_made_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (DbLabels) self = g_object_ref (DB_LABELS (object));
  Change *change = user_data;
  GError *error = NULL;

  set_busy (self, FALSE);
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    change_finish (change, -1, error, NULL);
  else
    {
      change->kind = CHANGE_EDIT;
      start (change);
    }
  start_waiting (self);
}

static void
revert_start (Change *change)
{
  DbLabels *self = change->labels;
  GError *error = NULL;
  g_autoptr (GTask) making = NULL;

  if (check_own (self, change->target, &error))
    change->after = volume_label_map_copy (self->map, &error);
  if (change->after == NULL)
    {
      change_finish (change, -1, error, NULL);
      return;
    }
  change->version = volume_label_map_get_version (self->map);
  set_busy (self, TRUE);
  making = g_task_new (self, NULL, revert_made_cb, change);
  g_task_set_task_data (making, change, NULL);
  g_task_run_in_thread (making, make_revert_cb);
}

void
db_labels_revert_async (DbLabels *self, gint64 edit_id, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  Change *change;

  g_return_if_fail (DB_IS_LABELS (self));

  change = change_new (self, CHANGE_REVERT, new_task (self, NULL, callback, user_data));
  change->target = edit_id;
  enqueue (self, change);
}

gint64
db_labels_finish (DbLabels *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), -1);
  return g_task_propagate_int (G_TASK (result), error);
}

/* The same, waiting */

static gboolean
check_idle (DbLabels *self, GError **error)
{
  if (!self->busy)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_CONFLICT, "The labels are on their way through history.");
  return FALSE;
}

gint64
db_labels_commit (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info, GError **error)
{
  return db_labels_commit_with (self, edit, info, NULL, error);
}

gint64
db_labels_commit_with (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info, DbWrite *also,
                       GError **error)
{
  g_autoptr (DbWrite) owned = also;
  Change *change;
  GError *local = NULL;
  gint64 id;

  g_return_val_if_fail (DB_IS_LABELS (self) && edit != NULL, -1);

  if (!check_idle (self, error))
    return -1;
  change = change_new (self, CHANGE_EDIT, NULL);
  set_edit (change, edit, info);
  change->also = g_steal_pointer (&owned);
  if (!edit_apply (self, change, &local))
    return change_finish (change, -1, local, error);
  id = db_store_write (self->store, edit_to_write (change), &local);
  if (id >= 0)
    id = volume_edit_get_id (edit); /* not the result of what went with it */
  return edit_done (change, id, local, error);
}

static gint64
move_sync (DbLabels *self, DbMove move, gint64 target, GError **error)
{
  Change *change;
  GError *local = NULL;
  gint64 head;

  g_return_val_if_fail (DB_IS_LABELS (self), -1);

  if (!check_idle (self, error) || !check_usable (self, error))
    return -1;
  change = change_new (self, CHANGE_MOVE, NULL);
  change->move = move;
  change->target = target;
  head = db_store_write (self->store, move_to_write (change), &local);
  return move_done (change, head, local != NULL || take_steps (self->map, change->steps), local,
                    error);
}

gint64
db_labels_undo (DbLabels *self, GError **error)
{
  return move_sync (self, DB_MOVE_UNDO, 0, error);
}

gint64
db_labels_redo (DbLabels *self, GError **error)
{
  return move_sync (self, DB_MOVE_REDO, 0, error);
}

gint64
db_labels_jump (DbLabels *self, gint64 edit_id, GError **error)
{
  return move_sync (self, DB_MOVE_JUMP, edit_id, error);
}

gint64
db_labels_revert (DbLabels *self, gint64 edit_id, GError **error)
{
  g_autoptr (VolumeEdit) opposite = NULL;

  g_return_val_if_fail (DB_IS_LABELS (self), -1);

  if (!check_idle (self, error) || !check_own (self, edit_id, error))
    return -1;
  opposite = make_revert (self, self->map, edit_id, error);
  if (opposite == NULL)
    return -1;
  return db_labels_commit (self, opposite, NULL, error);
}

/* Opening */

static gboolean
read_nodes (DbLabels *self, DbConn *conn, GError **error)
{
  sqlite3_stmt *stmt;
  gboolean has_row;

  if (!db_conn_get_int (conn, &self->first, 0, error, "SELECT first FROM scan WHERE id = :id",
                        DB_INT (":id", self->case_id), NULL))
    return FALSE;
  stmt = db_conn_query (conn, error,
                        "SELECT id, coalesce (parent, 0), coalesce (next, 0), provenance FROM edit"
                        " WHERE scan = :scan",
                        DB_INT (":scan", self->case_id), NULL);
  if (stmt == NULL)
    return FALSE;
  for (;;)
    {
      if (!db_conn_step (conn, stmt, &has_row, error))
        return FALSE;
      if (!has_row)
        return TRUE;
      add_node (self, sqlite3_column_int64 (stmt, 0), sqlite3_column_int64 (stmt, 1),
                sqlite3_column_int64 (stmt, 2), sqlite3_column_int (stmt, 3));
    }
}

static DbLabels *
read_all (DbStore *store, gint64 case_id, GError **error)
{
  DbConn *conn = db_store_borrow_reader (store, error);
  DbLabels *self;

  if (conn == NULL)
    return NULL;
  self = g_object_new (DB_TYPE_LABELS, NULL);
  self->store = g_object_ref (store);
  self->case_id = case_id;
  self->map = db_journal_read_labels (conn, case_id, &self->head, error);
  if (self->map == NULL || !read_nodes (self, conn, error))
    g_clear_object (&self);
  db_store_return_reader (store, conn);
  return self;
}

static void
attach (DbLabels *self)
{
  db_store_watch (self->store, watch_cb, self);
}

DbLabels *
db_labels_open (DbStore *store, gint64 case_id, GError **error)
{
  DbLabels *self;

  g_return_val_if_fail (DB_IS_STORE (store), NULL);
  self = read_all (store, case_id, error);
  if (self != NULL)
    attach (self);
  return self;
}

static void
open_cb (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  DbLabels *self = read_all (source, *(gint64 *) data, &error);

  if (self != NULL)
    g_task_return_pointer (task, self, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
db_labels_open_async (DbStore *store, gint64 case_id, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);

  g_task_set_source_tag (task, db_labels_open_async);
  g_task_set_task_data (task, g_memdup2 (&case_id, sizeof case_id), g_free);
  g_task_run_in_thread (task, open_cb);
}

DbLabels *
db_labels_open_finish (GAsyncResult *result, GError **error)
{
  DbLabels *self = g_task_propagate_pointer (G_TASK (result), error);

  if (self != NULL)
    attach (self);
  return self;
}

/* Looking */

DbStore *
db_labels_get_store (DbLabels *self)
{
  return self->store;
}

gint64
db_labels_get_case_id (DbLabels *self)
{
  return self->case_id;
}

VolumeLabelMap *
db_labels_get_map (DbLabels *self)
{
  return self->map;
}

gint64
db_labels_get_head (DbLabels *self)
{
  return self->head;
}

gint64
db_labels_get_next (DbLabels *self)
{
  return *next_of (self, self->head);
}

gboolean
db_labels_get_can_undo (DbLabels *self)
{
  return self->head != 0;
}

gboolean
db_labels_get_can_redo (DbLabels *self)
{
  return db_labels_get_next (self) != 0;
}

gboolean
db_labels_get_busy (DbLabels *self)
{
  return self->busy;
}

guint32
db_labels_reserve_id (DbLabels *self)
{
  return db_store_reserve_edit_id (self->store);
}

VolumeProvenance
db_labels_get_provenance (DbLabels *self, guint32 edit_id)
{
  const Node *node = find_node (self, edit_id);

  return node != NULL ? node->provenance : VOLUME_PROVENANCE_NONE;
}

GBytes *
db_labels_get_origins (DbLabels *self)
{
  const guint n = g_hash_table_size (self->nodes);
  guint32 *pairs = g_new (guint32, 2 * (gsize) n + 1), *at = pairs;
  GHashTableIter iter;
  gpointer id, node;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, &id, &node))
    {
      *at++ = (guint32) * (gint64 *) id;
      *at++ = ((Node *) node)->provenance;
    }
  return g_bytes_new_take (pairs, 2 * (gsize) n * sizeof *pairs);
}

/* History as a list */

static void
fill_history (DbLabels *self, GListStore *rows)
{
  self->history = g_object_ref (rows);
  self->history_rows = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint n = 0; n < g_list_model_get_n_items (G_LIST_MODEL (rows)); n++)
    {
      g_autoptr (DbEdit) row = g_list_model_get_item (G_LIST_MODEL (rows), n);

      g_hash_table_insert (self->history_rows, g_memdup2 (&row->id, sizeof row->id), row);
    }
  for (gint64 id = self->head; id != 0;)
    {
      const Node *node = find_node (self, id);

      mark_applied (self, id, TRUE);
      id = node != NULL ? node->parent : 0;
    }
}

static GListStore *
read_history (DbStore *store, gint64 case_id, GError **error)
{
  DbConn *conn = db_store_borrow_reader (store, error);
  g_autoptr (GListStore) rows = g_list_store_new (DB_TYPE_EDIT);
  gboolean done = conn != NULL
                  && db_row_read_list (conn, DB_TYPE_EDIT, "WHERE scan = :id ORDER BY at, id",
                                       case_id, rows, error);

  db_store_return_reader (store, conn);
  return done ? g_steal_pointer (&rows) : NULL;
}

static GListModel *
take_history (DbLabels *self, GListStore *rows)
{
  if (rows == NULL)
    return NULL;
  if (self->history == NULL)
    fill_history (self, rows);
  g_object_unref (rows);
  return G_LIST_MODEL (g_object_ref (self->history));
}

GListModel *
db_labels_get_history (DbLabels *self, GError **error)
{
  if (self->history != NULL)
    return G_LIST_MODEL (g_object_ref (self->history));
  return take_history (self, read_history (self->store, self->case_id, error));
}

static void
history_cb (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  DbLabels *self = source;
  GError *error = NULL;
  GListStore *rows = read_history (self->store, self->case_id, &error);

  if (rows != NULL)
    g_task_return_pointer (task, rows, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
db_labels_get_history_async (DbLabels *self, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, db_labels_get_history_async);
  g_task_run_in_thread (task, history_cb);
}

GListModel *
db_labels_get_history_finish (DbLabels *self, GAsyncResult *result, GError **error)
{
  return take_history (self, g_task_propagate_pointer (G_TASK (result), error));
}

/* GObject */

static void
db_labels_get_property (GObject *object, guint property, GValue *value, GParamSpec *pspec)
{
  DbLabels *self = DB_LABELS (object);

  switch (property)
    {
    case PROP_CAN_UNDO:
      g_value_set_boolean (value, db_labels_get_can_undo (self));
      break;
    case PROP_CAN_REDO:
      g_value_set_boolean (value, db_labels_get_can_redo (self));
      break;
    case PROP_HEAD:
      g_value_set_int64 (value, self->head);
      break;
    case PROP_BUSY:
      g_value_set_boolean (value, self->busy);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
db_labels_finalize (GObject *object)
{
  DbLabels *self = DB_LABELS (object);

  if (self->store != NULL)
    db_store_unwatch (self->store, self);
  g_clear_object (&self->history);
  g_clear_pointer (&self->history_rows, g_hash_table_unref);
  g_clear_pointer (&self->map, volume_label_map_unref);
  g_clear_pointer (&self->nodes, g_hash_table_unref);
  g_free (self->locked);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (db_labels_parent_class)->finalize (object);
}

static void
db_labels_class_init (DbLabelsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->get_property = db_labels_get_property;
  object_class->finalize = db_labels_finalize;
  props[PROP_CAN_UNDO] = g_param_spec_boolean ("can-undo", NULL, NULL, FALSE, flags);
  props[PROP_CAN_REDO] = g_param_spec_boolean ("can-redo", NULL, NULL, FALSE, flags);
  props[PROP_HEAD] = g_param_spec_int64 ("head", NULL, NULL, 0, G_MAXINT64, 0, flags);
  props[PROP_BUSY] = g_param_spec_boolean ("busy", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", DB_TYPE_LABELS, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
db_labels_init (DbLabels *self)
{
  self->nodes = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  g_queue_init (&self->pending);
  g_queue_init (&self->waiting);
}
