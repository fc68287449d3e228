/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/rounds-window.h"

#include <glib/gi18n.h>
#include <math.h>

/* Of DbRoundState: from here on a round is over. */
#define STATE_DONE 4
#define STATE_FAILED 5

struct _UiRoundsWindow
{
  AdwWindow parent_instance;

  GListModel *rounds;
  GtkWidget *list, *curves, *compare, *losses, *dice, *rate, *by_minutes, *by_scans;
  GtkStringList *compare_names;
  gint64 chosen, current_model, resumable;
};

enum
{
  CHOSEN,
  COMPARED,
  USE,
  RESUME,
  REPORT,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiRoundsWindow, ui_rounds_window, ADW_TYPE_WINDOW)

/* A row and what it shows; the row keeps it. */
typedef struct
{
  UiRoundsWindow *window;
  GObject *round;
  gint64 id;
  GtkWidget *row, *in_use, *use, *resume, *report;
} Row;

static const char *
state_name (int state)
{
  static const char *const names[] = { N_ ("prepared"),  N_ ("training"), N_ ("predicting"),
                                       N_ ("selecting"), N_ ("done"),     N_ ("failed"),
                                       N_ ("cancelled") };

  return (unsigned) state < G_N_ELEMENTS (names) ? _ (names[state]) : "";
}

/* Dice of the last round before @id that has one; NaN without. */
static double
dice_before (UiRoundsWindow *self, gint64 id)
{
  double before = NAN;

  for (guint r = 0; r < g_list_model_get_n_items (self->rounds); r++)
    {
      g_autoptr (GObject) round = g_list_model_get_item (self->rounds, r);
      gint64 its_id;
      double dice;

      g_object_get (round, "id", &its_id, "dice", &dice, NULL);
      if (its_id < id && isfinite (dice))
        before = dice;
    }
  return before;
}

static void
append_dice (GString *text, double dice, double before)
{
  if (!isfinite (dice))
    return;
  if (isfinite (before))
    /* Translators: validation Dice of a round, and the difference to the round before */
    g_string_append_printf (text, _ ("Dice %.3f (%+.3f)"), dice, dice - before);
  else
    g_string_append_printf (text, _ ("Dice %.3f"), dice);
  g_string_append (text, " · ");
}

static void
refresh_row (Row *self)
{
  GString *text = g_string_new (NULL);
  g_autofree char *method = NULL, *title = NULL, *message = NULL;
  gint64 step, n_steps, model;
  int state, n_labelled;
  double dice, seconds, expert;

  g_object_get (self->round, "method", &method, "state", &state, "n-labelled", &n_labelled, "step",
                &step, "n-steps", &n_steps, "dice", &dice, "seconds", &seconds, "message", &message,
                "model", &model, "expert-seconds", &expert, NULL);
  /* Translators: number of the round, method, state */
  title = g_strdup_printf (_ ("Round %d: %s, %s"), (int) self->id, method, state_name (state));
  append_dice (text, dice, dice_before (self->window, self->id));
  g_string_append_printf (
      text,
      /* Translators: scans with labels, minutes of the expert, steps, minutes of computing */
      ngettext ("%d scan labelled in %.1f min · step %d of %d · computed %.1f min",
                "%d scans labelled in %.1f min · step %d of %d · computed %.1f min", n_labelled),
      n_labelled, expert / 60, (int) step, (int) n_steps, seconds / 60);
  if (message != NULL && *message != '\0' && state >= STATE_FAILED)
    g_string_append_printf (text, "\n%s", message);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->row), text->str);
  gtk_widget_set_visible (self->in_use, model != 0 && model == self->window->current_model);
  gtk_widget_set_visible (self->use, model != 0 && model != self->window->current_model
                                         && state >= STATE_DONE);
  gtk_widget_set_visible (self->resume, self->id == self->window->resumable);
  gtk_widget_set_visible (self->report, state >= STATE_DONE);
  g_string_free (text, TRUE);
}

