/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/project-info.h"

#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/verbs.h"

static const char *const state_names[] = { "untouched", "proposed", "started", "signed",
                                           "complete" };

static const char *
state_name (int state)
{
  return state >= 0 && state < (int) G_N_ELEMENTS (state_names) ? state_names[state] : "unknown";
}

static void
add_tasks (JsonBuilder *builder, GListModel *tasks)
{
  json_builder_set_member_name (builder, "slices");
  json_builder_begin_array (builder);
  for (guint n = 0; n < g_list_model_get_n_items (tasks); n++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, n);

      json_builder_begin_object (builder);
      app_json_add_string (builder, "plane", volume_plane_get_name (task->plane));
      app_json_add_int (builder, "index", task->index);
      app_json_add_boolean (builder, "signed", task->state == DB_TASK_SIGNED);
      app_json_add_string (builder, "origin", task->origin);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_case (JsonBuilder *builder, DbStore *store, DbCase *row)
{
  const int shape[3] = { row->size_i, row->size_j, row->size_k };

  json_builder_begin_object (builder);
  app_json_add_int (builder, "id", row->id);
  app_json_add_string (builder, "name", row->name);
  app_json_add_string (builder, "path", row->path);
  app_json_add_ints (builder, "shape", shape, 3);
  app_json_add_string (builder, "state", state_name (row->state));
  app_json_add_boolean (builder, "validation", row->validation);
  app_json_add_boolean (builder, "complete", row->complete);
  app_json_add_boolean (builder, "truth", row->truth_path != NULL);
  app_json_add_int (builder, "edits", row->n_edits);
  app_json_add_int (builder, "head", row->head);
  app_json_add_number (builder, "seconds", row->seconds);
  app_json_add_int (builder, "rank", row->rank);
  app_json_add_string (builder, "reason", row->reason);
  add_tasks (builder, db_store_get_tasks (store, row->id));
  json_builder_end_object (builder);
}

static void
add_labels (JsonBuilder *builder, GListModel *labels)
{
  json_builder_set_member_name (builder, "labels");
  json_builder_begin_array (builder);
  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      json_builder_begin_object (builder);
      app_json_add_int (builder, "id", label->id);
      app_json_add_string (builder, "name", label->name);
      app_json_add_string (builder, "colour", label->colour);
      app_json_add_boolean (builder, "locked", label->locked);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_rounds (JsonBuilder *builder, GListModel *rounds)
{
  json_builder_set_member_name (builder, "rounds");
  json_builder_begin_array (builder);
  for (guint n = 0; n < g_list_model_get_n_items (rounds); n++)
    {
      g_autoptr (DbRound) round = g_list_model_get_item (rounds, n);

      json_builder_begin_object (builder);
      app_json_add_int (builder, "round", round->id);
      app_json_add_string (builder, "method", round->method);
      app_json_add_int (builder, "labelled", round->n_labelled);
      app_json_add_int (builder, "step", round->step);
      app_json_add_int (builder, "steps", round->n_steps);
      app_json_add_number (builder, "dice", round->dice);
      app_json_add_number (builder, "seconds", round->seconds);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static int
print_json (DbStore *store, gboolean checked, gint64 journal_seq)
{
  GListModel *cases = db_store_get_cases (store);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  app_json_add_string (builder, "kind", "project");
  app_json_add_string (builder, "name", db_store_get_name (store));
  app_json_add_int (builder, "journal_seq", journal_seq);
  if (checked)
    app_json_add_boolean (builder, "checked", TRUE);
  add_labels (builder, db_store_get_labels (store));
  json_builder_set_member_name (builder, "scans");
  json_builder_begin_array (builder);
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      add_case (builder, store, row);
    }
  json_builder_end_array (builder);
  add_rounds (builder, db_store_get_rounds (store));
  json_builder_end_object (builder);
  return app_json_print (builder);
}

static int
print_text (DbStore *store, gboolean checked)
{
  GListModel *cases = db_store_get_cases (store);
  GListModel *labels = db_store_get_labels (store);
  GListModel *rounds = db_store_get_rounds (store);

  g_print ("project      %s\nlabels      ", db_store_get_name (store));
  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      g_print (" %d %s%s", (int) label->id, label->name, label->locked ? " (locked)" : "");
    }
  g_print ("\nrounds       %u\n", g_list_model_get_n_items (rounds));
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      g_print ("scan %-7d %-24s %d × %d × %d  %s, %d of %d slices signed, %d edits%s\n",
               (int) row->id, row->name, row->size_i, row->size_j, row->size_k,
               state_name (row->state), row->n_signed, row->n_tasks, (int) row->n_edits,
               row->validation ? ", for validation" : "");
    }
  if (checked)
    g_print ("checked      journal and snapshots agree\n");
  return APP_EXIT_OK;
}

int
app_project_info (const char *path, gboolean check, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (path, DB_OPEN_READ, &error);

  gint64 seq;

  if (store == NULL || (check && !db_store_verify (store, &error)))
    return app_fail (error);
  seq = db_store_read_journal_seq (store, &error);
  if (seq < 0)
    return app_fail (error);
  return json ? print_json (store, check, seq) : print_text (store, check);
}
