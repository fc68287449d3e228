/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/preferences-window.h"

#include "ui/command.h"
#include "ui/key-row.h"

#include <glib/gi18n.h>
#include <string.h>

struct _UiPreferencesWindow
{
  AdwPreferencesWindow parent_instance;

  GSettings *settings;
  GListModel *commands;
  GtkWidget *generalists; /* group of … */
  GPtrArray *generalist_rows;
  GtkCheckButton *generalist_group; /* never shown: a choice of one is a choice, too */
  GtkWidget *sources;
  AdwToast *told; /* weak: the last reason, while it is shown */
};

enum
{
  GENERALIST_FILE,
  GENERALIST_CHOSEN,
  GENERALIST_REMOVED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiPreferencesWindow, ui_preferences_window, ADW_TYPE_PREFERENCES_WINDOW)

/* A row that chooses one of several values of a string setting. */

static void
chosen_cb (GObject *row, GParamSpec *pspec, UiPreferencesWindow *self)
{
  const char *const *values = g_object_get_data (row, "values");
  const char *key = g_object_get_data (row, "key");
  guint selected = adw_combo_row_get_selected (ADW_COMBO_ROW (row));

  if (selected != GTK_INVALID_LIST_POSITION)
    g_settings_set_string (self->settings, key, values[selected]);
}

static void
add_choice (UiPreferencesWindow *self, GtkWidget *group, const char *title, const char *subtitle,
            const char *key, const char *const *values, const char *const *names)
{
  GtkWidget *row = adw_combo_row_new ();
  g_autoptr (GtkStringList) list = gtk_string_list_new (names);
  g_autofree char *now = g_settings_get_string (self->settings, key);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  adw_combo_row_set_model (ADW_COMBO_ROW (row), G_LIST_MODEL (list));
  for (guint v = 0; values[v] != NULL; v++)
    if (g_str_equal (values[v], now))
      adw_combo_row_set_selected (ADW_COMBO_ROW (row), v);
  g_object_set_data_full (G_OBJECT (row), "values", g_strdupv ((char **) values),
                          (GDestroyNotify) g_strfreev);
  g_object_set_data_full (G_OBJECT (row), "key", g_strdup (key), g_free);
  g_signal_connect (row, "notify::selected", G_CALLBACK (chosen_cb), self);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
}

static GtkWidget *
add_group (GtkWidget *page, const char *title, const char *description)
{
  GtkWidget *group = adw_preferences_group_new ();

  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (group), title);
  adw_preferences_group_set_description (ADW_PREFERENCES_GROUP (group), description);
  adw_preferences_page_add (ADW_PREFERENCES_PAGE (page), ADW_PREFERENCES_GROUP (group));
  return group;
}

static GtkWidget *
add_page (UiPreferencesWindow *self, const char *title, const char *icon)
{
  GtkWidget *page = adw_preferences_page_new ();

  adw_preferences_page_set_title (ADW_PREFERENCES_PAGE (page), title);
  adw_preferences_page_set_icon_name (ADW_PREFERENCES_PAGE (page), icon);
  adw_preferences_window_add (ADW_PREFERENCES_WINDOW (self), ADW_PREFERENCES_PAGE (page));
  return page;
}

static void
add_switch (UiPreferencesWindow *self, GtkWidget *group, const char *title, const char *subtitle,
            const char *key)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *toggle = gtk_switch_new ();

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  gtk_widget_set_valign (toggle, GTK_ALIGN_CENTER);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), toggle);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), toggle);
  g_settings_bind (self->settings, key, toggle, "active", G_SETTINGS_BIND_DEFAULT);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
}

static void
add_entry (UiPreferencesWindow *self, GtkWidget *group, const char *title, const char *key)
{
  GtkWidget *row = adw_entry_row_new ();

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  g_settings_bind (self->settings, key, row, "text", G_SETTINGS_BIND_DEFAULT);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
}

/* Pages */

