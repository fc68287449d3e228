/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/new-project-window.h"

#include <glib/gi18n.h>
#include <string.h>

#define LIST_HEIGHT 270 /* px: five rows */
#define MAX_SUGGESTED 32

typedef struct
{
  char *path, *labels;
  gboolean usable, has_problem;
  GtkWidget *row, *icon; /* owned by the list */
} Scan;

struct _UiNewProjectWindow
{
  AdwWindow parent_instance;

  GtkWidget *name, *folder_row, *scan_scroller, *scan_list, *scan_count, *label_list;
  GtkWidget *import_row, *import;
  GtkWidget *validation, *budget, *create, *progress, *error;
  GPtrArray *scans; /* Scan */
  char *folder;
  gboolean validation_touched, setting;
};

enum
{
  FILES_ADDED,
  CREATE,
  CANCELLED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiNewProjectWindow, ui_new_project_window, ADW_TYPE_WINDOW)

static void
scan_free (Scan *scan)
{
  g_free (scan->path);
  g_free (scan->labels);
  g_free (scan);
}

static Scan *
find_scan (UiNewProjectWindow *self, const char *path)
{
  for (guint s = 0; s < self->scans->len; s++)
    {
      Scan *scan = g_ptr_array_index (self->scans, s);

      if (g_str_equal (scan->path, path))
        return scan;
    }
  return NULL;
}

static int
count_usable (UiNewProjectWindow *self, int *n_labels, int *n_problems)
{
  int n = 0;

  *n_labels = *n_problems = 0;
  for (guint s = 0; s < self->scans->len; s++)
    {
      const Scan *scan = g_ptr_array_index (self->scans, s);

      n += scan->usable;
      *n_labels += scan->usable && scan->labels != NULL;
      *n_problems += scan->has_problem;
    }
  return n;
}

/* The list shows a few rows and scrolls the rest; the page about it scrolls as well and would
 * otherwise leave it a single row. */
static void
fit_list (UiNewProjectWindow *self)
{
  int natural;

  gtk_widget_measure (self->scan_list, GTK_ORIENTATION_VERTICAL, -1, NULL, &natural, NULL, NULL);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (self->scan_scroller),
                                              MIN (natural, LIST_HEIGHT));
}

static void
update_count (UiNewProjectWindow *self, int n, int n_problems)
{
  g_autofree char *scans =
      g_strdup_printf (g_dngettext (NULL, "%d scan", "%d scans", (gulong) n), n);
  g_autofree char *problems = NULL, *both = NULL;

  if (n_problems > 0)
    {
      problems = g_strdup_printf (g_dngettext (NULL, "%d file cannot be used",
                                               "%d files cannot be used", (gulong) n_problems),
                                  n_problems);
      /* Translators: so many scans, and so many files that cannot be used */
      both = g_strdup_printf (_ ("%s, %s"), scans, problems);
    }
  gtk_label_set_text (GTK_LABEL (self->scan_count), both != NULL ? both : scans);
}

static gboolean
has_label (UiNewProjectWindow *self)
{
  g_auto (GStrv) names = ui_new_project_window_get_label_names (self);

  return names[0] != NULL;
}

static void
update (UiNewProjectWindow *self)
{
  int n_labels, n_problems;
  int n = count_usable (self, &n_labels, &n_problems);
  g_autofree char *found =
      g_strdup_printf (g_dngettext (NULL, "Label file found for %d scan",
                                    "Label files found for %d scans", (gulong) n_labels),
                       n_labels);

  update_count (self, n, n_problems);
  fit_list (self);
  gtk_widget_set_visible (self->import_row, n_labels > 0);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->import_row), found);
  if (!self->validation_touched)
    {
      self->setting = TRUE;
      /* I6: the larger of 2 and a tenth, where there are enough. */
      gtk_spin_button_set_value (GTK_SPIN_BUTTON (self->validation),
                                 n < 2 ? 0 : MIN (MAX (2, n / 10), n - 1));
      self->setting = FALSE;
    }
  gtk_spin_button_set_range (GTK_SPIN_BUTTON (self->validation), 0, MAX (n - 1, 0));
  gtk_widget_set_sensitive (self->create,
                            n > 0 && has_label (self) && self->folder != NULL
                                && *gtk_editable_get_text (GTK_EDITABLE (self->name)) != '\0');
}

static void
validation_changed_cb (UiNewProjectWindow *self)
{
  if (!self->setting)
    self->validation_touched = TRUE;
}

/* Scans */

