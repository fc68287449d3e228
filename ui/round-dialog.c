/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/round-dialog.h"

#include <glib/gi18n.h>

struct _UiRoundDialog
{
  AdwMessageDialog parent_instance;

  GtkWidget *method, *profile, *minutes, *steps, *generalist, *strategy, *budget;
  GtkWidget *data, *plan, *expected;
  gboolean is_filling;
};

enum
{
  CHANGED,
  START,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiRoundDialog, ui_round_dialog, ADW_TYPE_MESSAGE_DIALOG)

static const char *const methods[] = { "gm-abs", "sup-only", "mean-teacher", "ua-mt" };
static const char *const profiles[] = { "laptop", "paper" };
static const char *const strategies[] = {
  "uncertainty-diversity", "random",           "entropy",
  "least-confidence",      "class-stratified", "representative"
};

static guint
selected (GtkWidget *row)
{
  return adw_combo_row_get_selected (ADW_COMBO_ROW (row));
}

/* What has no say is greyed out: minutes where steps are given or the papers' are taken. */
static void
changed_cb (UiRoundDialog *self)
{
  gboolean counts_steps = gtk_spin_button_get_value (GTK_SPIN_BUTTON (self->steps)) > 0;

  if (self->is_filling)
    return;
  gtk_widget_set_sensitive (self->minutes, selected (self->profile) == 0 && !counts_steps);
  gtk_widget_set_sensitive (self->generalist, selected (self->method) == 0);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
ui_round_dialog_response (AdwMessageDialog *dialog, const char *response)
{
  if (g_str_equal (response, "start"))
    g_signal_emit (dialog, signals[START], 0);
}

static void
ui_round_dialog_class_init (UiRoundDialogClass *klass)
{
  ADW_MESSAGE_DIALOG_CLASS (klass)->response = ui_round_dialog_response;
  signals[CHANGED] = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 0);
  signals[START] = g_signal_new ("start", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                 NULL, NULL, G_TYPE_NONE, 0);
}

static GtkWidget *
add_choice (UiRoundDialog *self, GtkWidget *list, const char *title, const char *const *names)
{
  GtkWidget *row = adw_combo_row_new ();
  g_autoptr (GtkStringList) strings = gtk_string_list_new (names);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_combo_row_set_model (ADW_COMBO_ROW (row), G_LIST_MODEL (strings));
  g_signal_connect_swapped (row, "notify::selected", G_CALLBACK (changed_cb), self);
  gtk_list_box_append (GTK_LIST_BOX (list), row);
  return row;
}

static GtkWidget *
add_number (UiRoundDialog *self, GtkWidget *list, const char *title, const char *subtitle,
            double min, double max, double value)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *spin = gtk_spin_button_new_with_range (min, max, 1);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (spin), value);
  gtk_widget_set_valign (spin, GTK_ALIGN_CENTER);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), spin);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), spin);
  gtk_list_box_append (GTK_LIST_BOX (list), row);
  g_signal_connect_swapped (spin, "value-changed", G_CALLBACK (changed_cb), self);
  return spin;
}

static GtkWidget *
text_label (GtkWidget *box, const char *class_name)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 56);
  if (class_name != NULL)
    gtk_widget_add_css_class (label, class_name);
  gtk_box_append (GTK_BOX (box), label);
  return label;
}

static void
build_choices (UiRoundDialog *self, GtkWidget *list)
{
  const char *const method_names[] = {
    /* Translators: names of training methods, with what they learn from */
    _ ("GM-ABS: signed slices, unlabelled scans, generalist"), _ ("Signed slices alone"),
    _ ("Mean teacher: and unlabelled scans"), _ ("UA-MT: and unlabelled scans where certain"), NULL
  };
  const char *const profile_names[] = { _ ("This computer: minutes"),
                                        _ ("As published: hours to days"), NULL };
  const char *const strategy_names[] = { _ ("Uncertain and diverse (GM-ABS)"),
                                         _ ("Random among scans with structure"),
                                         _ ("Highest entropy"),
                                         _ ("Least confident"),
                                         _ ("Each class in turn"),
                                         _ ("Least like what is labelled"),
                                         NULL };

  self->method = add_choice (self, list, _ ("Method"), method_names);
  self->profile = add_choice (self, list, _ ("Size"), profile_names);
  self->generalist = add_choice (self, list, _ ("Generalist"), NULL);
  self->minutes = add_number (self, list, _ ("Minutes"), _ ("0: as the scans need"), 0, 24 * 60, 0);
  self->steps =
      add_number (self, list, _ ("Steps"), _ ("0: as many as the minutes hold"), 0, 100000, 0);
  self->strategy = add_choice (self, list, _ ("Next scans"), strategy_names);
  self->budget = add_number (self, list, _ ("Scans to propose"), NULL, 0, 1000, 4);
}

