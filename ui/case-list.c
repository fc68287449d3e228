/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/case-list.h"

#include "ui/case-row.h"

#include <glib/gi18n.h>
#include <string.h>

typedef enum
{
  FILTER_ALL,
  FILTER_TO_LABEL,
  FILTER_STARTED,
  FILTER_DONE,
  FILTER_VALIDATION,
} Filter;

struct _UiCaseList
{
  GtkWidget parent_instance;

  GtkWidget *box, *search, *filter, *list, *empty, *stack;
  GtkFilter *custom;
  GtkFilterListModel *filtered;
  GtkSingleSelection *selection;
  GHashTable *thumbnails; /* id → GdkPaintable; NULL: asked for */
  GHashTable *rows; /* UiCaseRow → id */
  gint64 current;
  gboolean selecting;
};

enum
{
  ACTIVATED,
  THUMBNAIL_WANTED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiCaseList, ui_case_list, GTK_TYPE_WIDGET)

static gint64
id_of (gpointer item)
{
  gint64 id = -1;

  if (item != NULL)
    g_object_get (item, "id", &id, NULL);
  return id;
}

/* Search and filter */

static gboolean
matches_filter (gpointer item, Filter filter)
{
  int state;
  gboolean validation;

  g_object_get (item, "state", &state, "validation", &validation, NULL);
  switch (filter)
    {
    case FILTER_TO_LABEL:
      return state == UI_CASE_PROPOSED || state == UI_CASE_STARTED;
    case FILTER_STARTED:
      return state == UI_CASE_STARTED;
    case FILTER_DONE:
      return state >= UI_CASE_SIGNED;
    case FILTER_VALIDATION:
      return validation;
    default:
      return TRUE;
    }
}

static gboolean
matches_cb (gpointer item, gpointer data)
{
  UiCaseList *self = data;
  const char *text = gtk_editable_get_text (GTK_EDITABLE (self->search));
  g_autofree char *name = NULL, *folded = NULL, *wanted = NULL;

  if (!matches_filter (item, gtk_drop_down_get_selected (GTK_DROP_DOWN (self->filter))))
    return FALSE;
  if (*text == '\0')
    return TRUE;
  g_object_get (item, "name", &name, NULL);
  folded = g_utf8_casefold (name != NULL ? name : "", -1);
  wanted = g_utf8_casefold (text, -1);
  return strstr (folded, wanted) != NULL;
}

static void
show_emptiness (UiCaseList *self)
{
  gboolean is_empty = g_list_model_get_n_items (G_LIST_MODEL (self->filtered)) == 0;

  gtk_stack_set_visible_child_name (GTK_STACK (self->stack), is_empty ? "empty" : "list");
}

static void
mark_current (UiCaseList *self)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->filtered));

  self->selecting = TRUE;
  gtk_single_selection_set_selected (self->selection, GTK_INVALID_LIST_POSITION);
  for (guint position = 0; position < n; position++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->filtered), position);

      if (id_of (item) == self->current)
        gtk_single_selection_set_selected (self->selection, position);
    }
  self->selecting = FALSE;
}

static void
filter_changed_cb (UiCaseList *self)
{
  gtk_filter_changed (self->custom, GTK_FILTER_CHANGE_DIFFERENT);
  show_emptiness (self);
  mark_current (self);
}

static void
activate_cb (GtkListView *list, guint position, UiCaseList *self)
{
  g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->filtered), position);

  if (item != NULL)
    g_signal_emit (self, signals[ACTIVATED], 0, id_of (item));
}

/* Rows */

static void
setup_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiCaseList *self)
{
  gtk_list_item_set_child (item, ui_case_row_new ());
}

static void
bind_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiCaseList *self)
{
  UiCaseRow *row = UI_CASE_ROW (gtk_list_item_get_child (item));
  GObject *object = gtk_list_item_get_item (item);
  gint64 id = id_of (object);
  gpointer thumbnail = NULL;

  ui_case_row_bind (row, object);
  g_hash_table_insert (self->rows, row, g_memdup2 (&id, sizeof id));
  if (g_hash_table_lookup_extended (self->thumbnails, &id, NULL, &thumbnail))
    {
      ui_case_row_set_thumbnail (row, thumbnail);
      return;
    }
  ui_case_row_set_thumbnail (row, NULL);
  g_hash_table_insert (self->thumbnails, g_memdup2 (&id, sizeof id), NULL);
  g_signal_emit (self, signals[THUMBNAIL_WANTED], 0, id);
}

static void
unbind_cb (GtkSignalListItemFactory *factory, GtkListItem *item, UiCaseList *self)
{
  UiCaseRow *row = UI_CASE_ROW (gtk_list_item_get_child (item));

  g_hash_table_remove (self->rows, row);
  ui_case_row_bind (row, NULL);
}