static void
remove_scan_cb (GtkButton *button, UiNewProjectWindow *self)
{
  Scan *scan = g_object_get_data (G_OBJECT (button), "scan");

  gtk_list_box_remove (GTK_LIST_BOX (self->scan_list), scan->row);
  g_ptr_array_remove (self->scans, scan);
  update (self);
}

static Scan *
add_scan (UiNewProjectWindow *self, const char *path)
{
  Scan *scan = g_new0 (Scan, 1);
  GtkWidget *remove = gtk_button_new_from_icon_name ("list-remove-symbolic");
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *title = g_markup_escape_text (base, -1);

  scan->path = g_strdup (path);
  scan->row = adw_action_row_new ();
  scan->icon = gtk_image_new_from_icon_name ("content-loading-symbolic");
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (scan->row), title);
  adw_action_row_add_prefix (ADW_ACTION_ROW (scan->row), scan->icon);
  gtk_widget_add_css_class (remove, "flat");
  gtk_widget_set_valign (remove, GTK_ALIGN_CENTER);
  gtk_widget_set_tooltip_text (remove, _ ("Leave this scan out"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (remove), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Leave this scan out"), -1);
  g_object_set_data (G_OBJECT (remove), "scan", scan);
  g_signal_connect (remove, "clicked", G_CALLBACK (remove_scan_cb), self);
  adw_action_row_add_suffix (ADW_ACTION_ROW (scan->row), remove);
  gtk_list_box_append (GTK_LIST_BOX (self->scan_list), scan->row);
  g_ptr_array_add (self->scans, scan);
  return scan;
}

void
ui_new_project_window_set_scan (UiNewProjectWindow *self, const char *path, const char *detail,
                                const char *problem, const char *labels)
{
  Scan *scan = find_scan (self, path);
  g_autofree char *subtitle = NULL;

  if (scan == NULL)
    scan = add_scan (self, path);
  g_free (scan->labels);
  scan->labels = g_strdup (labels);
  scan->usable = detail != NULL && problem == NULL;
  scan->has_problem = problem != NULL;
  subtitle = g_markup_escape_text (problem != NULL  ? problem
                                   : detail != NULL ? detail
                                                    : _ ("Looking at it…"),
                                   -1);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (scan->row), subtitle);
  gtk_image_set_from_icon_name (GTK_IMAGE (scan->icon), problem != NULL ? "dialog-warning-symbolic"
                                                        : detail != NULL
                                                            ? "emblem-ok-symbolic"
                                                            : "content-loading-symbolic");
  update (self);
}

/* A project called like the folder that its scans are in, until a person says otherwise. */
static void
suggest_name (UiNewProjectWindow *self, GListModel *files)
{
  g_autoptr (GFile) first = g_list_model_get_item (files, 0);
  g_autofree char *path = first != NULL ? g_file_get_path (first) : NULL;
  g_autofree char *folder = NULL, *base = NULL;

  if (path == NULL || *gtk_editable_get_text (GTK_EDITABLE (self->name)) != '\0')
    return;
  folder = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : g_path_get_dirname (path);
  base = g_path_get_basename (folder);
  if (g_utf8_validate (base, -1, NULL) && *base != G_DIR_SEPARATOR && *base != '.')
    gtk_editable_set_text (GTK_EDITABLE (self->name), base);
}

void
ui_new_project_window_add_files (UiNewProjectWindow *self, GListModel *files)
{
  suggest_name (self, files);
  g_signal_emit (self, signals[FILES_ADDED], 0, files);
}

static void
files_response_cb (GtkNativeDialog *dialog, int response, UiNewProjectWindow *self)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GListModel) files = gtk_file_chooser_get_files (GTK_FILE_CHOOSER (dialog));

      ui_new_project_window_add_files (self, files);
    }
  g_object_unref (dialog);
}

static void
choose (UiNewProjectWindow *self, const char *title, GtkFileChooserAction action,
        GCallback callback)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (title, GTK_WINDOW (self), action, _ ("_Add"), NULL);

  gtk_file_chooser_set_select_multiple (GTK_FILE_CHOOSER (dialog),
                                        action == GTK_FILE_CHOOSER_ACTION_OPEN);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", callback, self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
add_files_cb (UiNewProjectWindow *self)
{
  choose (self, _ ("Add Scans"), GTK_FILE_CHOOSER_ACTION_OPEN, G_CALLBACK (files_response_cb));
}

static void
add_folder_cb (UiNewProjectWindow *self)
{
  choose (self, _ ("Add a Folder of Scans"), GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER,
          G_CALLBACK (files_response_cb));
}