static void
build_general (UiPreferencesWindow *self)
{
  const char *const themes[] = { "system", "light", "dark", NULL };
  const char *const theme_names[] = { _ ("As the system"), _ ("Light"), _ ("Dark"), NULL };
  const char *const languages[] = { "", "en", "de", "zh_CN", NULL };
  const char *const language_names[] = { _ ("As the system"), "English", "Deutsch", "简体中文",
                                         NULL };
  const char *const profiles[] = { "itk-snap", "slicer", "pacs", NULL };
  /* Translators: names of programs; a viewing station is what radiologists read at */
  const char *const profile_names[] = { "ITK-SNAP", "3D Slicer", _ ("Viewing station"), NULL };
  GtkWidget *page = add_page (self, _ ("General"), "preferences-system-symbolic");
  GtkWidget *look = add_group (page, _ ("Appearance"), NULL);
  GtkWidget *reading =
      add_group (page, _ ("Reading"), _ ("Wheel: slice. Middle drag: pan. Left: the tool."));

  add_choice (self, look, _ ("Theme"), NULL, "theme", themes, theme_names);
  add_choice (self, look, _ ("Language"), _ ("Taken at the next start"), "language", languages,
              language_names);
  add_entry (self, reading, _ ("Name for signatures"), "reader");
  add_choice (self, reading, _ ("Mouse"),
              _ ("Right drag: zoom; at a viewing station: window and level. 3D Slicer: left drag "
                 "with Navigate is window and level."),
              "mouse-profile", profiles, profile_names);
  add_switch (self, reading, _ ("Mirrored display"),
              _ ("Neurological convention: the patient’s left on the left"), "neurological");
}

static gboolean
drop_cb (GtkDropTarget *target, const GValue *value, double x, double y, UiPreferencesWindow *self)
{
  g_signal_emit (self, signals[GENERALIST_FILE], 0, g_value_get_object (value));
  return TRUE;
}

static void
file_response_cb (GtkNativeDialog *dialog, int response, UiPreferencesWindow *self)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));

      g_signal_emit (self, signals[GENERALIST_FILE], 0, file);
    }
  g_object_unref (dialog);
}

static void
choose_generalist_cb (UiPreferencesWindow *self)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (_ ("Weights of a Generalist"), GTK_WINDOW (self),
                                   GTK_FILE_CHOOSER_ACTION_OPEN, _ ("_Use"), NULL);

  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (file_response_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
build_computing (UiPreferencesWindow *self, const char *const *backends)
{
  GtkWidget *page = add_page (self, _ ("Computing"), "applications-science-symbolic");
  GtkWidget *engine = add_group (page, _ ("Devices"), _ ("Taken at the next start."));
  GtkWidget *prompts = add_group (
      page, _ ("Generalist"),
      _ ("Answers prompts. Files of the SAM family (SAM, MobileSAM, MedSAM, SAM-Med2D) can be "
         "used as they are: add one, or drop it here. The program downloads nothing."));
  GtkWidget *choose = gtk_button_new_with_mnemonic (_ ("_Add File…"));
  GtkDropTarget *target = gtk_drop_target_new (G_TYPE_FILE, GDK_ACTION_COPY);
  g_autoptr (GStrvBuilder) values = g_strv_builder_new (), names = g_strv_builder_new ();
  g_auto (GStrv) value_list = NULL, name_list = NULL;

  g_strv_builder_add (values, "");
  g_strv_builder_add (names, _ ("The fastest"));
  for (int b = 0; backends != NULL && backends[b] != NULL; b++)
    {
      g_strv_builder_add (values, backends[b]);
      g_strv_builder_add (names, backends[b]);
    }
  value_list = g_strv_builder_end (values);
  name_list = g_strv_builder_end (names);
  add_choice (self, engine, _ ("Training and prompts"), NULL, "backend",
              (const char *const *) value_list, (const char *const *) name_list);
  add_entry (self, engine, _ ("Vulkan device for drawing (part of its name; empty: the fastest)"),
             "render-device");
  self->generalists = prompts;
  gtk_widget_set_valign (choose, GTK_ALIGN_CENTER);
  g_signal_connect_swapped (choose, "clicked", G_CALLBACK (choose_generalist_cb), self);
  adw_preferences_group_set_header_suffix (ADW_PREFERENCES_GROUP (prompts), choose);
  self->sources = add_group (page, _ ("Where to get generalists"),
                             _ ("From their makers. Add the file here once it is on this computer; "
                                "its SHA-256 is compared."));
  g_signal_connect (target, "drop", G_CALLBACK (drop_cb), self);
  gtk_widget_add_controller (page, GTK_EVENT_CONTROLLER (target));
}

static void
key_changed_cb (UiCommand *command, GParamSpec *pspec, UiPreferencesWindow *self)
{
  g_autoptr (GVariant) old = g_settings_get_value (self->settings, "shortcuts");
  g_autoptr (GVariant) new = NULL;
  GVariantIter iter;
  const char *action, *accelerator;
  GVariantBuilder builder;

  /* a{ss}, kept small: only what differs from the default. */
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_iter_init (&iter, old);
  while (g_variant_iter_next (&iter, "{&s&s}", &action, &accelerator))
    if (!g_str_equal (action, ui_command_get_action (command)))
      g_variant_builder_add (&builder, "{ss}", action, accelerator);
  if (g_strcmp0 (ui_command_get_accelerator (command), ui_command_get_default (command)) != 0)
    g_variant_builder_add (&builder, "{ss}", ui_command_get_action (command),
                           ui_command_get_accelerator (command));
  new = g_variant_ref_sink (g_variant_builder_end (&builder));
  if (!g_variant_equal (old, new))
    g_settings_set_value (self->settings, "shortcuts", new);
}

static void
reset_keys_cb (UiPreferencesWindow *self)
{
  g_settings_reset (self->settings, "shortcuts");
}

static void
build_keys (UiPreferencesWindow *self)
{
  GtkWidget *page = add_page (self, _ ("Keys"), "input-keyboard-symbolic");
  GtkWidget *all = add_group (page, _ ("All keys"),
                              _ ("Press a key’s button, then the new key. "
                                 "Backspace removes it. On a slice, arrow keys move "
                                 "the crosshair, Page Up and Page Down the "
                                 "slice, Space uses the tool at the "
                                 "crosshair, and H hides the labels while "
                                 "it is held."));
  GtkWidget *reset = gtk_button_new_with_mnemonic (_ ("_Reset All"));
  GtkWidget *group = NULL;
  const char *title = NULL;
  guint n = g_list_model_get_n_items (self->commands);

  adw_preferences_page_set_name (ADW_PREFERENCES_PAGE (page), "keys");
  gtk_widget_set_valign (reset, GTK_ALIGN_CENTER);
  g_signal_connect_swapped (reset, "clicked", G_CALLBACK (reset_keys_cb), self);
  adw_preferences_group_set_header_suffix (ADW_PREFERENCES_GROUP (all), reset);
  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (self->commands, c);

      if (title == NULL || strcmp (title, ui_command_get_group (command)) != 0)
        {
          title = ui_command_get_group (command);
          group = add_group (page, title, NULL);
        }
      adw_preferences_group_add (ADW_PREFERENCES_GROUP (group),
                                 ui_key_row_new (command, self->commands));
      g_signal_connect_object (command, "notify::accelerator", G_CALLBACK (key_changed_cb), self,
                               0);
    }
}

