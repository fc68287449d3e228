/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/slice-pane.h"

#include "ui/slice-slider.h"

#include <glib/gi18n.h>

struct _UiSlicePane
{
  GtkWidget parent_instance;

  VolumePlane plane;
  UiViewState *state;
  GtkWidget *box;
  GtkWidget *title, *number, *count;
  GtkWidget *state_icon;
  GtkWidget *go, *move, *sign, *maximise;
  GtkWidget *view;
  guint shown_mark; /* what the header says, so that scrolling does not say it again */
  int shown_task;
  gboolean is_task_shown;
};

enum
{
  GESTURE,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiSlicePane, ui_slice_pane, GTK_TYPE_WIDGET)

static void
update_number (UiSlicePane *self)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  int index = ui_view_state_get_index (self->state, self->plane);
  g_autofree char *text = g_strdup_printf ("%d", index + 1);
  /* Translators: how many slices there are, after the number of the one shown */
  g_autofree char *count =
      frame != NULL ? g_strdup_printf (_ ("/ %d"), frame->n_slices) : g_strdup ("");

  gtk_widget_set_sensitive (self->number, frame != NULL);
  gtk_editable_set_text (GTK_EDITABLE (self->number), frame != NULL ? text : "");
  if (g_strcmp0 (gtk_label_get_text (GTK_LABEL (self->count)), count) != 0)
    gtk_label_set_text (GTK_LABEL (self->count), count);
}

/* A typed number shows that slice; the keys go back to the view. */
static void
number_activate_cb (UiSlicePane *self)
{
  char *end;
  const char *text = gtk_editable_get_text (GTK_EDITABLE (self->number));
  gint64 number = g_ascii_strtoll (text, &end, 10);

  if (end != text)
    ui_view_state_set_index (self->state, self->plane, (int) CLAMP (number, 1, G_MAXINT) - 1);
  gtk_widget_grab_focus (self->view);
  update_number (self);
}

static void
number_left_cb (UiSlicePane *self)
{
  update_number (self);
}

static gboolean
number_key_cb (GtkEventControllerKey *keys, guint keyval, guint keycode, GdkModifierType modifiers,
               UiSlicePane *self)
{
  if (keyval != GDK_KEY_Escape)
    return FALSE;
  gtk_widget_grab_focus (self->view);
  return TRUE;
}

static void
show_sign_button (UiSlicePane *self, guint mark)
{
  gboolean is_signed = (mark & UI_MARK_SIGNED) != 0;

  gtk_widget_set_visible (self->sign, (mark & (UI_MARK_PROPOSED | UI_MARK_SIGNED)) != 0);
  gtk_button_set_label (GTK_BUTTON (self->sign),
                        /* Translators: to sign a slice: the reader declares its labels finished */
                        is_signed ? _ ("Unsign") : _ ("Sign Off"));
  ui_set_tooltip (self->sign, is_signed ? _ ("Take the signature back, to go on labelling")
                                        : _ ("The labels of this slice are finished"));
  if (is_signed)
    gtk_widget_remove_css_class (self->sign, "suggested-action");
  else
    gtk_widget_add_css_class (self->sign, "suggested-action");
}

static void
show_state_icon (UiSlicePane *self, guint mark)
{
  const char *icon = NULL, *text = NULL;

  if (mark & UI_MARK_CONFLICT)
    {
      icon = "dialog-warning-symbolic";
      text = _ ("Disagrees with a slice it crosses");
    }
  else if (mark & UI_MARK_SIGNED)
    {
      icon = "emblem-ok-symbolic";
      text = _ ("Signed");
    }
  /* One to be labelled says so by its button: a small window has no room for both. */
  gtk_widget_set_visible (self->state_icon, icon != NULL);
  if (icon == NULL)
    return;
  gtk_image_set_from_icon_name (GTK_IMAGE (self->state_icon), icon);
  ui_set_tooltip (self->state_icon, text);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->state_icon), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  text, -1);
}