static gboolean
drop_cb (GtkDropTarget *target, const GValue *value, double x, double y, UiNewProjectWindow *self)
{
  g_autoptr (GListStore) files = g_list_store_new (G_TYPE_FILE);

  for (GSList *item = g_value_get_boxed (value); item != NULL; item = item->next)
    g_list_store_append (files, item->data);
  ui_new_project_window_add_files (self, G_LIST_MODEL (files));
  return TRUE;
}

/* Place */

void
ui_new_project_window_set_folder (UiNewProjectWindow *self, const char *folder)
{
  g_autofree char *text = g_markup_escape_text (folder, -1);

  g_free (self->folder);
  self->folder = g_strdup (folder);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->folder_row), text);
  update (self);
}

static void
folder_response_cb (GtkNativeDialog *dialog, int response, UiNewProjectWindow *self)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
      g_autofree char *path = g_file_get_path (file);

      if (path != NULL)
        ui_new_project_window_set_folder (self, path);
    }
  g_object_unref (dialog);
}

static void
choose_folder_cb (UiNewProjectWindow *self)
{
  choose (self, _ ("Where to Keep the Project"), GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER,
          G_CALLBACK (folder_response_cb));
}

/* Labels */

static void
remove_label_cb (GtkButton *button, UiNewProjectWindow *self)
{
  gtk_list_box_remove (GTK_LIST_BOX (self->label_list),
                       gtk_widget_get_ancestor (GTK_WIDGET (button), GTK_TYPE_LIST_BOX_ROW));
  update (self);
}

static void
add_label (UiNewProjectWindow *self, const char *name)
{
  GtkWidget *row = adw_entry_row_new ();
  GtkWidget *remove = gtk_button_new_from_icon_name ("list-remove-symbolic");

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ ("Name of the label"));
  gtk_editable_set_text (GTK_EDITABLE (row), name);
  gtk_widget_add_css_class (remove, "flat");
  gtk_widget_set_valign (remove, GTK_ALIGN_CENTER);
  gtk_widget_set_tooltip_text (remove, _ ("Remove this label"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (remove), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Remove this label"), -1);
  g_signal_connect (remove, "clicked", G_CALLBACK (remove_label_cb), self);
  adw_entry_row_add_suffix (ADW_ENTRY_ROW (row), remove);
  g_signal_connect_swapped (row, "changed", G_CALLBACK (update), self);
  gtk_list_box_append (GTK_LIST_BOX (self->label_list), row);
}

static void
add_label_cb (UiNewProjectWindow *self)
{
  add_label (self, "");
  update (self);
}

void
ui_new_project_window_need_labels (UiNewProjectWindow *self, int n_labels)
{
  int n = 0;

  while (gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->label_list), n) != NULL)
    n++;
  if (n_labels > MAX_SUGGESTED)
    return;
  for (n++; n <= n_labels; n++)
    {
      /* Translators: a name for the n-th label until a person gives it a better one */
      g_autofree char *name = g_strdup_printf (_ ("Structure %d"), n);

      add_label (self, name);
    }
  update (self);
}

/* End */

static void
create_cb (UiNewProjectWindow *self)
{
  ui_new_project_window_set_error (self, NULL);
  g_signal_emit (self, signals[CREATE], 0);
}

static void
cancel_cb (UiNewProjectWindow *self)
{
  gtk_window_close (GTK_WINDOW (self));
}

static gboolean
ui_new_project_window_close_request (GtkWindow *window)
{
  g_signal_emit (window, signals[CANCELLED], 0);
  return GTK_WINDOW_CLASS (ui_new_project_window_parent_class)->close_request (window);
}

static void
ui_new_project_window_finalize (GObject *object)
{
  UiNewProjectWindow *self = UI_NEW_PROJECT_WINDOW (object);

  g_ptr_array_unref (self->scans);
  g_free (self->folder);
  G_OBJECT_CLASS (ui_new_project_window_parent_class)->finalize (object);
}