static void
ui_preferences_window_finalize (GObject *object)
{
  UiPreferencesWindow *self = UI_PREFERENCES_WINDOW (object);

  g_clear_object (&self->settings);
  g_clear_object (&self->commands);
  g_clear_pointer (&self->generalist_rows, g_ptr_array_unref);
  g_clear_object (&self->generalist_group);
  g_clear_weak_pointer (&self->told);
  G_OBJECT_CLASS (ui_preferences_window_parent_class)->finalize (object);
}

static void
ui_preferences_window_class_init (UiPreferencesWindowClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = ui_preferences_window_finalize;
  signals[GENERALIST_FILE] =
      g_signal_new ("generalist-file", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                    NULL, G_TYPE_NONE, 1, G_TYPE_FILE);
  signals[GENERALIST_CHOSEN] =
      g_signal_new ("generalist-chosen", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                    NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[GENERALIST_REMOVED] =
      g_signal_new ("generalist-removed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                    NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
ui_preferences_window_init (UiPreferencesWindow *self)
{
  self->generalist_rows = g_ptr_array_new ();
  self->generalist_group = g_object_ref_sink (GTK_CHECK_BUTTON (gtk_check_button_new ()));
  gtk_window_set_default_size (GTK_WINDOW (self), 640, 680);
}

UiPreferencesWindow *
ui_preferences_window_new (GtkWindow *parent, GSettings *settings, GListModel *commands,
                           const char *const *backends)
{
  UiPreferencesWindow *self =
      g_object_new (UI_TYPE_PREFERENCES_WINDOW, "transient-for", parent, "modal", TRUE, NULL);

  self->settings = g_object_ref (settings);
  self->commands = g_object_ref (commands);
  build_general (self);
  build_computing (self, backends);
  build_keys (self);
  return self;
}

static void
generalist_toggled_cb (GtkCheckButton *button, UiPreferencesWindow *self)
{
  if (gtk_check_button_get_active (button))
    g_signal_emit (self, signals[GENERALIST_CHOSEN], 0,
                   g_object_get_data (G_OBJECT (button), "path"));
}

static void
remove_response_cb (AdwMessageDialog *dialog, const char *response, UiPreferencesWindow *self)
{
  if (g_str_equal (response, "remove"))
    g_signal_emit (self, signals[GENERALIST_REMOVED], 0,
                   g_object_get_data (G_OBJECT (dialog), "path"));
}

static void
remove_cb (UiPreferencesWindow *self, GtkWidget *button)
{
  const char *path = g_object_get_data (G_OBJECT (button), "path");
  g_autofree char *name = g_path_get_basename (path);
  GtkWidget *dialog =
      adw_message_dialog_new (GTK_WINDOW (self), _ ("Remove This Generalist?"), NULL);

  adw_message_dialog_format_body (
      ADW_MESSAGE_DIALOG (dialog),
      /* Translators: %s is the name of a file */
      _ ("%s: the program’s copy of the weights is deleted. The file it was added from stays."),
      name);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "remove",
                                    _ ("_Remove"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "remove",
                                              ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_object_set_data_full (G_OBJECT (dialog), "path", g_strdup (path), g_free);
  g_signal_connect_object (dialog, "response", G_CALLBACK (remove_response_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
add_remove (UiPreferencesWindow *self, GtkWidget *row, const UiGeneralistChoice *choice)
{
  GtkWidget *button = gtk_button_new_from_icon_name ("user-trash-symbolic");
  /* Translators: %s is a generalist */
  g_autofree char *text = g_strdup_printf (_ ("Remove %s"), choice->name);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, _ ("Remove from this computer’s generalists"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
  g_object_set_data_full (G_OBJECT (button), "path", g_strdup (choice->path), g_free);
  g_signal_connect_object (button, "clicked", G_CALLBACK (remove_cb), self, G_CONNECT_SWAPPED);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
}

/* Titles of rows are markup. */
static GtkWidget *
new_row (const char *title, const char *subtitle)
{
  GtkWidget *row = adw_action_row_new ();
  g_autofree char *title_markup = g_markup_escape_text (title, -1);
  g_autofree char *subtitle_markup = g_markup_escape_text (subtitle != NULL ? subtitle : "", -1);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title_markup);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle_markup);
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 0);
  return row;
}

void
ui_preferences_window_set_generalists (UiPreferencesWindow *self, const UiGeneralistChoice *choices,
                                       guint n)
{
  for (guint r = 0; r < self->generalist_rows->len; r++)
    adw_preferences_group_remove (ADW_PREFERENCES_GROUP (self->generalists),
                                  g_ptr_array_index (self->generalist_rows, r));
  g_ptr_array_set_size (self->generalist_rows, 0);
  for (guint c = 0; c < n; c++)
    {
      GtkWidget *row = new_row (choices[c].name, choices[c].detail);

      if (choices[c].usable)
        {
          GtkWidget *button = gtk_check_button_new ();

          gtk_check_button_set_group (GTK_CHECK_BUTTON (button), self->generalist_group);
          gtk_check_button_set_active (GTK_CHECK_BUTTON (button), choices[c].chosen);
          gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
          g_object_set_data_full (G_OBJECT (button), "path", g_strdup (choices[c].path), g_free);
          g_signal_connect (button, "toggled", G_CALLBACK (generalist_toggled_cb), self);
          adw_action_row_add_prefix (ADW_ACTION_ROW (row), button);
          adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), button);
        }
      else
        adw_action_row_add_prefix (ADW_ACTION_ROW (row),
                                   gtk_image_new_from_icon_name ("dialog-warning-symbolic"));
      if (choices[c].removable)
        add_remove (self, row, &choices[c]);
      adw_preferences_group_add (ADW_PREFERENCES_GROUP (self->generalists), row);
      g_ptr_array_add (self->generalist_rows, row);
    }
}

void
ui_preferences_window_add_source (UiPreferencesWindow *self, const char *name, const char *detail)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);
  GtkWidget *title = gtk_label_new (name), *text = gtk_label_new (detail);

  gtk_label_set_xalign (GTK_LABEL (title), 0);
  gtk_label_set_xalign (GTK_LABEL (text), 0);
  gtk_label_set_selectable (GTK_LABEL (text), TRUE);
  gtk_label_set_wrap (GTK_LABEL (text), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (text), PANGO_WRAP_WORD_CHAR);
  gtk_widget_add_css_class (text, "caption");
  gtk_widget_add_css_class (text, "dim-label");
  gtk_widget_set_margin_top (box, 12);
  gtk_box_append (GTK_BOX (box), title);
  gtk_box_append (GTK_BOX (box), text);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (self->sources), box);
}

void
ui_preferences_window_tell (UiPreferencesWindow *self, const char *text)
{
  g_autofree char *markup = g_markup_escape_text (text, -1);
  AdwToast *toast = adw_toast_new (markup);

  /* A reason stays until it has been read, or the next one comes. */
  adw_toast_set_timeout (toast, 0);
  if (self->told != NULL)
    adw_toast_dismiss (self->told);
  g_set_weak_pointer (&self->told, toast);
  adw_preferences_window_add_toast (ADW_PREFERENCES_WINDOW (self), toast);
}
