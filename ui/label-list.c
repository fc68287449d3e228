/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/label-list.h"

#include "ui/label-row.h"

#include <glib/gi18n.h>

struct _UiLabelList
{
  GtkWidget parent_instance;

  GtkWidget *list; /* GtkListBox */
  GHashTable *volumes; /* id → double *, ml */
  gint64 active;
};

enum
{
  ACTIVATED,
  RENAME,
  RECOLOUR,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiLabelList, ui_label_list, GTK_TYPE_WIDGET)

static gint64
id_of (UiLabelRow *row)
{
  GObject *item = ui_label_row_get_item (row);
  gint64 id = -1;

  if (item != NULL)
    g_object_get (item, "id", &id, NULL);
  return id;
}

static UiLabelRow *
row_at (UiLabelList *self, int position)
{
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), position);

  return row != NULL ? UI_LABEL_ROW (gtk_list_box_row_get_child (row)) : NULL;
}

static void
rename_cb (UiLabelRow *row, const char *name, UiLabelList *self)
{
  g_signal_emit (self, signals[RENAME], 0, id_of (row), name);
}

static void
recolour_cb (UiLabelRow *row, const char *colour, UiLabelList *self)
{
  g_signal_emit (self, signals[RECOLOUR], 0, id_of (row), colour);
}

static GtkWidget *
make_row (gpointer item, gpointer data)
{
  UiLabelList *self = data;
  GtkWidget *row = ui_label_row_new ();
  double *ml;
  gint64 id;

  ui_label_row_bind (UI_LABEL_ROW (row), item);
  id = id_of (UI_LABEL_ROW (row));
  ml = g_hash_table_lookup (self->volumes, &id);
  ui_label_row_set_volume (UI_LABEL_ROW (row), ml != NULL ? *ml : 0);
  g_signal_connect (row, "rename", G_CALLBACK (rename_cb), self);
  g_signal_connect (row, "recolour", G_CALLBACK (recolour_cb), self);
  return row;
}

static void
row_selected_cb (GtkListBox *list, GtkListBoxRow *row, UiLabelList *self)
{
  gint64 id;

  if (row == NULL)
    return;
  id = id_of (UI_LABEL_ROW (gtk_list_box_row_get_child (row)));
  if (id == self->active)
    return;
  self->active = id;
  g_signal_emit (self, signals[ACTIVATED], 0, id);
}

static void
ui_label_list_dispose (GObject *object)
{
  UiLabelList *self = UI_LABEL_LIST (object);

  if (self->list != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->list, self);
      gtk_list_box_bind_model (GTK_LIST_BOX (self->list), NULL, NULL, NULL, NULL);
    }
  g_clear_pointer (&self->list, gtk_widget_unparent);
  g_clear_pointer (&self->volumes, g_hash_table_unref);
  G_OBJECT_CLASS (ui_label_list_parent_class)->dispose (object);
}

static void
ui_label_list_class_init (UiLabelListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_label_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[ACTIVATED] = g_signal_new ("activated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                     NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
  signals[RENAME] = g_signal_new ("rename", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 2, G_TYPE_INT64, G_TYPE_STRING);
  signals[RECOLOUR] = g_signal_new ("recolour", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                    NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_INT64, G_TYPE_STRING);
}

static void
ui_label_list_init (UiLabelList *self)
{
  self->volumes = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_BROWSE);
  gtk_widget_add_css_class (self->list, "boxed-list");
  gtk_widget_add_css_class (self->list, "label-list");
  gtk_widget_set_parent (self->list, GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Labels"), -1);
  g_signal_connect (self->list, "row-selected", G_CALLBACK (row_selected_cb), self);
}

GtkWidget *
ui_label_list_new (void)
{
  return g_object_new (UI_TYPE_LABEL_LIST, NULL);
}

void
ui_label_list_set_model (UiLabelList *self, GListModel *labels)
{
  g_hash_table_remove_all (self->volumes);
  gtk_list_box_bind_model (GTK_LIST_BOX (self->list), labels, labels != NULL ? make_row : NULL,
                           self, NULL);
}

void
ui_label_list_set_active (UiLabelList *self, gint64 id)
{
  UiLabelRow *row;

  self->active = id;
  for (int n = 0; (row = row_at (self, n)) != NULL; n++)
    if (id_of (row) == id)
      gtk_list_box_select_row (GTK_LIST_BOX (self->list),
                               gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), n));
}

void
ui_label_list_set_volume (UiLabelList *self, gint64 id, double ml)
{
  UiLabelRow *row;

  g_hash_table_insert (self->volumes, g_memdup2 (&id, sizeof id), g_memdup2 (&ml, sizeof ml));
  for (int n = 0; (row = row_at (self, n)) != NULL; n++)
    if (id_of (row) == id)
      ui_label_row_set_volume (row, ml);
}