static void
update_task (UiSlicePane *self)
{
  int index = ui_view_state_get_index (self->state, self->plane);
  int task = ui_view_state_get_task_index (self->state, self->plane);
  guint mark = ui_view_state_get_mark (self->state, self->plane, index);
  gboolean is_here = (mark & (UI_MARK_PROPOSED | UI_MARK_SIGNED)) != 0;
  gboolean may_move =
      task >= 0 && !is_here
      && !(ui_view_state_get_mark (self->state, self->plane, task) & UI_MARK_SIGNED);
  g_autofree char *text = NULL;

  gtk_widget_set_visible (self->move, may_move);
  gtk_widget_set_visible (self->go, task >= 0 && !is_here);
  if (self->is_task_shown && self->shown_mark == mark && self->shown_task == task)
    return;
  self->is_task_shown = TRUE;
  self->shown_mark = mark;
  self->shown_task = task;
  show_sign_button (self, mark);
  show_state_icon (self, mark);
  if (task >= 0)
    /* Translators: a button that shows the slice proposed for labelling */
    text = g_strdup_printf (_ ("To %d"), task + 1);
  gtk_button_set_label (GTK_BUTTON (self->go), text != NULL ? text : "");
}

static void
update (UiSlicePane *self)
{
  int maximised;

  update_number (self);
  update_task (self);
  g_object_get (self->state, "maximised", &maximised, NULL);
  gtk_button_set_icon_name (GTK_BUTTON (self->maximise), maximised == (int) self->plane
                                                             ? "view-restore-symbolic"
                                                             : "view-fullscreen-symbolic");
}

static void
gesture_cb (UiSlicePane *self, gpointer gesture)
{
  g_signal_emit (self, signals[GESTURE], 0, gesture);
}

static void
maximise_cb (UiSlicePane *self)
{
  gtk_widget_activate_action (GTK_WIDGET (self), "win.maximise", "i", (int) self->plane);
}

static void
ui_slice_pane_dispose (GObject *object)
{
  UiSlicePane *self = UI_SLICE_PANE (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_object (&self->state);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_slice_pane_parent_class)->dispose (object);
}

static void
ui_slice_pane_class_init (UiSlicePaneClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_slice_pane_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "slicepane");
  signals[GESTURE] = g_signal_new ("gesture", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
ui_slice_pane_init (UiSlicePane *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  gtk_widget_set_hexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_vexpand (GTK_WIDGET (self), TRUE);
}

static GtkWidget *
action_button (const char *label, const char *action, int plane, const char *tooltip)
{
  GtkWidget *button = gtk_button_new ();

  if (label != NULL)
    gtk_button_set_label (GTK_BUTTON (button), label);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), action);
  gtk_actionable_set_action_target (GTK_ACTIONABLE (button), "i", plane);
  gtk_widget_set_tooltip_text (button, tooltip);
  gtk_widget_set_focus_on_click (button, FALSE);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "pane-button");
  return button;
}

/* "42 / 83" is not turned round in right-to-left languages. */
static void
build_number (UiSlicePane *self, GtkWidget *box)
{
  GtkEventController *focus = gtk_event_controller_focus_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();
  /* Translators: %s is a plane: Axial, Coronal, Sagittal */
  g_autofree char *name = g_strdup_printf (_ ("%s slice number"), ui_plane_get_title (self->plane));

  gtk_widget_set_direction (box, GTK_TEXT_DIR_LTR);
  self->number = gtk_entry_new ();
  gtk_editable_set_width_chars (GTK_EDITABLE (self->number), 4);
  gtk_editable_set_max_width_chars (GTK_EDITABLE (self->number), 4);
  gtk_entry_set_alignment (GTK_ENTRY (self->number), 1);
  gtk_entry_set_input_purpose (GTK_ENTRY (self->number), GTK_INPUT_PURPOSE_DIGITS);
  gtk_widget_set_valign (self->number, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (self->number, "numeric");
  gtk_widget_add_css_class (self->number, "slice-number");
  gtk_widget_set_tooltip_text (self->number, _ ("Number of the slice: type another to go there"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->number), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  name, -1);
  g_signal_connect_swapped (self->number, "activate", G_CALLBACK (number_activate_cb), self);
  g_signal_connect_swapped (focus, "leave", G_CALLBACK (number_left_cb), self);
  gtk_widget_add_controller (self->number, focus);
  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (number_key_cb), self);
  gtk_widget_add_controller (self->number, keys);
  self->count = gtk_label_new (NULL);
  gtk_widget_set_direction (self->count, GTK_TEXT_DIR_LTR);
  gtk_widget_set_direction (self->number, GTK_TEXT_DIR_LTR);
  gtk_widget_add_css_class (self->count, "numeric");
  gtk_widget_add_css_class (self->count, "dim-label");
  gtk_box_append (GTK_BOX (box), self->number);
  gtk_box_append (GTK_BOX (box), self->count);
}

