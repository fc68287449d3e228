/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/history-list.h"

#include "ui/history-row.h"

#include <glib/gi18n.h>

struct _UiHistoryList
{
  GtkWidget parent_instance;

  GtkWidget *scroller, *list, *empty;
  GtkSortListModel *sorted;
  GHashTable *rows; /* UiHistoryRow, bound */
  gint64 head;
};

enum
{
  JUMP,
  REVERT,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiHistoryList, ui_history_list, GTK_TYPE_WIDGET)

static gint64
id_of (gconstpointer item)
{
  gint64 id = 0;

  g_object_get ((gpointer) item, "id", &id, NULL);
  return id;
}

static int
newest_first (gconstpointer a, gconstpointer b, gpointer data)
{
  gint64 id_a = id_of (a), id_b = id_of (b);

  return id_a < id_b ? 1 : id_a > id_b ? -1 : 0;
}

static void
revert_cb (UiHistoryRow *row, gint64 id, UiHistoryList *self)
{
  g_signal_emit (self, signals[REVERT], 0, id);
}

static void
setup_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiHistoryList *self)
{
  GtkWidget *row = ui_history_row_new ();

  g_signal_connect (row, "revert", G_CALLBACK (revert_cb), self);
  gtk_list_item_set_child (item, row);
}

static void
bind_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiHistoryList *self)
{
  UiHistoryRow *row = UI_HISTORY_ROW (gtk_list_item_get_child (item));

  ui_history_row_set_head (row, self->head);
  ui_history_row_bind (row, gtk_list_item_get_item (item));
  g_hash_table_add (self->rows, row);
}

static void
unbind_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiHistoryList *self)
{
  UiHistoryRow *row = UI_HISTORY_ROW (gtk_list_item_get_child (item));

  g_hash_table_remove (self->rows, row);
  ui_history_row_bind (row, NULL);
}

static void
activate_cb (GtkListView *list, guint position, UiHistoryList *self)
{
  g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->sorted), position);

  if (item != NULL)
    g_signal_emit (self, signals[JUMP], 0, id_of (item));
}

static void
items_changed_cb (UiHistoryList *self)
{
  gboolean is_empty = g_list_model_get_n_items (G_LIST_MODEL (self->sorted)) == 0;

  gtk_widget_set_visible (self->empty, is_empty);
  gtk_widget_set_visible (self->scroller, !is_empty);
}

static void
ui_history_list_dispose (GObject *object)
{
  UiHistoryList *self = UI_HISTORY_LIST (object);

  if (self->list != NULL)
    gtk_list_view_set_model (GTK_LIST_VIEW (self->list), NULL);
  self->list = NULL;
  g_clear_pointer (&self->scroller, gtk_widget_unparent);
  g_clear_pointer (&self->empty, gtk_widget_unparent);
  if (self->sorted != NULL)
    g_signal_handlers_disconnect_by_data (self->sorted, self);
  g_clear_object (&self->sorted);
  g_clear_pointer (&self->rows, g_hash_table_unref);
  G_OBJECT_CLASS (ui_history_list_parent_class)->dispose (object);
}

static void
ui_history_list_class_init (UiHistoryListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_history_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[JUMP] = g_signal_new ("jump", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
  signals[REVERT] = g_signal_new ("revert", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
}

static void
ui_history_list_init (UiHistoryList *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  GtkNoSelection *selection;

  self->rows = g_hash_table_new (NULL, NULL);
  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), self);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), self);
  self->sorted =
      gtk_sort_list_model_new (NULL, GTK_SORTER (gtk_custom_sorter_new (newest_first, NULL, NULL)));
  selection = gtk_no_selection_new (g_object_ref (G_LIST_MODEL (self->sorted)));
  self->list = gtk_list_view_new (GTK_SELECTION_MODEL (selection), factory);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("History of edits"), -1);
  g_signal_connect (self->list, "activate", G_CALLBACK (activate_cb), self);
  self->scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (self->scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (self->scroller), 160);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (self->scroller), self->list);
  gtk_widget_set_parent (self->scroller, GTK_WIDGET (self));
  self->empty = gtk_label_new (_ ("No edits yet"));
  gtk_widget_set_valign (self->empty, GTK_ALIGN_START);
  gtk_widget_add_css_class (self->empty, "dim-label");
  gtk_widget_set_parent (self->empty, GTK_WIDGET (self));
  g_signal_connect_swapped (self->sorted, "items-changed", G_CALLBACK (items_changed_cb), self);
  items_changed_cb (self);
}

GtkWidget *
ui_history_list_new (void)
{
  return g_object_new (UI_TYPE_HISTORY_LIST, NULL);
}

void
ui_history_list_set_model (UiHistoryList *self, GListModel *history)
{
  gtk_sort_list_model_set_model (self->sorted, history);
}

char *
ui_history_list_describe (UiHistoryList *self, gint64 id)
{
  GListModel *model = G_LIST_MODEL (self->sorted);
  guint n = g_list_model_get_n_items (model);

  /* Newest first, and what is asked for is mostly new. */
  for (guint e = 0; e < n; e++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (model, e);
      g_autofree char *tool = NULL;
      int provenance;

      if (id_of (item) != id)
        continue;
      g_object_get (item, "tool", &tool, "provenance", &provenance, NULL);
      return ui_history_row_describe (tool, provenance);
    }
  return NULL;
}

void
ui_history_list_set_head (UiHistoryList *self, gint64 id)
{
  GHashTableIter iter;
  gpointer row;

  self->head = id;
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, &row, NULL))
    ui_history_row_set_head (row, id);
}
