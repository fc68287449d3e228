/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/rounds-window.h"

#include <glib/gi18n.h>
#include <math.h>

struct _UiRoundsWindow
{
  AdwWindow parent_instance;

  GListModel *rounds;
  GtkWidget *list, *losses, *dice, *learning;
  gint64 chosen;
};

enum
{
  CHOSEN,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiRoundsWindow, ui_rounds_window, ADW_TYPE_WINDOW)

static const char *
state_name (int state)
{
  static const char *const names[] = { N_ ("prepared"),  N_ ("training"), N_ ("predicting"),
                                       N_ ("selecting"), N_ ("done"),     N_ ("failed"),
                                       N_ ("cancelled") };

  return (unsigned) state < G_N_ELEMENTS (names) ? _ (names[state]) : "";
}

static void
refresh_row (GObject *item, GParamSpec *pspec, GtkWidget *row)
{
  g_autofree char *method = NULL, *title = NULL, *subtitle = NULL, *message = NULL;
  gint64 id, step, n_steps;
  int state, n_labelled;
  double dice, seconds;

  g_object_get (item, "id", &id, "method", &method, "state", &state, "n-labelled", &n_labelled,
                "step", &step, "n-steps", &n_steps, "dice", &dice, "seconds", &seconds, "message",
                &message, NULL);
  /* Translators: number of the round, method, state */
  title = g_strdup_printf (_ ("Round %d: %s, %s"), (int) id, method, state_name (state));
  if (isfinite (dice))
    subtitle = g_strdup_printf (_ ("Dice %.3f, %d scans labelled, step %d of %d, %.1f min"), dice,
                                n_labelled, (int) step, (int) n_steps, seconds / 60);
  else
    subtitle = g_strdup_printf (_ ("%d scans labelled, step %d of %d, %.1f min"), n_labelled,
                                (int) step, (int) n_steps, seconds / 60);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  gtk_widget_set_tooltip_text (row, message);
}

static GtkWidget *
make_row (gpointer item, gpointer data)
{
  GtkWidget *row = adw_action_row_new ();
  gint64 id;

  g_object_get (item, "id", &id, NULL);
  g_object_set_data_full (G_OBJECT (row), "id", g_memdup2 (&id, sizeof id), g_free);
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), TRUE);
  g_signal_connect_object (item, "notify", G_CALLBACK (refresh_row), row, 0);
  refresh_row (item, NULL, row);
  return row;
}

static void
row_selected_cb (GtkListBox *list, GtkListBoxRow *row, UiRoundsWindow *self)
{
  if (row == NULL)
    return;
  self->chosen = *(gint64 *) g_object_get_data (G_OBJECT (row), "id");
  ui_curve_view_clear (UI_CURVE_VIEW (self->losses));
  ui_curve_view_clear (UI_CURVE_VIEW (self->dice));
  g_signal_emit (self, signals[CHOSEN], 0, self->chosen);
}

/* Dice over the expert's minutes, all rounds in one picture. */
static void
update_learning (UiRoundsWindow *self)
{
  guint n = g_list_model_get_n_items (self->rounds);
  g_autofree double *minutes = g_new (double, n + 1), *dice = g_new (double, n + 1);

  for (guint r = 0; r < n; r++)
    {
      g_autoptr (GObject) round = g_list_model_get_item (self->rounds, r);

      g_object_get (round, "expert-seconds", &minutes[r], "dice", &dice[r], NULL);
      minutes[r] /= 60;
    }
  ui_curve_view_set_curve (UI_CURVE_VIEW (self->learning), _ ("Dice"), minutes, dice, n);
}

static void
ui_rounds_window_dispose (GObject *object)
{
  UiRoundsWindow *self = UI_ROUNDS_WINDOW (object);

  if (self->rounds != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->rounds, self);
      g_signal_handlers_disconnect_by_data (self->list, self);
      gtk_list_box_bind_model (GTK_LIST_BOX (self->list), NULL, NULL, NULL, NULL);
    }
  g_clear_object (&self->rounds);
  G_OBJECT_CLASS (ui_rounds_window_parent_class)->dispose (object);
}

static void
ui_rounds_window_class_init (UiRoundsWindowClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_rounds_window_dispose;
  gtk_widget_class_add_binding_action (GTK_WIDGET_CLASS (klass), GDK_KEY_Escape, 0, "window.close",
                                       NULL);
  signals[CHOSEN] = g_signal_new ("chosen", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
}

static void
ui_rounds_window_init (UiRoundsWindow *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *content = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget *scroller = gtk_scrolled_window_new ();

  gtk_window_set_title (GTK_WINDOW (self), _ ("Rounds"));
  gtk_window_set_default_size (GTK_WINDOW (self), 720, 780);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  self->list = gtk_list_box_new ();
  gtk_widget_add_css_class (self->list, "boxed-list");
  gtk_list_box_set_placeholder (GTK_LIST_BOX (self->list),
                                gtk_label_new (_ ("No round yet. Sign slices of some cases, then "
                                                  "choose Training ▸ Start Round.")));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Rounds"), -1);
  self->losses = ui_curve_view_new (_ ("Losses"), _ ("step"));
  self->dice = ui_curve_view_new (_ ("Validation Dice"), _ ("step"));
  ui_curve_view_set_range (UI_CURVE_VIEW (self->dice), 0, 1);
  self->learning = ui_curve_view_new (_ ("All rounds"), _ ("minutes of labelling"));
  ui_curve_view_set_range (UI_CURVE_VIEW (self->learning), 0, 1);
  gtk_widget_add_css_class (content, "panel");
  gtk_box_append (GTK_BOX (content), self->list);
  gtk_box_append (GTK_BOX (content), self->losses);
  gtk_box_append (GTK_BOX (content), self->dice);
  gtk_box_append (GTK_BOX (content), self->learning);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), content);
  gtk_widget_set_vexpand (scroller, TRUE);
  gtk_box_append (GTK_BOX (box), scroller);
  adw_window_set_content (ADW_WINDOW (self), box);
  g_signal_connect (self->list, "row-selected", G_CALLBACK (row_selected_cb), self);
}

UiRoundsWindow *
ui_rounds_window_new (GtkWindow *parent, GListModel *rounds)
{
  UiRoundsWindow *self = g_object_new (UI_TYPE_ROUNDS_WINDOW, "transient-for", parent, NULL);

  self->rounds = g_object_ref (rounds);
  gtk_list_box_bind_model (GTK_LIST_BOX (self->list), rounds, make_row, self, NULL);
  g_signal_connect_swapped (rounds, "items-changed", G_CALLBACK (update_learning), self);
  update_learning (self);
  return self;
}

UiCurveView *
ui_rounds_window_get_losses (UiRoundsWindow *self)
{
  return UI_CURVE_VIEW (self->losses);
}

UiCurveView *
ui_rounds_window_get_dice (UiRoundsWindow *self)
{
  return UI_CURVE_VIEW (self->dice);
}

gint64
ui_rounds_window_get_chosen (UiRoundsWindow *self)
{
  return self->chosen;
}
