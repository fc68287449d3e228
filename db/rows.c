/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/row-private.h"

#include <math.h>
#include <string.h>

static GQuark
info_quark (void)
{
  return g_quark_from_static_string ("db-row-info");
}

const DbRowInfo *
db_row_get_info (GType type)
{
  g_type_class_unref (g_type_class_ref (type)); /* class_init has put it there */
  return g_type_get_qdata (type, info_quark ());
}

static gpointer
field_at (gpointer row, const DbField *field)
{
  return (char *) row + field->offset;
}

gint64
db_row_get_id (gpointer row)
{
  const DbRowInfo *info = db_row_get_info (G_OBJECT_TYPE (row));

  return *(gint64 *) field_at (row, &info->fields[0]);
}

static void
row_get_property (GObject *object, guint property, GValue *value, GParamSpec *pspec)
{
  const DbField *field = &db_row_get_info (G_OBJECT_TYPE (object))->fields[property - 1];
  gpointer place = field_at (object, field);

  switch (field->kind)
    {
    case DB_FIELD_INT:
      g_value_set_int (value, *(int *) place);
      break;
    case DB_FIELD_INT64:
      g_value_set_int64 (value, *(gint64 *) place);
      break;
    case DB_FIELD_BOOLEAN:
      g_value_set_boolean (value, *(gboolean *) place);
      break;
    case DB_FIELD_DOUBLE:
      g_value_set_double (value, *(double *) place);
      break;
    case DB_FIELD_TEXT:
      g_value_set_string (value, *(char **) place);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
row_finalize (GObject *object)
{
  const DbRowInfo *info = db_row_get_info (G_OBJECT_TYPE (object));

  for (guint f = 0; f < info->n_fields; f++)
    if (info->fields[f].kind == DB_FIELD_TEXT)
      g_free (*(char **) field_at (object, &info->fields[f]));
  if (info->free_rest != NULL)
    info->free_rest (object);
  G_OBJECT_CLASS (g_type_class_peek (G_TYPE_OBJECT))->finalize (object);
}

static GParamSpec *
field_new_pspec (const DbField *field)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  switch (field->kind)
    {
    case DB_FIELD_INT:
      return g_param_spec_int (field->name, NULL, NULL, G_MININT, G_MAXINT, 0, flags);
    case DB_FIELD_INT64:
      return g_param_spec_int64 (field->name, NULL, NULL, G_MININT64, G_MAXINT64, 0, flags);
    case DB_FIELD_BOOLEAN:
      return g_param_spec_boolean (field->name, NULL, NULL, FALSE, flags);
    case DB_FIELD_DOUBLE:
      return g_param_spec_double (field->name, NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
    case DB_FIELD_TEXT:
      return g_param_spec_string (field->name, NULL, NULL, NULL, flags);
    default:
      g_assert_not_reached ();
    }
}

static void
row_class_setup (GObjectClass *klass, const DbRowInfo *info)
{
  g_type_set_qdata (G_OBJECT_CLASS_TYPE (klass), info_quark (), (gpointer) info);
  klass->get_property = row_get_property;
  klass->finalize = row_finalize;
  for (guint f = 0; f < info->n_fields; f++)
    g_object_class_install_property (klass, f + 1, field_new_pspec (&info->fields[f]));
}

static void
field_load (gpointer row, const DbField *field, sqlite3_stmt *stmt, int column)
{
  gpointer place = field_at (row, field);

  switch (field->kind)
    {
    case DB_FIELD_INT:
      *(int *) place = sqlite3_column_int (stmt, column);
      break;
    case DB_FIELD_INT64:
      *(gint64 *) place = sqlite3_column_int64 (stmt, column);
      break;
    case DB_FIELD_BOOLEAN:
      *(gboolean *) place = sqlite3_column_int (stmt, column) != 0;
      break;
    case DB_FIELD_DOUBLE:
      *(double *) place = sqlite3_column_type (stmt, column) == SQLITE_NULL
                              ? NAN
                              : sqlite3_column_double (stmt, column);
      break;
    case DB_FIELD_TEXT:
      *(char **) place = db_column_text (stmt, column);
      break;
    default:
      g_assert_not_reached ();
    }
}

gpointer
db_row_new_from_stmt (GType type, sqlite3_stmt *stmt)
{
  const DbRowInfo *info = db_row_get_info (type);
  gpointer row = g_object_new (type, NULL);

  for (guint f = 0; f < info->n_fields; f++)
    field_load (row, &info->fields[f], stmt, f);
  if (info->load_rest != NULL)
    info->load_rest (row, stmt, info->n_fields);
  return row;
}

const char *
db_row_sql (GType type, const char *rest)
{
  g_autofree char *sql = g_strconcat (db_row_get_info (type)->select, " ", rest, NULL);

  return g_intern_string (sql);
}

gboolean
db_row_read (DbConn *conn, GType type, gint64 id, gpointer *row, GError **error)
{
  const char *sql = db_row_sql (type, "WHERE id = :id");
  sqlite3_stmt *stmt = db_conn_query (conn, error, sql, DB_INT (":id", id), NULL);
  gboolean has_row;

  *row = NULL;
  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (has_row)
    *row = db_row_new_from_stmt (type, stmt);
  sqlite3_reset (stmt);
  return TRUE;
}

gboolean
db_row_read_list (DbConn *conn, GType type, const char *rest, gint64 id, GListStore *list,
                  GError **error)
{
  const char *sql = db_row_sql (type, rest);
  sqlite3_stmt *stmt = strstr (rest, ":id") != NULL
                           ? db_conn_query (conn, error, sql, DB_INT (":id", id), NULL)
                           : db_conn_query (conn, error, sql, NULL);
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_object_unref);
  gboolean has_row = FALSE;

  if (stmt == NULL)
    return FALSE;
  for (;;)
    {
      if (!db_conn_step (conn, stmt, &has_row, error))
        return FALSE;
      if (!has_row)
        break;
      g_ptr_array_add (rows, db_row_new_from_stmt (type, stmt));
    }
  g_list_store_splice (list, g_list_model_get_n_items (G_LIST_MODEL (list)), 0, rows->pdata,
                       rows->len);
  return TRUE;
}

/* Moves the value over; TRUE if it differs. */
static gboolean
field_take (gpointer row, gpointer fresh, const DbField *field)
{
  gpointer to = field_at (row, field);
  gpointer from = field_at (fresh, field);
  gsize size = 0;

  switch (field->kind)
    {
    case DB_FIELD_TEXT:
      if (g_strcmp0 (*(char **) to, *(char **) from) == 0)
        return FALSE;
      g_free (*(char **) to);
      *(char **) to = g_steal_pointer ((char **) from);
      return TRUE;
    case DB_FIELD_DOUBLE:
      if (isnan (*(double *) to) && isnan (*(double *) from))
        return FALSE;
      size = sizeof (double);
      break;
    case DB_FIELD_INT64:
      size = sizeof (gint64);
      break;
    case DB_FIELD_INT:
    case DB_FIELD_BOOLEAN:
      size = sizeof (int);
      break;
    default:
      g_assert_not_reached ();
    }
  if (memcmp (to, from, size) == 0)
    return FALSE;
  memcpy (to, from, size);
  return TRUE;
}

void
db_row_update (gpointer row, gpointer fresh)
{
  const DbRowInfo *info = db_row_get_info (G_OBJECT_TYPE (row));

  g_object_freeze_notify (row);
  for (guint f = 0; f < info->n_fields; f++)
    if (field_take (row, fresh, &info->fields[f]))
      g_object_notify (row, info->fields[f].name);
  if (info->take_rest != NULL)
    info->take_rest (row, fresh);
  g_object_thaw_notify (row);
}

void
db_row_set_boolean (gpointer row, const char *property, gboolean *field, gboolean value)
{
  if (*field == value)
    return;
  *field = value;
  g_object_notify (row, property);
}

#define INT(Type, member, name)                                                                    \
  {                                                                                                \
    name, DB_FIELD_INT, G_STRUCT_OFFSET (Type, member)                                             \
  }
#define INT64(Type, member, name)                                                                  \
  {                                                                                                \
    name, DB_FIELD_INT64, G_STRUCT_OFFSET (Type, member)                                           \
  }
#define BOOLEAN(Type, member, name)                                                                \
  {                                                                                                \
    name, DB_FIELD_BOOLEAN, G_STRUCT_OFFSET (Type, member)                                         \
  }
#define REAL(Type, member, name)                                                                   \
  {                                                                                                \
    name, DB_FIELD_DOUBLE, G_STRUCT_OFFSET (Type, member)                                          \
  }
#define TEXT(Type, member, name)                                                                   \
  {                                                                                                \
    name, DB_FIELD_TEXT, G_STRUCT_OFFSET (Type, member)                                            \
  }

/* The columns are in the order of the fields. */
#define DEFINE_ROW(Type, type_name, SELECT, ...)                                                   \
  G_DEFINE_FINAL_TYPE (Type, type_name, G_TYPE_OBJECT)                                             \
  static const DbRowInfo type_name##_info = { .select = SELECT,                                    \
                                              .fields = type_name##_fields,                        \
                                              .n_fields = G_N_ELEMENTS (type_name##_fields),       \
                                              __VA_ARGS__ };                                       \
  static void type_name##_class_init (Type##Class *klass)                                          \
  {                                                                                                \
    row_class_setup (G_OBJECT_CLASS (klass), &type_name##_info);                                   \
  }                                                                                                \
  static void type_name##_init (Type *self)                                                        \
  {                                                                                                \
  }

static void
case_load_rest (gpointer row, sqlite3_stmt *stmt, int first_column)
{
  DbCase *self = row;

  self->geometry_blob = db_column_bytes (stmt, first_column);
}

static void
case_take_rest (gpointer row, gpointer fresh)
{
  DbCase *self = row;

  g_clear_pointer (&self->geometry_blob, g_bytes_unref);
  self->geometry_blob = g_steal_pointer (&DB_CASE (fresh)->geometry_blob);
}

static void
case_free_rest (gpointer row)
{
  DbCase *self = row;

  g_clear_pointer (&self->geometry_blob, g_bytes_unref);
}

static const DbField db_case_fields[] = {
  INT64 (DbCase, id, "id"),
  TEXT (DbCase, name, "name"),
  TEXT (DbCase, path, "path"),
  TEXT (DbCase, sha256, "sha256"),
  TEXT (DbCase, truth_path, "truth-path"),
  INT (DbCase, volume_index, "volume-index"),
  BOOLEAN (DbCase, validation, "validation"),
  BOOLEAN (DbCase, complete, "complete"),
  INT (DbCase, state, "state"),
  INT (DbCase, n_tasks, "n-tasks"),
  INT (DbCase, n_signed, "n-signed"),
  INT64 (DbCase, head, "head"),
  INT64 (DbCase, n_edits, "n-edits"),
  REAL (DbCase, seconds, "seconds"),
  INT (DbCase, rank, "rank"),
  REAL (DbCase, score, "score"),
  TEXT (DbCase, reason, "reason"),
  INT64 (DbCase, opened_at, "opened-at"),
  INT (DbCase, size_i, "size-i"),
  INT (DbCase, size_j, "size-j"),
  INT (DbCase, size_k, "size-k"),
  TEXT (DbCase, orientation, "orientation"),
};
DEFINE_ROW (DbCase, db_case,
            "SELECT id, name, path, sha256, truth_path, volume_index, validation, complete, "
            "CASE WHEN complete THEN 4 WHEN (SELECT count () FROM slice_task t WHERE t.scan = "
            "scan.id) = 0 THEN CASE WHEN head IS NULL THEN 0 ELSE 2 END WHEN (SELECT min (state) "
            "FROM slice_task t WHERE t.scan = scan.id) = 1 THEN 3 WHEN head IS NOT NULL OR (SELECT "
            "max (state) FROM slice_task t WHERE t.scan = scan.id) = 1 THEN 2 ELSE 1 END, "
            "(SELECT count () FROM slice_task t WHERE t.scan = scan.id), "
            "(SELECT count () FROM slice_task t WHERE t.scan = scan.id AND t.state = 1), "
            "coalesce (head, 0), n_edits, "
            "(SELECT total (seconds) FROM slice_task t WHERE t.scan = scan.id), rank, "
            "score, reason, opened_at, size_i, size_j, size_k, orientation, affine "
            "FROM scan",
            .load_rest = case_load_rest, .take_rest = case_take_rest, .free_rest = case_free_rest)

static const DbField db_slice_task_fields[] = {
  INT64 (DbSliceTask, id, "id"),
  INT64 (DbSliceTask, case_id, "case-id"),
  INT (DbSliceTask, plane, "plane"),
  INT (DbSliceTask, index, "index"),
  INT (DbSliceTask, state, "state"),
  TEXT (DbSliceTask, origin, "origin"),
  TEXT (DbSliceTask, signed_by, "signed-by"),
  INT64 (DbSliceTask, signed_at, "signed-at"),
  REAL (DbSliceTask, seconds, "seconds"),
};
DEFINE_ROW (DbSliceTask, db_slice_task,
            "SELECT id, scan, plane, idx, state, origin, signed_by, coalesce (signed_at, 0), "
            "seconds "
            "FROM slice_task")

static const DbField db_edit_fields[] = {
  INT64 (DbEdit, id, "id"),
  INT64 (DbEdit, case_id, "case-id"),
  INT64 (DbEdit, parent, "parent"),
  INT (DbEdit, provenance, "provenance"),
  TEXT (DbEdit, tool, "tool"),
  INT64 (DbEdit, label, "label"),
  INT64 (DbEdit, n_voxels, "n-voxels"),
  INT64 (DbEdit, at, "at"),
  INT64 (DbEdit, round, "round"),
  TEXT (DbEdit, detail, "detail"),
  INT (DbEdit, lo_i, "lo-i"),
  INT (DbEdit, lo_j, "lo-j"),
  INT (DbEdit, lo_k, "lo-k"),
  INT (DbEdit, hi_i, "hi-i"),
  INT (DbEdit, hi_j, "hi-j"),
  INT (DbEdit, hi_k, "hi-k"),
  BOOLEAN (DbEdit, applied, "applied"),
};
DEFINE_ROW (DbEdit, db_edit,
            "SELECT id, scan, coalesce (parent, 0), provenance, tool, label, n_voxels, at, "
            "round, (SELECT detail FROM prompt p WHERE p.edit = edit.id), lo_i, lo_j, "
            "lo_k, hi_i, hi_j, hi_k, 0 "
            "FROM edit")

static const DbField db_label_fields[] = {
  INT64 (DbLabel, id, "id"),           TEXT (DbLabel, name, "name"),
  TEXT (DbLabel, colour, "colour"),    BOOLEAN (DbLabel, visible, "visible"),
  BOOLEAN (DbLabel, locked, "locked"),
};
DEFINE_ROW (DbLabel, db_label,
            "SELECT id, name, colour, visible, locked "
            "FROM label")

static const DbField db_job_fields[] = {
  INT64 (DbJob, id, "id"),
  TEXT (DbJob, kind, "kind"),
  TEXT (DbJob, title, "title"),
  TEXT (DbJob, params, "params"),
  INT64 (DbJob, round, "round"),
  INT (DbJob, state, "state"),
  REAL (DbJob, fraction, "fraction"),
  INT64 (DbJob, step, "step"),
  INT64 (DbJob, n_steps, "n-steps"),
  TEXT (DbJob, message, "message"),
  TEXT (DbJob, checkpoint, "checkpoint"),
  INT64 (DbJob, created_at, "created-at"),
  INT64 (DbJob, updated_at, "updated-at"),
};
DEFINE_ROW (DbJob, db_job,
            "SELECT id, kind, title, params, round, state, fraction, step, n_steps, message, "
            "checkpoint, created_at, updated_at "
            "FROM job")

static const DbField db_round_fields[] = {
  INT64 (DbRound, id, "id"),
  TEXT (DbRound, method, "method"),
  TEXT (DbRound, params, "params"),
  TEXT (DbRound, profile, "profile"),
  TEXT (DbRound, supervision, "supervision"),
  INT64 (DbRound, seed, "seed"),
  INT (DbRound, state, "state"),
  INT64 (DbRound, journal_seq, "journal-seq"),
  INT (DbRound, n_labelled, "n-labelled"),
  INT (DbRound, n_unlabelled, "n-unlabelled"),
  INT (DbRound, n_validation, "n-validation"),
  INT64 (DbRound, step, "step"),
  INT64 (DbRound, n_steps, "n-steps"),
  REAL (DbRound, loss, "loss"),
  REAL (DbRound, dice, "dice"),
  REAL (DbRound, seconds, "seconds"),
  REAL (DbRound, expert_seconds, "expert-seconds"),
  INT64 (DbRound, model, "model"),
  TEXT (DbRound, message, "message"),
  INT64 (DbRound, created_at, "created-at"),
  INT64 (DbRound, updated_at, "updated-at"),
};
DEFINE_ROW (
    DbRound, db_round,
    "SELECT id, method, params, profile, supervision, seed, state, journal_seq, "
    "(SELECT count () FROM round_scan r WHERE r.round = round.id AND r.role = 'labelled'), "
    "(SELECT count () FROM round_scan r WHERE r.round = round.id AND r.role = 'unlabelled'), "
    "(SELECT count () FROM round_scan r WHERE r.round = round.id AND r.role = 'validation'), "
    "step, n_steps, loss, dice, seconds, expert_seconds, coalesce (model, 0), "
    "message, created_at, updated_at "
    "FROM round")

static const DbField db_metric_fields[] = {
  INT64 (DbMetric, id, "id"),    INT64 (DbMetric, round, "round"), INT64 (DbMetric, step, "step"),
  TEXT (DbMetric, name, "name"), REAL (DbMetric, value, "value"),
};
DEFINE_ROW (DbMetric, db_metric,
            "SELECT id, round, step, name, value "
            "FROM metric")

static const DbField db_model_fields[] = {
  INT64 (DbModel, id, "id"),        INT64 (DbModel, round, "round"),
  TEXT (DbModel, name, "name"),     TEXT (DbModel, path, "path"),
  TEXT (DbModel, sha256, "sha256"), TEXT (DbModel, description, "description"),
  REAL (DbModel, dice, "dice"),     INT64 (DbModel, created_at, "created-at"),
};
DEFINE_ROW (DbModel, db_model,
            "SELECT id, round, name, path, sha256, description, dice, created_at "
            "FROM model")

static const DbField db_prediction_fields[] = {
  INT64 (DbPrediction, id, "id"),
  INT64 (DbPrediction, case_id, "case-id"),
  INT64 (DbPrediction, model, "model"),
  INT64 (DbPrediction, round, "round"),
  TEXT (DbPrediction, path, "path"),
  REAL (DbPrediction, confidence, "confidence"),
  INT64 (DbPrediction, accepted_edit, "accepted-edit"),
  INT64 (DbPrediction, created_at, "created-at"),
};
DEFINE_ROW (DbPrediction, db_prediction,
            "SELECT id, scan, model, round, path, confidence, coalesce (accepted_edit, 0), "
            "created_at "
            "FROM prediction")

static const DbField db_selection_fields[] = {
  INT64 (DbSelection, id, "id"),
  INT64 (DbSelection, round, "round"),
  INT64 (DbSelection, case_id, "case-id"),
  INT (DbSelection, rank, "rank"),
  REAL (DbSelection, score, "score"),
  TEXT (DbSelection, strategy, "strategy"),
  TEXT (DbSelection, scores, "scores"),
  TEXT (DbSelection, reason, "reason"),
  INT64 (DbSelection, created_at, "created-at"),
};
DEFINE_ROW (DbSelection, db_selection,
            "SELECT id, round, scan, rank, score, strategy, scores, reason, created_at "
            "FROM selection")

static const DbField db_event_fields[] = {
  INT64 (DbEvent, id, "id"),        INT64 (DbEvent, at, "at"),
  TEXT (DbEvent, kind, "kind"),     INT64 (DbEvent, case_id, "case-id"),
  TEXT (DbEvent, detail, "detail"),
};
DEFINE_ROW (DbEvent, db_event,
            "SELECT id, at, kind, scan, detail "
            "FROM event")

void
db_case_get_geometry (DbCase *self, VolumeGeometry *geometry)
{
  const int size[3] = { self->size_i, self->size_j, self->size_k };
  double affine[4][4];

  g_return_if_fail (DB_IS_CASE (self));
  g_assert (g_bytes_get_size (self->geometry_blob) == sizeof affine); /* checked at open */
  memcpy (affine, g_bytes_get_data (self->geometry_blob, NULL), sizeof affine);
  if (!volume_geometry_init (geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL))
    g_assert_not_reached (); /* checked when the case was added */
}