static void
ui_round_dialog_init (UiRoundDialog *self)
{
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (self);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget *list = gtk_list_box_new ();
  GtkWidget *scroller = gtk_scrolled_window_new ();

  self->is_filling = TRUE;
  adw_message_dialog_set_heading (dialog, _ ("Start a Round"));
  adw_message_dialog_set_body (
      dialog, _ ("A model is trained on what is signed so far, predicts every scan, and proposes "
                 "what to label next. You can go on labelling meanwhile."));
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (list), GTK_SELECTION_NONE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Settings of the round"), -1);
  gtk_widget_add_css_class (list, "boxed-list");
  gtk_widget_set_size_request (list, 480, -1);
  build_choices (self, list);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scroller), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scroller), 420);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), list);
  gtk_box_append (GTK_BOX (box), scroller);
  self->data = text_label (box, NULL);
  self->plan = text_label (box, "dim-label");
  self->expected = text_label (box, "heading");
  adw_message_dialog_set_extra_child (dialog, box);
  adw_message_dialog_add_responses (dialog, "cancel", _ ("_Cancel"), "start", _ ("_Start"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "start", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (dialog, "start");
}

UiRoundDialog *
ui_round_dialog_new (GtkWindow *parent, const char *const *generalists)
{
  UiRoundDialog *self =
      g_object_new (UI_TYPE_ROUND_DIALOG, "transient-for", parent, "modal", TRUE, NULL);
  g_autoptr (GtkStringList) names = gtk_string_list_new (generalists);

  adw_combo_row_set_model (ADW_COMBO_ROW (self->generalist), G_LIST_MODEL (names));
  self->is_filling = FALSE;
  return self;
}

static void
select_name (GtkWidget *row, const char *const *names, gsize n_names, const char *name)
{
  for (gsize n = 0; n < n_names; n++)
    if (g_strcmp0 (names[n], name) == 0)
      adw_combo_row_set_selected (ADW_COMBO_ROW (row), (guint) n);
}

void
ui_round_dialog_set_choice (UiRoundDialog *self, const UiRoundChoice *choice)
{
  self->is_filling = TRUE;
  select_name (self->method, methods, G_N_ELEMENTS (methods), choice->method);
  select_name (self->profile, profiles, G_N_ELEMENTS (profiles), choice->profile);
  select_name (self->strategy, strategies, G_N_ELEMENTS (strategies), choice->strategy);
  if (choice->generalist
      < g_list_model_get_n_items (adw_combo_row_get_model (ADW_COMBO_ROW (self->generalist))))
    adw_combo_row_set_selected (ADW_COMBO_ROW (self->generalist), choice->generalist);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (self->minutes), choice->seconds / 60);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (self->steps), choice->n_steps);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (self->budget), choice->budget);
  self->is_filling = FALSE;
  changed_cb (self);
}

void
ui_round_dialog_get_choice (UiRoundDialog *self, UiRoundChoice *choice)
{
  *choice = (UiRoundChoice){
    .method = methods[selected (self->method)],
    .profile = profiles[selected (self->profile)],
    .strategy = strategies[selected (self->strategy)],
    .generalist = selected (self->generalist),
    .seconds = 60 * gtk_spin_button_get_value (GTK_SPIN_BUTTON (self->minutes)),
    .n_steps = gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (self->steps)),
    .budget = gtk_spin_button_get_value_as_int (GTK_SPIN_BUTTON (self->budget)),
  };
}

void
ui_round_dialog_set_data (UiRoundDialog *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->data), text);
}

void
ui_round_dialog_set_expected (UiRoundDialog *self, const char *plan, const char *time)
{
  gtk_label_set_text (GTK_LABEL (self->plan), plan != NULL ? plan : "");
  gtk_label_set_text (GTK_LABEL (self->expected),
                      time != NULL ? time : _ ("Measuring how long it will take…"));
  adw_message_dialog_set_response_enabled (ADW_MESSAGE_DIALOG (self), "start", TRUE);
}

void
ui_round_dialog_set_problem (UiRoundDialog *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->plan), "");
  gtk_label_set_text (GTK_LABEL (self->expected), text);
  adw_message_dialog_set_response_enabled (ADW_MESSAGE_DIALOG (self), "start", FALSE);
}
