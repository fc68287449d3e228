/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/args.h"
#include "app/flow-import.h"
#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/verbs.h"

#include <string.h>

/* The slices of the scan that wait to be labelled. */
static void
add_proposed (DbStore *store, DbCase *row, GArray *slices)
{
  GListModel *tasks = db_store_get_tasks (store, row->id);

  for (guint n = 0; n < g_list_model_get_n_items (tasks); n++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, n);
      const DbDomainSlice slice = { task->plane, task->index };

      if (task->state == DB_TASK_PROPOSED)
        g_array_append_val (slices, slice);
    }
}

static int
import_labels (const char *project, const char *scan_name, const char *file, AppImportExtent extent,
               GArray *slices, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_WRITE, &error);
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (DbLabels) labels = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  AppImportResult result;
  DbCase *row;

  if (store == NULL)
    return app_fail (error);
  row = db_store_find_case (store, scan_name);
  if (row == NULL)
    {
      g_set_error (&error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no scan “%s”", project,
                   scan_name);
      return app_fail (error);
    }
  if (extent == APP_IMPORT_SLICES && slices->len == 0)
    {
      add_proposed (store, row, slices);
      if (slices->len == 0)
        {
          g_set_error (&error, DB_ERROR, DB_ERROR_NOTHING, "%s: no slice of “%s” is proposed",
                       project, row->name);
          return app_fail (error);
        }
    }
  scan = app_flow_load_scan (store, row, &error);
  labels = scan != NULL ? db_labels_open (store, row->id, &error) : NULL;
  if (labels == NULL
      || !app_flow_import (labels, scan, file, extent, (DbDomainSlice *) slices->data, slices->len,
                           &result, &error))
    return app_fail (error);
  if (!json)
    {
      g_print ("%s: %zu voxels, edit %" G_GINT64_FORMAT "\n", row->name, result.n_voxels,
               result.edit);
      return APP_EXIT_OK;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  app_json_add_int (builder, "scan", row->id);
  app_json_add_int (builder, "edit", result.edit);
  app_json_add_int (builder, "voxels", result.n_voxels);
  app_json_add_int (builder, "slices_signed", row->n_signed);
  app_json_add_boolean (builder, "complete", row->complete);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

/* "axial:12,c:40": commas between slices. "proposed" leaves the list empty. */
static gboolean
parse_slices (const char *text, GArray *slices)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  if (strcmp (text, "proposed") == 0)
    return TRUE;
  for (char **part = parts; *part != NULL; part++)
    {
      DbDomainSlice slice;

      if (!app_args_parse_slice (*part, &slice.plane, &slice.index))
        return FALSE;
      g_array_append_val (slices, slice);
    }
  return slices->len > 0;
}

int
app_verb_import (int argc, char **argv)
{
  g_autofree char *scan = NULL;
  g_autofree char *file = NULL;
  g_autofree char *slices_text = NULL;
  g_autoptr (GArray) slices = g_array_new (FALSE, FALSE, sizeof (DbDomainSlice));
  gboolean dense = FALSE;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "scan", 0, 0, G_OPTION_ARG_STRING, &scan, "The scan's id or name", "ID" },
    { "labels", 0, 0, G_OPTION_ARG_FILENAME, &file, "Labels on the scan's grid", "FILE" },
    { "dense", 0, 0, G_OPTION_ARG_NONE, &dense, "The whole scan is labelled: mark it complete",
      NULL },
    { "slices", 0, 0, G_OPTION_ARG_STRING, &slices_text,
      "Only these slices, and sign them: axial:12,coronal:40, or those “proposed”", "P:N,…" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context,
                                "Takes over existing labels, with provenance. With neither --dense "
                                "nor --slices they are a draft: nothing is signed.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("import: %s", error->message);
  if (argc != 2 || scan == NULL || file == NULL)
    return app_usage ("import needs one PROJECT, --scan and --labels");
  if (dense && slices_text != NULL)
    return app_usage ("import: either --dense or --slices");
  if (slices_text != NULL && !parse_slices (slices_text, slices))
    return app_usage ("import: “%s” is not slices like axial:12,coronal:40", slices_text);
  return import_labels (argv[1], scan, file,
                        dense                 ? APP_IMPORT_DENSE
                        : slices_text != NULL ? APP_IMPORT_SLICES
                                              : APP_IMPORT_DRAFT,
                        slices, json);
}