static void
ui_new_project_window_class_init (UiNewProjectWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = ui_new_project_window_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = ui_new_project_window_close_request;
  gtk_widget_class_set_template_from_resource (
      widget_class, "/io/github/crosslabel/Crosslabel/ui/new-project-window.ui");
#define CHILD(name) gtk_widget_class_bind_template_child (widget_class, UiNewProjectWindow, name)
  CHILD (name);
  CHILD (folder_row);
  CHILD (scan_scroller);
  CHILD (scan_list);
  CHILD (scan_count);
  CHILD (label_list);
  CHILD (import_row);
  CHILD (import);
  CHILD (validation);
  CHILD (budget);
  CHILD (create);
  CHILD (progress);
  CHILD (error);
#undef CHILD
  gtk_widget_class_bind_template_callback (widget_class, update);
  gtk_widget_class_bind_template_callback (widget_class, validation_changed_cb);
  gtk_widget_class_bind_template_callback (widget_class, add_files_cb);
  gtk_widget_class_bind_template_callback (widget_class, add_folder_cb);
  gtk_widget_class_bind_template_callback (widget_class, choose_folder_cb);
  gtk_widget_class_bind_template_callback (widget_class, add_label_cb);
  gtk_widget_class_bind_template_callback (widget_class, create_cb);
  gtk_widget_class_bind_template_callback (widget_class, cancel_cb);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  signals[FILES_ADDED] = g_signal_new ("files-added", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST,
                                       0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_LIST_MODEL);
  signals[CREATE] = g_signal_new ("create", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
  signals[CANCELLED] = g_signal_new ("cancelled", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                     NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static GtkWidget *
make_placeholder (void)
{
  GtkWidget *label = gtk_label_new (_ ("No scans yet. Add files or a folder, or drop them here."));

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_justify (GTK_LABEL (label), GTK_JUSTIFY_CENTER);
  gtk_widget_add_css_class (label, "dim-label");
  gtk_widget_set_margin_top (label, 18);
  gtk_widget_set_margin_bottom (label, 18);
  gtk_widget_set_margin_start (label, 12);
  gtk_widget_set_margin_end (label, 12);
  return label;
}

static void
ui_new_project_window_init (UiNewProjectWindow *self)
{
  GtkDropTarget *target = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  self->scans = g_ptr_array_new_with_free_func ((GDestroyNotify) scan_free);
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (target, "drop", G_CALLBACK (drop_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (target));
  gtk_list_box_set_placeholder (GTK_LIST_BOX (self->scan_list), make_placeholder ());
  add_label (self, _ ("Structure"));
  update (self);
  gtk_window_set_focus (GTK_WINDOW (self), self->name);
}

UiNewProjectWindow *
ui_new_project_window_new (GtkWindow *parent)
{
  return g_object_new (UI_TYPE_NEW_PROJECT_WINDOW, "transient-for", parent, NULL);
}

void
ui_new_project_window_set_progress (UiNewProjectWindow *self, double fraction, const char *what)
{
  gboolean is_working = fraction >= 0;

  gtk_widget_set_visible (self->progress, is_working);
  gtk_widget_set_sensitive (self->create, !is_working);
  if (!is_working)
    return;
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), CLAMP (fraction, 0, 1));
  gtk_progress_bar_set_text (GTK_PROGRESS_BAR (self->progress), what);
}

void
ui_new_project_window_set_error (UiNewProjectWindow *self, const char *message)
{
  gtk_widget_set_visible (self->error, message != NULL);
  gtk_label_set_text (GTK_LABEL (self->error), message != NULL ? message : "");
}

char *
ui_new_project_window_get_path (UiNewProjectWindow *self)
{
  g_autofree char *file =
      g_strconcat (gtk_editable_get_text (GTK_EDITABLE (self->name)), ".crosslabel", NULL);

  return g_build_filename (self->folder, file, NULL);
}

static char **
collect (UiNewProjectWindow *self, gboolean labels)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint s = 0; s < self->scans->len; s++)
    {
      const Scan *scan = g_ptr_array_index (self->scans, s);

      if (scan->usable)
        g_strv_builder_add (builder, !labels                ? scan->path
                                     : scan->labels != NULL ? scan->labels
                                                            : "");
    }
  return g_strv_builder_end (builder);
}

char **
ui_new_project_window_get_scans (UiNewProjectWindow *self)
{
  return collect (self, FALSE);
}

char **
ui_new_project_window_get_scan_labels (UiNewProjectWindow *self)
{
  return collect (self, TRUE);
}

char **
ui_new_project_window_get_label_names (UiNewProjectWindow *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  GtkListBoxRow *row;

  for (int n = 0;
       (row = gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->label_list), n)) != NULL; n++)
    {
      g_autofree char *name = g_strdup (gtk_editable_get_text (GTK_EDITABLE (row)));

      g_strstrip (name);
      if (*name != '\0')
        g_strv_builder_add (builder, name);
    }
  return g_strv_builder_end (builder);
}

int
ui_new_project_window_get_n_validation (UiNewProjectWindow *self)
{
  return gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (self->validation));
}

int
ui_new_project_window_get_budget (UiNewProjectWindow *self)
{
  return gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (self->budget));
}

gboolean
ui_new_project_window_get_import_labels (UiNewProjectWindow *self)
{
  return gtk_widget_get_visible (self->import_row)
         && gtk_switch_get_active (GTK_SWITCH (self->import));
}
