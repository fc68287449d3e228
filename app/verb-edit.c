/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-edit.h"
#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/verbs.h"

#include <errno.h>
#include <gio/gunixinputstream.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One line for each finished edit, out before the next begins: whoever reads it may rely on it. */
static gboolean
print_cb (int line, const char *text, gpointer user_data, GError **error)
{
  JsonBuilder *builder = user_data;

  if (builder == NULL)
    {
      if (printf ("ok %d %s\n", line, text) >= 0 && fflush (stdout) == 0)
        return TRUE;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   "done, but standard output cannot be written: %s", g_strerror (errno));
      return FALSE;
    }
  json_builder_begin_object (builder);
  app_json_add_int (builder, "line", line);
  app_json_add_string (builder, "did", text);
  json_builder_end_object (builder);
  return TRUE;
}

static GInputStream *
open_script (const char *path, GError **error)
{
  g_autoptr (GFile) file = NULL;

  if (strcmp (path, "-") == 0)
    return g_unix_input_stream_new (STDIN_FILENO, FALSE);
  file = g_file_new_for_commandline_arg (path);
  return G_INPUT_STREAM (g_file_read (file, NULL, error));
}

static int
run_script (const char *project, const char *path, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = open_script (path, &error);
  g_autoptr (JsonBuilder) builder = json ? json_builder_new () : NULL;
  g_autoptr (DbStore) store = NULL;

  if (stream == NULL)
    return app_fail (error);
  store = app_flow_open (project, DB_OPEN_WRITE, &error);
  if (store == NULL)
    return app_fail (error);
  if (json)
    {
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "finished");
      json_builder_begin_array (builder);
    }
  if (!app_flow_edit (store, stream, path, print_cb, builder, &error))
    return app_fail (error);
  if (!json)
    return APP_EXIT_OK;
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

int
app_verb_edit (int argc, char **argv)
{
  g_autofree char *script = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "script", 0, 0, G_OPTION_ARG_FILENAME, &script, "Commands, one a line; “-” reads them in",
      "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (
      context,
      "Strokes, undo and sign-off from a text script. Prints “ok LINE …” when a line is on\n"
      "the disk, whatever happens next.\n\n"
      "  scan ID|NAME                        the scan that what follows is about\n"
      "  set LABEL i,j,k [i,j,k …]           single voxels; label 0 erases\n"
      "  box LABEL i0,j0,k0 i1,j1,k1         a box, both corners inside it\n"
      "  brush LABEL PLANE N MM u,v [u,v …]  a round brush along a path on a slice\n"
      "  undo [TIMES]   redo [TIMES]   jump EDIT   revert EDIT\n"
      "  propose PLANE N   sign PLANE N   unsign PLANE N   complete   reopen\n"
      "  lock LABEL   unlock LABEL");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("edit: %s", error->message);
  if (argc != 2 || script == NULL)
    return app_usage ("edit needs one PROJECT and --script");
  return run_script (argv[1], script, json);
}