static void
clear_object (gpointer object)
{
  if (object != NULL)
    g_object_unref (object);
}

static void
ui_case_list_dispose (GObject *object)
{
  UiCaseList *self = UI_CASE_LIST (object);

  if (self->list != NULL)
    gtk_list_view_set_model (GTK_LIST_VIEW (self->list), NULL);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  self->list = NULL;
  g_clear_object (&self->selection);
  g_clear_object (&self->filtered);
  g_clear_pointer (&self->thumbnails, g_hash_table_unref);
  g_clear_pointer (&self->rows, g_hash_table_unref);
  G_OBJECT_CLASS (ui_case_list_parent_class)->dispose (object);
}

static void
ui_case_list_class_init (UiCaseListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_case_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[ACTIVATED] = g_signal_new ("activated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                     NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
  signals[THUMBNAIL_WANTED] =
      g_signal_new ("thumbnail-wanted", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                    NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
}

static void
build_header (UiCaseList *self)
{
  const char *const filters[] = { _ ("All cases"), _ ("To label"),   _ ("Started"),
                                  _ ("Done"),      _ ("Validation"), NULL };
  GtkWidget *header = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);

  gtk_widget_add_css_class (header, "case-list-header");
  self->search = gtk_search_entry_new ();
  g_object_set (self->search, "placeholder-text", _ ("Search cases"), NULL);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->search), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Search cases"), -1);
  self->filter = gtk_drop_down_new_from_strings (filters);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->filter), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Which cases are shown"), -1);
  gtk_box_append (GTK_BOX (header), self->search);
  gtk_box_append (GTK_BOX (header), self->filter);
  gtk_box_append (GTK_BOX (self->box), header);
}

static void
build_list (UiCaseList *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  GtkWidget *scroller = gtk_scrolled_window_new ();

  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), self);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), self);
  self->custom = GTK_FILTER (gtk_custom_filter_new (matches_cb, self, NULL));
  self->filtered = gtk_filter_list_model_new (NULL, self->custom);
  self->selection = gtk_single_selection_new (g_object_ref (G_LIST_MODEL (self->filtered)));
  gtk_single_selection_set_autoselect (self->selection, FALSE);
  gtk_single_selection_set_can_unselect (self->selection, TRUE);
  self->list = gtk_list_view_new (g_object_ref (GTK_SELECTION_MODEL (self->selection)), factory);
  gtk_list_view_set_single_click_activate (GTK_LIST_VIEW (self->list), TRUE);
  gtk_widget_add_css_class (self->list, "navigation-sidebar");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Cases"), -1);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), self->list);
  gtk_widget_set_vexpand (scroller, TRUE);
  self->empty = adw_status_page_new ();
  adw_status_page_set_icon_name (ADW_STATUS_PAGE (self->empty), "edit-find-symbolic");
  adw_status_page_set_title (ADW_STATUS_PAGE (self->empty), _ ("No Such Case"));
  gtk_widget_add_css_class (self->empty, "compact");
  self->stack = gtk_stack_new ();
  gtk_stack_add_named (GTK_STACK (self->stack), scroller, "list");
  gtk_stack_add_named (GTK_STACK (self->stack), self->empty, "empty");
  gtk_box_append (GTK_BOX (self->box), self->stack);
}

static void
ui_case_list_init (UiCaseList *self)
{
  self->thumbnails = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, clear_object);
  self->rows = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->current = -1;
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  build_header (self);
  build_list (self);
  g_signal_connect_swapped (self->search, "search-changed", G_CALLBACK (filter_changed_cb), self);
  g_signal_connect_swapped (self->filter, "notify::selected", G_CALLBACK (filter_changed_cb), self);
  g_signal_connect (self->list, "activate", G_CALLBACK (activate_cb), self);
}

GtkWidget *
ui_case_list_new (void)
{
  return g_object_new (UI_TYPE_CASE_LIST, NULL);
}

void
ui_case_list_set_model (UiCaseList *self, GListModel *cases)
{
  g_hash_table_remove_all (self->thumbnails);
  gtk_filter_list_model_set_model (self->filtered, cases);
  show_emptiness (self);
}

void
ui_case_list_set_current (UiCaseList *self, gint64 id)
{
  self->current = id;
  mark_current (self);
}

void
ui_case_list_set_thumbnail (UiCaseList *self, gint64 id, GdkPaintable *thumbnail)
{
  GHashTableIter iter;
  gpointer row, row_id;

  g_hash_table_insert (self->thumbnails, g_memdup2 (&id, sizeof id),
                       thumbnail != NULL ? g_object_ref (thumbnail) : NULL);
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, &row, &row_id))
    if (*(gint64 *) row_id == id)
      ui_case_row_set_thumbnail (row, thumbnail);
}

void
ui_case_list_focus_search (UiCaseList *self)
{
  gtk_widget_grab_focus (self->search);
}