/* What the labelling brought: Dice over the expert's minutes and over labelled scans. */
static void
update_learning (UiRoundsWindow *self)
{
  guint n = g_list_model_get_n_items (self->rounds);
  g_autofree double *minutes = g_new (double, n + 1), *scans = g_new (double, n + 1),
                    *dice = g_new (double, n + 1);

  for (guint r = 0; r < n; r++)
    {
      g_autoptr (GObject) round = g_list_model_get_item (self->rounds, r);
      int n_labelled;

      g_object_get (round, "expert-seconds", &minutes[r], "dice", &dice[r], "n-labelled",
                    &n_labelled, NULL);
      minutes[r] /= 60;
      scans[r] = n_labelled;
    }
  ui_curve_view_set_curve (UI_CURVE_VIEW (self->by_minutes), _ ("Dice"), minutes, dice, n);
  ui_curve_view_set_curve (UI_CURVE_VIEW (self->by_scans), _ ("Dice"), scans, dice, n);
}

static void
use_cb (GtkButton *button, Row *self)
{
  g_signal_emit (self->window, signals[USE], 0, self->id);
}

static void
resume_cb (GtkButton *button, Row *self)
{
  g_signal_emit (self->window, signals[RESUME], 0, self->id);
}

static void
report_cb (GtkButton *button, Row *self)
{
  g_signal_emit (self->window, signals[REPORT], 0, self->id);
}

static GtkWidget *
add_button (Row *self, const char *label, const char *tooltip, gpointer callback)
{
  GtkWidget *button = gtk_button_new_with_label (label);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_set_tooltip_text (button, tooltip);
  g_signal_connect (button, "clicked", G_CALLBACK (callback), self);
  adw_action_row_add_suffix (ADW_ACTION_ROW (self->row), button);
  return button;
}

static void
row_free (gpointer data)
{
  Row *self = data;

  g_signal_handlers_disconnect_by_data (self->round, self);
  g_object_unref (self->round);
  g_free (self);
}

static GtkWidget *
make_row (gpointer item, gpointer data)
{
  Row *self = g_new0 (Row, 1);

  self->window = data;
  self->round = g_object_ref (item);
  self->row = adw_action_row_new ();
  g_object_get (item, "id", &self->id, NULL);
  g_object_set_data_full (G_OBJECT (self->row), "row", self, row_free);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->row), FALSE);
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (self->row), 4);
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (self->row), TRUE);
  self->in_use = gtk_label_new (_ ("In use"));
  gtk_widget_add_css_class (self->in_use, "validation-badge");
  gtk_widget_set_valign (self->in_use, GTK_ALIGN_CENTER);
  gtk_widget_set_tooltip_text (self->in_use,
                               _ ("This round's model predicts, proposes and is accepted from"));
  adw_action_row_add_suffix (ADW_ACTION_ROW (self->row), self->in_use);
  self->resume =
      add_button (self, _ ("Go On"), _ ("Go on exactly where this round stood"), resume_cb);
  self->use =
      add_button (self, _ ("Go Back to This"),
                  _ ("Predict and propose with this round's model; nothing is lost, and you "
                     "can change back at any time"),
                  use_cb);
  self->report = add_button (self, _ ("Report…"), _ ("Write this round's report"), report_cb);
  gtk_widget_add_css_class (self->report, "flat");
  g_signal_connect_swapped (item, "notify", G_CALLBACK (refresh_row), self);
  g_signal_connect_object (item, "notify::dice", G_CALLBACK (update_learning), self->window,
                           G_CONNECT_SWAPPED);
  refresh_row (self);
  return self->row;
}

static Row *
row_at (UiRoundsWindow *self, guint position)
{
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), (int) position);

  return row != NULL ? g_object_get_data (G_OBJECT (row), "row") : NULL;
}

static void
refresh_rows (UiRoundsWindow *self)
{
  for (guint r = 0; r < g_list_model_get_n_items (self->rounds); r++)
    {
      Row *row = row_at (self, r);

      if (row != NULL)
        refresh_row (row);
    }
}

static void
clear_curves (UiRoundsWindow *self)
{
  ui_curve_view_clear (UI_CURVE_VIEW (self->losses));
  ui_curve_view_clear (UI_CURVE_VIEW (self->dice));
  ui_curve_view_clear (UI_CURVE_VIEW (self->rate));
}

