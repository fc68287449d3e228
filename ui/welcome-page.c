/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/welcome-page.h"

#include <glib/gi18n.h>
#include <string.h>

struct _UiWelcomePage
{
  GtkWidget parent_instance;

  GtkWidget *page; /* template children */
  GtkWidget *recent_group, *recent_list;
};

enum
{
  OPEN,
  DROPPED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiWelcomePage, ui_welcome_page, GTK_TYPE_WIDGET)

static void
row_activated_cb (GtkListBox *list, GtkListBoxRow *row, UiWelcomePage *self)
{
  const char *path = g_object_get_data (G_OBJECT (row), "path");

  g_signal_emit (self, signals[OPEN], 0, path);
}

static gboolean
drop_cb (GtkDropTarget *target, const GValue *value, double x, double y, UiWelcomePage *self)
{
  g_autoptr (GListStore) files = g_list_store_new (G_TYPE_FILE);
  GSList *list = g_value_get_boxed (value);

  for (GSList *item = list; item != NULL; item = item->next)
    g_list_store_append (files, item->data);
  if (list == NULL)
    return FALSE;
  g_signal_emit (self, signals[DROPPED], 0, files);
  return TRUE;
}

static void
ui_welcome_page_dispose (GObject *object)
{
  UiWelcomePage *self = UI_WELCOME_PAGE (object);

  g_clear_pointer (&self->page, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_welcome_page_parent_class)->dispose (object);
}

static void
ui_welcome_page_class_init (UiWelcomePageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = ui_welcome_page_dispose;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_template_from_resource (
      widget_class, "/io/github/crosslabel/Crosslabel/ui/welcome-page.ui");
  gtk_widget_class_bind_template_child (widget_class, UiWelcomePage, page);
  gtk_widget_class_bind_template_child (widget_class, UiWelcomePage, recent_group);
  gtk_widget_class_bind_template_child (widget_class, UiWelcomePage, recent_list);
  gtk_widget_class_bind_template_callback (widget_class, row_activated_cb);
  signals[OPEN] = g_signal_new ("open", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[DROPPED] = g_signal_new ("dropped", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_LIST_MODEL);
}

static void
ui_welcome_page_init (UiWelcomePage *self)
{
  GtkDropTarget *target = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (target, "drop", G_CALLBACK (drop_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (target));
}

static GtkWidget *
recent_row (const char *path)
{
  GtkWidget *row = adw_action_row_new ();
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = NULL, *title = NULL, *subtitle = NULL;

  name = g_str_has_suffix (base, ".crosslabel")
             ? g_strndup (base, strlen (base) - strlen (".crosslabel"))
             : g_strdup (base);
  title = g_markup_escape_text (name, -1);
  subtitle = g_markup_escape_text (folder, -1);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row),
                             gtk_image_new_from_icon_name ("go-next-symbolic"));
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), TRUE);
  g_object_set_data_full (G_OBJECT (row), "path", g_strdup (path), g_free);
  return row;
}

void
ui_welcome_page_set_recent (UiWelcomePage *self, const char *const *paths)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (self->recent_list)) != NULL)
    gtk_list_box_remove (GTK_LIST_BOX (self->recent_list), child);
  for (int p = 0; paths != NULL && paths[p] != NULL; p++)
    gtk_list_box_append (GTK_LIST_BOX (self->recent_list), recent_row (paths[p]));
  gtk_widget_set_visible (self->recent_group, paths != NULL && paths[0] != NULL);
}
