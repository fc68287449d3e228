/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/review-list.h"

#include <glib/gi18n.h>

struct _UiReviewList
{
  GtkWidget parent_instance;

  GtkWidget *box, *list, *buttons;
  GListModel *items;
};

enum
{
  ACTIVATED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiReviewList, ui_review_list, GTK_TYPE_WIDGET)

/* Told by shape and word, not by colour alone. */
static const struct
{
  const char *icon, *name;
} decisions[] = {
  [UI_REVIEW_OPEN] = { NULL, N_ ("not looked at yet") },
  [UI_REVIEW_ACCEPTED] = { "object-select-symbolic", N_ ("accepted") },
  [UI_REVIEW_FIXED] = { "document-edit-symbolic", N_ ("fixed by hand") },
  [UI_REVIEW_UNSURE] = { "dialog-question-symbolic", N_ ("unsure") },
};

static void
refresh_row (GObject *item, GParamSpec *pspec, GtkWidget *row)
{
  GtkWidget *image = g_object_get_data (G_OBJECT (row), "image");
  g_autofree char *title = NULL, *detail = NULL, *name = NULL;
  int decision;

  g_object_get (item, "title", &title, "detail", &detail, "decision", &decision, NULL);
  decision = CLAMP (decision, 0, (int) G_N_ELEMENTS (decisions) - 1);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), detail);
  gtk_image_set_from_icon_name (GTK_IMAGE (image), decisions[decision].icon);
  gtk_widget_set_tooltip_text (image, _ (decisions[decision].name));
  name = g_strdup_printf ("%s, %s: %s", title, detail, _ (decisions[decision].name));
  gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static GtkWidget *
make_row (gpointer item, gpointer data)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *image = gtk_image_new ();

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 3);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), image);
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), TRUE);
  g_object_set_data (G_OBJECT (row), "image", image);
  g_signal_connect_object (item, "notify", G_CALLBACK (refresh_row), row, 0);
  refresh_row (item, NULL, row);
  return row;
}

static void
row_activated_cb (GtkListBox *list, GtkListBoxRow *row, UiReviewList *self)
{
  g_signal_emit (self, signals[ACTIVATED], 0, (guint) gtk_list_box_row_get_index (row));
}

static void
ui_review_list_dispose (GObject *object)
{
  UiReviewList *self = UI_REVIEW_LIST (object);

  if (self->box != NULL)
    ui_review_list_set_model (self, NULL);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_review_list_parent_class)->dispose (object);
}

static void
ui_review_list_class_init (UiReviewListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_review_list_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[ACTIVATED] = g_signal_new ("activated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                     NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT);
}

static void
add_button (UiReviewList *self, const char *label, const char *action, const char *tooltip)
{
  GtkWidget *button = gtk_button_new_with_label (label);

  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), action);
  gtk_widget_set_tooltip_text (button, tooltip);
  gtk_box_append (GTK_BOX (self->buttons), button);
}

static void
ui_review_list_init (UiReviewList *self)
{
  GtkWidget *placeholder = gtk_label_new (
      _ ("After a round: the places where the model contradicts itself, the worst first."));

  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->buttons = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  gtk_widget_add_css_class (self->buttons, "linked");
  gtk_box_set_homogeneous (GTK_BOX (self->buttons), TRUE);
  add_button (self, _ ("Accept"), "win.review-accept",
              _ ("The prediction is right here: it becomes the label where nothing is labelled yet "
                 "(Shift+A)"));
  add_button (self, _ ("Fix"), "win.review-fix",
              _ ("Take the prediction over here and correct it with the brush (Shift+F)"));
  add_button (self, _ ("Unsure"), "win.review-unsure",
              _ ("Leave it open, with a mark, and go to the next place (Shift+U)"));
  gtk_box_append (GTK_BOX (self->box), self->buttons);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_SINGLE);
  gtk_widget_add_css_class (self->list, "boxed-list");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Places to review"), -1);
  gtk_label_set_wrap (GTK_LABEL (placeholder), TRUE);
  /* Text makes the panel taller, not wider: the slices want the room. */
  gtk_label_set_max_width_chars (GTK_LABEL (placeholder), 24);
  gtk_widget_add_css_class (placeholder, "dim-label");
  gtk_widget_add_css_class (placeholder, "panel");
  gtk_list_box_set_placeholder (GTK_LIST_BOX (self->list), placeholder);
  gtk_box_append (GTK_BOX (self->box), self->list);
  g_signal_connect (self->list, "row-activated", G_CALLBACK (row_activated_cb), self);
}

GtkWidget *
ui_review_list_new (void)
{
  return g_object_new (UI_TYPE_REVIEW_LIST, NULL);
}

void
ui_review_list_set_model (UiReviewList *self, GListModel *items)
{
  gtk_list_box_bind_model (GTK_LIST_BOX (self->list), items, items != NULL ? make_row : NULL, NULL,
                           NULL);
  g_set_object (&self->items, items);
}

void
ui_review_list_set_current (UiReviewList *self, int position)
{
  GtkListBoxRow *row =
      position >= 0 ? gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), position) : NULL;

  gtk_list_box_select_row (GTK_LIST_BOX (self->list), row);
}