static void
row_selected_cb (GtkListBox *list, GtkListBoxRow *widget, UiRoundsWindow *self)
{
  Row *row = widget != NULL ? g_object_get_data (G_OBJECT (widget), "row") : NULL;

  if (row == NULL || row->id == self->chosen)
    return;
  self->chosen = row->id;
  clear_curves (self);
  g_signal_emit (self, signals[CHOSEN], 0, self->chosen);
}

static void
compared_cb (UiRoundsWindow *self)
{
  clear_curves (self);
  g_signal_emit (self, signals[COMPARED], 0, ui_rounds_window_get_compared (self));
}

static void
update_compare (UiRoundsWindow *self)
{
  guint n = g_list_model_get_n_items (self->rounds);

  gtk_string_list_splice (self->compare_names, 1,
                          g_list_model_get_n_items (G_LIST_MODEL (self->compare_names)) - 1, NULL);
  for (guint r = 0; r < n; r++)
    {
      g_autoptr (GObject) round = g_list_model_get_item (self->rounds, r);
      g_autofree char *name = NULL;
      gint64 id;

      g_object_get (round, "id", &id, NULL);
      name = g_strdup_printf (_ ("Round %d"), (int) id);
      gtk_string_list_append (self->compare_names, name);
    }
}

static void
rounds_changed_cb (UiRoundsWindow *self, guint position, guint n_removed, guint n_added)
{
  guint n = g_list_model_get_n_items (self->rounds);

  gtk_widget_set_visible (self->curves, n > 0); /* empty axes say nothing */
  update_learning (self);
  /* The store tells of a changed row by notify; here rows came. */
  if (n_added == n_removed)
    return;
  update_compare (self);
  if (n > 0)
    gtk_list_box_select_row (
        GTK_LIST_BOX (self->list),
        gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), (int) n - 1));
}

static void
ui_rounds_window_dispose (GObject *object)
{
  UiRoundsWindow *self = UI_ROUNDS_WINDOW (object);

  if (self->rounds != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->rounds, self);
      g_signal_handlers_disconnect_by_data (self->list, self);
      g_signal_handlers_disconnect_by_data (self->compare, self);
      gtk_list_box_bind_model (GTK_LIST_BOX (self->list), NULL, NULL, NULL, NULL);
    }
  g_clear_object (&self->rounds);
  G_OBJECT_CLASS (ui_rounds_window_parent_class)->dispose (object);
}

static void
ui_rounds_window_class_init (UiRoundsWindowClass *klass)
{
  static const char *const names[N_SIGNALS] = { "chosen", "compared", "use", "resume", "report" };

  G_OBJECT_CLASS (klass)->dispose = ui_rounds_window_dispose;
  gtk_widget_class_add_binding_action (GTK_WIDGET_CLASS (klass), GDK_KEY_Escape, 0, "window.close",
                                       NULL);
  for (int s = 0; s < N_SIGNALS; s++)
    signals[s] = g_signal_new (names[s], G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                               NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
}

static GtkWidget *
build_list (UiRoundsWindow *self)
{
  GtkWidget *placeholder = gtk_label_new (
      _ ("No round yet. Sign slices of some cases, then choose Training ▸ Start Round."));

  self->list = gtk_list_box_new ();
  gtk_widget_add_css_class (self->list, "boxed-list");
  gtk_widget_add_css_class (placeholder, "panel");
  gtk_list_box_set_placeholder (GTK_LIST_BOX (self->list), placeholder);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Rounds"), -1);
  g_signal_connect (self->list, "row-selected", G_CALLBACK (row_selected_cb), self);
  return self->list;
}

static GtkWidget *
build_compare (UiRoundsWindow *self)
{
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  const char *const names[] = { _ ("no other round"), NULL };

  self->compare_names = gtk_string_list_new (names);
  self->compare = gtk_drop_down_new (G_LIST_MODEL (self->compare_names), NULL);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->compare), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Compare the curves with"), -1);
  g_signal_connect_swapped (self->compare, "notify::selected", G_CALLBACK (compared_cb), self);
  gtk_box_append (GTK_BOX (line), gtk_label_new (_ ("Compare the curves with")));
  gtk_box_append (GTK_BOX (line), self->compare);
  return line;
}