static void
build_header (UiSlicePane *self)
{
  GtkWidget *header = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 4);
  static const char *const classes[] = { "plane-axial", "plane-coronal", "plane-sagittal" };
  GtkWidget *spring = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  GtkWidget *number = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 4);

  gtk_widget_add_css_class (header, "pane-header");
  self->title = gtk_label_new (ui_plane_get_title (self->plane));
  gtk_label_set_ellipsize (GTK_LABEL (self->title), PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (self->title, "heading");
  gtk_widget_add_css_class (self->title, classes[self->plane]);
  build_number (self, number);
  self->state_icon = gtk_image_new ();
  gtk_widget_set_hexpand (spring, TRUE);
  self->go = action_button ("", "win.go-to-task", self->plane,
                            _ ("Show the slice that is to be labelled"));
  /* A picture: two buttons with words do not fit into a small window. */
  self->move = action_button (NULL, "win.move-task", self->plane,
                              _ ("Label this slice instead of the proposed one"));
  gtk_button_set_icon_name (GTK_BUTTON (self->move), "find-location-symbolic");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->move), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Move Here"), -1);
  self->sign = action_button ("", "win.sign", self->plane, NULL);
  self->maximise = action_button (NULL, "win.maximise", self->plane,
                                  _ ("Fill the window with this view, or show all four"));
  gtk_widget_add_css_class (self->maximise, "flat");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->maximise), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Maximise view"), -1);
  gtk_box_append (GTK_BOX (header), self->title);
  gtk_box_append (GTK_BOX (header), number);
  gtk_box_append (GTK_BOX (header), self->state_icon);
  gtk_box_append (GTK_BOX (header), spring);
  gtk_box_append (GTK_BOX (header), self->move);
  gtk_box_append (GTK_BOX (header), self->go);
  gtk_box_append (GTK_BOX (header), self->sign);
  gtk_box_append (GTK_BOX (header), self->maximise);
  gtk_box_append (GTK_BOX (self->box), header);
}

GtkWidget *
ui_slice_pane_new (VolumePlane plane, UiViewState *state)
{
  UiSlicePane *self = g_object_new (UI_TYPE_SLICE_PANE, NULL);

  self->plane = plane;
  self->state = g_object_ref (state);
  build_header (self);
  self->view = ui_slice_view_new (plane, state);
  gtk_box_append (GTK_BOX (self->box), self->view);
  gtk_box_append (GTK_BOX (self->box), ui_slice_slider_new (plane, state));
  g_signal_connect_swapped (self->view, "gesture", G_CALLBACK (gesture_cb), self);
  g_signal_connect_swapped (self->view, "maximise", G_CALLBACK (maximise_cb), self);
  g_signal_connect_swapped (state, "cursor-changed", G_CALLBACK (update), self);
  g_signal_connect_swapped (state, "scan-changed", G_CALLBACK (update), self);
  g_signal_connect_swapped (state, "marks-changed", G_CALLBACK (update), self);
  g_signal_connect_swapped (state, "notify::maximised", G_CALLBACK (update), self);
  update (self);
  return GTK_WIDGET (self);
}

UiSliceView *
ui_slice_pane_get_view (UiSlicePane *self)
{
  return UI_SLICE_VIEW (self->view);
}
