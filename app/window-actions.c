/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"
#include "ui/display-options.h"

#include <glib/gi18n.h>
#include <math.h>

/* The win.* actions: one line each from a menu, a button or a key to the session. */

#define SESSION(data) APP_SESSION (data)

static void
undo (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_undo (data);
}

static void
redo (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_redo (data);
}

static void
next_case (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_next_case (data);
}

static void
previous_case (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_previous_case (data);
}

static void
skip_response_cb (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  GtkWidget *entry = adw_message_dialog_get_extra_child (dialog);

  if (g_str_equal (response, "skip"))
    app_session_skip_case (data, gtk_editable_get_text (GTK_EDITABLE (entry)));
}

static void
skip_case (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkWidget *dialog = adw_message_dialog_new (
      GTK_WINDOW (app_session_get_window (data)), _ ("Skip This Case?"),
      _ ("It stays in the project but is not proposed again; its unsigned slices are taken back. "
         "The reason is kept."));
  GtkWidget *entry = gtk_entry_new ();

  gtk_entry_set_placeholder_text (GTK_ENTRY (entry), _ ("Reason"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (entry), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Reason"), -1);
  gtk_entry_set_activates_default (GTK_ENTRY (entry), TRUE);
  adw_message_dialog_set_extra_child (ADW_MESSAGE_DIALOG (dialog), entry);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "skip",
                                    _ ("_Skip"), NULL);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "skip");
  g_signal_connect_object (dialog, "response", G_CALLBACK (skip_response_cb), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
find_case (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  UiWindow *window = app_session_get_window (data);

  g_action_group_change_action_state (G_ACTION_GROUP (window), "show-cases",
                                      g_variant_new_boolean (TRUE));
  ui_case_list_focus_search (ui_window_get_case_list (window));
}

static void
complete_case (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  DbCase *row = store != NULL ? db_store_get_case (store, app_session_get_case_id (data)) : NULL;

  if (row != NULL)
    db_store_write_later (store, db_write_set_case_complete (row->id, !row->complete));
}

static void
go_to_tasks (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_go_to_tasks (data);
}

static void
go_to_task (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_go_to_task (data, g_variant_get_int32 (parameter));
}

static void
sign (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_toggle_signed (data, g_variant_get_int32 (parameter));
}

static void
sign_here (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_toggle_signed (data, app_session_get_plane (data));
}

static void
move_task (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_move_task_here (data, g_variant_get_int32 (parameter));
}

static void
move_task_here (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_move_task_here (data, app_session_get_plane (data));
}

static void
propose_here (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_propose_here (data);
}

static void
next_conflict (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_next_conflict (data);
}

static void
interpolate (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_interpolate (data);
}

static void
copy_previous (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_copy_neighbour (data, -1);
}

static void
copy_next (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_copy_neighbour (data, 1);
}

static void
tool_accept (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_tool_accept (data);
}

static void
tool_discard (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_tool_discard (data);
}

static void
tool_back (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_tool_back (data);
}

static void
prompt_next_mask (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_prompt_next_mask (data);
}

static void
prompt_propagate (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_prompt_propagate (data);
}

static void
change_tool (GSimpleAction *action, GVariant *value, gpointer data)
{
  UiTool tool;

  if (!ui_tool_from_nick (g_variant_get_string (value, NULL), &tool))
    return;
  g_object_set (app_session_get_state (data), "tool", (int) tool, NULL);
  g_simple_action_set_state (action, value);
}

static void
scale_brush (gpointer data, double factor)
{
  double size;

  g_object_get (app_session_get_state (data), "brush-size", &size, NULL);
  g_object_set (app_session_get_state (data), "brush-size", CLAMP (size * factor, 0.5, 500), NULL);
}

static void
brush_smaller (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  scale_brush (data, 1 / 1.25);
}

static void
brush_larger (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  scale_brush (data, 1.25);
}

static void
choose_label (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  gint64 id = g_variant_get_int64 (parameter);

  if (store != NULL && db_store_get_label (store, id) != NULL)
    g_object_set (app_session_get_state (data), "active-label", (int) id, NULL);
}

static void
label_visible (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  gint64 id = g_variant_get_int64 (parameter);
  DbLabel *label = store != NULL ? db_store_get_label (store, id) : NULL;

  if (label != NULL)
    db_store_write_later (store, db_write_set_label_visible (id, !label->visible));
}

static void
label_locked (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  gint64 id = g_variant_get_int64 (parameter);
  DbLabel *label = store != NULL ? db_store_get_label (store, id) : NULL;

  if (label != NULL)
    db_store_write_later (store, db_write_set_label_locked (id, !label->locked));
}

static void
label_add (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);

  if (store != NULL)
    db_store_write_later (store, db_write_put_label (0, _ ("New label"), NULL));
}

/* The view */

static void
toggle (gpointer data, const char *property)
{
  gboolean value;

  g_object_get (app_session_get_state (data), property, &value, NULL);
  g_object_set (app_session_get_state (data), property, !value, NULL);
}

static void
change_opacity (gpointer data, double step)
{
  double opacity;

  g_object_get (app_session_get_state (data), "opacity", &opacity, NULL);
  g_object_set (app_session_get_state (data), "opacity", CLAMP (opacity + step, 0, 1), NULL);
}

static void
opacity_less (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  change_opacity (data, -0.1);
}

static void
opacity_more (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  change_opacity (data, 0.1);
}

static void
centre (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  ui_view_state_centre (app_session_get_state (data));
}

static void
fit (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  ui_view_state_fit (app_session_get_state (data));
}

static void
maximise (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  int pane = g_variant_get_int32 (parameter), now;

  g_object_get (app_session_get_state (data), "maximised", &now, NULL);
  g_object_set (app_session_get_state (data), "maximised",
                now == pane ? (int) UI_PANE_NONE : CLAMP (pane, 0, UI_N_PANES - 1), NULL);
}

static void
fullscreen (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkWindow *window = GTK_WINDOW (app_session_get_window (data));

  if (gtk_window_is_fullscreen (window))
    gtk_window_unfullscreen (window);
  else
    gtk_window_fullscreen (window);
}

static void
window_preset (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  const char *nick = g_variant_get_string (parameter, NULL);

  for (gsize p = 0; p < UI_N_WINDOW_PRESETS; p++)
    {
      const UiWindowPreset *preset = ui_window_preset_get (p);

      if (!g_str_equal (preset->nick, nick))
        continue;
      if (preset->width > 0)
        ui_view_state_set_window (app_session_get_state (data), preset->centre, preset->width);
      else
        ui_view_state_auto_window (app_session_get_state (data));
    }
}

static void
change_cases (GSimpleAction *action, GVariant *value, gpointer data)
{
  ui_window_set_cases_shown (app_session_get_window (data), g_variant_get_boolean (value));
  g_simple_action_set_state (action, value);
}

static void
change_panel (GSimpleAction *action, GVariant *value, gpointer data)
{
  ui_window_set_panel_shown (app_session_get_window (data), g_variant_get_boolean (value));
  g_simple_action_set_state (action, value);
}

static void
change_overlay (GSimpleAction *action, GVariant *value, gpointer data)
{
  toggle (data, "overlay-visible");
}

static void
change_crosshair (GSimpleAction *action, GVariant *value, gpointer data)
{
  toggle (data, "crosshair-visible");
}

static void
change_neurological (GSimpleAction *action, GVariant *value, gpointer data)
{
  toggle (data, "neurological");
}

static void
close_project (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_session_close_project (data);
}

static const GActionEntry entries[] = {
  { "undo", undo },
  { "redo", redo },
  { "next-case", next_case },
  { "previous-case", previous_case },
  { "skip-case", skip_case },
  { "find-case", find_case },
  { "complete", complete_case },
  { "go-to-tasks", go_to_tasks },
  { "go-to-task", go_to_task, "i" },
  { "sign", sign, "i" },
  { "sign-here", sign_here },
  { "move-task", move_task, "i" },
  { "move-task-here", move_task_here },
  { "propose-here", propose_here },
  { "next-conflict", next_conflict },
  { "interpolate", interpolate },
  { "copy-previous", copy_previous },
  { "copy-next", copy_next },
  { "tool", NULL, "s", "'navigate'", change_tool },
  { "tool-accept", tool_accept },
  { "tool-discard", tool_discard },
  { "tool-back", tool_back },
  { "prompt-next-mask", prompt_next_mask },
  { "prompt-propagate", prompt_propagate },
  { "brush-smaller", brush_smaller },
  { "brush-larger", brush_larger },
  { "label", choose_label, "x" },
  { "label-visible", label_visible, "x" },
  { "label-locked", label_locked, "x" },
  { "label-add", label_add },
  { "overlay", NULL, NULL, "true", change_overlay },
  { "crosshair", NULL, NULL, "true", change_crosshair },
  { "neurological", NULL, NULL, "false", change_neurological },
  { "opacity-less", opacity_less },
  { "opacity-more", opacity_more },
  { "centre", centre },
  { "fit", fit },
  { "maximise", maximise, "i" },
  { "fullscreen", fullscreen },
  { "window-preset", window_preset, "s" },
  { "show-cases", NULL, NULL, "true", change_cases },
  { "show-panel", NULL, NULL, "true", change_panel },
  { "close-project", close_project },
};

/* Actions that need an open project, and those that need an open case. */
static const char *const project_actions[] = {
  "export",        "label-set-import", "label-set-export",
  "add-scans",     "statistics",       "start-round",
  "show-rounds",   "select-cases",     "export-report",
  "review",        "next-case",        "previous-case",
  "find-case",     "label-add",        "close-project",
  "show-cases",    "show-panel",       "label",
  "label-visible", "label-locked",     "predict",
  "review-next",   "review-previous"
};
static const char *const case_actions[] = { "import-labels",
                                            "accept-prediction",
                                            "show-prediction",
                                            "show-differences",
                                            "show-uncertainty",
                                            "review-accept",
                                            "review-fix",
                                            "review-unsure",
                                            "skip-case",
                                            "complete",
                                            "go-to-tasks",
                                            "go-to-task",
                                            "sign",
                                            "sign-here",
                                            "move-task",
                                            "move-task-here",
                                            "propose-here",
                                            "next-conflict",
                                            "interpolate",
                                            "copy-previous",
                                            "copy-next",
                                            "tool",
                                            "tool-accept",
                                            "tool-discard",
                                            "tool-back",
                                            "prompt-next-mask",
                                            "prompt-propagate",
                                            "import-labels",
                                            "brush-smaller",
                                            "brush-larger",
                                            "overlay",
                                            "crosshair",
                                            "opacity-less",
                                            "opacity-more",
                                            "centre",
                                            "fit",
                                            "maximise",
                                            "window-preset" };

static void
enable (AppSession *session, const char *const *names, gsize n_names, gboolean enabled)
{
  GActionMap *map = G_ACTION_MAP (app_session_get_window (session));

  for (gsize n = 0; n < n_names; n++)
    {
      GAction *action = g_action_map_lookup_action (map, names[n]);

      if (action != NULL)
        g_simple_action_set_enabled (G_SIMPLE_ACTION (action), enabled);
    }
}

void
app_window_actions_update (AppSession *session)
{
  if (app_session_get_window (session) == NULL)
    return;
  enable (session, project_actions, G_N_ELEMENTS (project_actions),
          app_session_get_store (session) != NULL);
  enable (session, case_actions, G_N_ELEMENTS (case_actions),
          app_session_get_case_id (session) >= 0);
}

/* Actions with a state show what the view state says, however it was changed. */
static void
state_changed_cb (UiViewState *state, GParamSpec *pspec, UiWindow *window)
{
  static const struct
  {
    const char *property, *action;
  } switches[] = { { "overlay-visible", "overlay" },
                   { "crosshair-visible", "crosshair" },
                   { "neurological", "neurological" } };

  for (gsize s = 0; s < G_N_ELEMENTS (switches); s++)
    if (g_str_equal (switches[s].property, pspec->name))
      {
        GAction *action = g_action_map_lookup_action (G_ACTION_MAP (window), switches[s].action);
        gboolean value;

        g_object_get (state, pspec->name, &value, NULL);
        g_simple_action_set_state (G_SIMPLE_ACTION (action), g_variant_new_boolean (value));
      }
  if (g_str_equal (pspec->name, "tool"))
    g_simple_action_set_state (
        G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (window), "tool")),
        g_variant_new_string (ui_tool_get_nick (ui_view_state_get_tool (state))));
}

void
app_window_actions_add (AppSession *session)
{
  UiWindow *window = app_session_get_window (session);

  g_action_map_add_action_entries (G_ACTION_MAP (window), entries, G_N_ELEMENTS (entries), session);
  app_window_files_add (session);
  app_window_training_add (session);
  app_window_review_add (session);
  g_signal_connect_object (app_session_get_state (session), "notify", G_CALLBACK (state_changed_cb),
                           window, 0);
  g_signal_connect (session, "project-changed", G_CALLBACK (app_window_actions_update), NULL);
  g_signal_connect (session, "case-changed", G_CALLBACK (app_window_actions_update), NULL);
  app_window_actions_update (session);
}
