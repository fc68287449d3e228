/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-build.h"

#include "app/session-private.h"

#include <glib/gi18n.h>

/* What takes less than this is not worth a word. */
#define TELL_MS 250

typedef struct
{
  const AppBuild *kind;
  DbLabels *labels; /* of the case it is for */
  gpointer data;
  GDestroyNotify free_data;
  DbDraft *draft; /* of this attempt */
} Building;

static void start (AppSession *session, Building *building);

static void
building_free (gpointer data)
{
  Building *building = data;

  db_draft_free (building->draft);
  g_object_unref (building->labels);
  if (building->free_data != NULL)
    building->free_data (building->data);
  g_free (building);
}

static gboolean
tell_cb (gpointer data)
{
  AppSession *session = data;

  session->building_id = 0;
  if (session->window == NULL || session->building == NULL)
    return G_SOURCE_REMOVE;
  ui_case_bar_set_working (ui_window_get_case_bar (session->window),
                           _ (session->building->telling));
  return G_SOURCE_REMOVE;
}

void
app_session_build_closing (AppSession *self)
{
  g_clear_handle_id (&self->building_id, g_source_remove);
  self->building = NULL;
  if (self->window != NULL)
    ui_case_bar_set_working (ui_window_get_case_bar (self->window), NULL);
}

static void
build_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Building *building = data;
  GError *error = NULL;

  if (building->kind->build (db_draft_get_map (building->draft),
                             db_draft_get_builder (building->draft), building->data, &error)
      && db_draft_finish (building->draft, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
is_current (AppSession *session, Building *building)
{
  return db_draft_is_current (building->draft)
         && (building->kind->holds == NULL || building->kind->holds (session, building->data));
}

static void
built_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  Building *building = data;
  g_autoptr (GError) error = NULL;
  const gboolean built = g_task_propagate_boolean (G_TASK (result), &error);

  if (session->labels != building->labels || session->window == NULL)
    {
      building_free (building);
      return;
    }
  if (built && !is_current (session, building))
    {
      start (session, building);
      return;
    }
  app_session_build_closing (session);
  building->kind->done (session, built ? building->draft : NULL, error, building->data);
  building_free (building);
}

static void
start (AppSession *session, Building *building)
{
  g_autoptr (GTask) task = g_task_new (session, NULL, built_cb, building);
  GError *error = NULL;

  g_clear_pointer (&building->draft, db_draft_free);
  if (building->kind->look != NULL)
    building->kind->look (session, building->data);
  building->draft =
      db_draft_new (building->labels, building->kind->provenance, building->kind->tool, &error);
  g_task_set_task_data (task, building, NULL);
  if (building->draft != NULL)
    g_task_run_in_thread (task, build_in_thread);
  else
    g_task_return_error (task, error);
}

void
app_session_build (AppSession *session, const AppBuild *kind, gpointer data,
                   GDestroyNotify free_data)
{
  Building *building = g_new0 (Building, 1);

  g_return_if_fail (session->labels != NULL);

  *building = (Building){ .kind = kind,
                          .labels = g_object_ref (session->labels),
                          .data = data,
                          .free_data = free_data };
  if (session->building != NULL)
    {
      ui_window_toast (session->window, _ ("One moment: the change before is still being made."));
      building_free (building);
      return;
    }
  session->building = kind;
  session->building_id = g_timeout_add (TELL_MS, tell_cb, session);
  start (session, building);
}