static GtkWidget *
build_charts (UiRoundsWindow *self)
{
  GtkWidget *grid = gtk_grid_new ();

  self->losses = ui_curve_view_new (_ ("Losses"), _ ("step"));
  self->dice = ui_curve_view_new (_ ("Validation Dice"), _ ("step"));
  self->rate = ui_curve_view_new (_ ("Learning rate"), _ ("step"));
  self->by_minutes = ui_curve_view_new (_ ("All rounds"), _ ("minutes of labelling"));
  self->by_scans = ui_curve_view_new (_ ("All rounds"), _ ("labelled scans"));
  ui_curve_view_set_range (UI_CURVE_VIEW (self->dice), 0, 1);
  ui_curve_view_set_range (UI_CURVE_VIEW (self->by_minutes), 0, 1);
  ui_curve_view_set_range (UI_CURVE_VIEW (self->by_scans), 0, 1);
  gtk_grid_set_column_homogeneous (GTK_GRID (grid), TRUE);
  gtk_grid_set_column_spacing (GTK_GRID (grid), 18);
  gtk_grid_set_row_spacing (GTK_GRID (grid), 12);
  gtk_grid_attach (GTK_GRID (grid), self->dice, 0, 0, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), self->losses, 1, 0, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), self->by_minutes, 0, 1, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), self->rate, 1, 1, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), self->by_scans, 0, 2, 1, 1);
  return grid;
}

static void
ui_rounds_window_init (UiRoundsWindow *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *content = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget *scroller = gtk_scrolled_window_new ();

  gtk_window_set_title (GTK_WINDOW (self), _ ("Rounds"));
  gtk_window_set_default_size (GTK_WINDOW (self), 1000, 800);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  gtk_widget_add_css_class (content, "panel");
  gtk_box_append (GTK_BOX (content), build_list (self));
  self->curves = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  gtk_box_append (GTK_BOX (self->curves), build_compare (self));
  gtk_box_append (GTK_BOX (self->curves), build_charts (self));
  gtk_box_append (GTK_BOX (content), self->curves);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), content);
  gtk_widget_set_vexpand (scroller, TRUE);
  gtk_box_append (GTK_BOX (box), scroller);
  adw_window_set_content (ADW_WINDOW (self), box);
}

UiRoundsWindow *
ui_rounds_window_new (GtkWindow *parent, GListModel *rounds)
{
  UiRoundsWindow *self = g_object_new (UI_TYPE_ROUNDS_WINDOW, "transient-for", parent, NULL);

  self->rounds = g_object_ref (rounds);
  gtk_list_box_bind_model (GTK_LIST_BOX (self->list), rounds, make_row, self, NULL);
  g_signal_connect_swapped (rounds, "items-changed", G_CALLBACK (rounds_changed_cb), self);
  rounds_changed_cb (self, 0, 0, g_list_model_get_n_items (rounds));
  return self;
}

void
ui_rounds_window_set_current (UiRoundsWindow *self, gint64 model)
{
  self->current_model = model;
  refresh_rows (self);
}

void
ui_rounds_window_set_resumable (UiRoundsWindow *self, gint64 round)
{
  self->resumable = round;
  refresh_rows (self);
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

UiCurveView *
ui_rounds_window_get_rate (UiRoundsWindow *self)
{
  return UI_CURVE_VIEW (self->rate);
}

gint64
ui_rounds_window_get_chosen (UiRoundsWindow *self)
{
  return self->chosen;
}

gint64
ui_rounds_window_get_compared (UiRoundsWindow *self)
{
  guint position = gtk_drop_down_get_selected (GTK_DROP_DOWN (self->compare));
  Row *row =
      position > 0 && position != GTK_INVALID_LIST_POSITION ? row_at (self, position - 1) : NULL;

  return row != NULL && row->id != self->chosen ? row->id : 0;
}
