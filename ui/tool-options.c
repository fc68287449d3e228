/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/tool-options.h"

#include <glib/gi18n.h>

struct _UiToolOptions
{
  GtkWidget parent_instance;

  UiViewState *state;
  GtkWidget *box;
  GtkWidget *title, *hint, *message;
  GtkWidget *brush, *limits, *tolerance, *decide, *prompt;
};

G_DEFINE_FINAL_TYPE (UiToolOptions, ui_tool_options, GTK_TYPE_WIDGET)

static void
tool_changed_cb (UiToolOptions *self)
{
  UiTool tool = ui_view_state_get_tool (self->state);
  gboolean limited;
  gboolean is_brush = tool == UI_TOOL_BRUSH || tool == UI_TOOL_ERASER;

  g_object_get (self->state, "brush-limited", &limited, NULL);
  gtk_label_set_text (GTK_LABEL (self->title), ui_tool_get_title (tool));
  gtk_label_set_text (GTK_LABEL (self->hint), ui_tool_get_hint (tool));
  gtk_widget_set_visible (self->brush, is_brush);
  gtk_widget_set_visible (self->limits, (is_brush && limited) || tool == UI_TOOL_THRESHOLD);
  gtk_widget_set_visible (self->tolerance, tool == UI_TOOL_FLOOD);
  gtk_widget_set_visible (self->decide, tool == UI_TOOL_POLYGON || tool == UI_TOOL_LIVEWIRE
                                            || ui_tool_is_prompt (tool));
  gtk_widget_set_visible (self->prompt, ui_tool_is_prompt (tool));
}

/* Rows */

static GtkWidget *
row (GtkWidget *box, const char *label, GtkWidget *control)
{
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *name = gtk_label_new_with_mnemonic (label);

  gtk_label_set_xalign (GTK_LABEL (name), 0);
  gtk_widget_set_hexpand (name, TRUE);
  gtk_label_set_mnemonic_widget (GTK_LABEL (name), control);
  gtk_widget_set_valign (control, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (line), name);
  gtk_box_append (GTK_BOX (line), control);
  gtk_box_append (GTK_BOX (box), line);
  return line;
}

static GtkWidget *
number (UiToolOptions *self, const char *property, double min, double max, double step,
        guint digits)
{
  GtkWidget *spin = gtk_spin_button_new_with_range (min, max, step);

  gtk_spin_button_set_digits (GTK_SPIN_BUTTON (spin), digits);
  gtk_editable_set_width_chars (GTK_EDITABLE (spin), 6);
  g_object_bind_property (self->state, property, spin, "value",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  return spin;
}

static GtkWidget *
choice (UiToolOptions *self, const char *property, const char *const *names)
{
  GtkWidget *drop = gtk_drop_down_new_from_strings (names);

  g_object_bind_property (self->state, property, drop, "selected",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  return drop;
}

static GtkWidget *
section (UiToolOptions *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);

  gtk_box_append (GTK_BOX (self->box), box);
  return box;
}

static void
build_brush (UiToolOptions *self)
{
  const char *const units[] = { _ ("mm"), _ ("voxels"), NULL };
  const char *const shapes[] = { _ ("Round"), _ ("Square"), NULL };
  GtkWidget *limited = gtk_switch_new ();

  self->brush = section (self);
  row (self->brush, _ ("Si_ze"), number (self, "brush-size", 0.5, 500, 1, 1));
  row (self->brush, _ ("_Unit"), choice (self, "brush-unit", units));
  row (self->brush, _ ("S_hape"), choice (self, "brush-shape", shapes));
  row (self->brush, _ ("_Limit to intensities"), limited);
  g_object_bind_property (self->state, "brush-limited", limited, "active",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
}

static void
build_decide (UiToolOptions *self)
{
  GtkWidget *accept = gtk_button_new_with_mnemonic (_ ("_Accept"));
  GtkWidget *discard = gtk_button_new_with_mnemonic (_ ("_Discard"));
  GtkWidget *next = gtk_button_new_with_mnemonic (_ ("_Other Mask"));
  GtkWidget *propagate = gtk_button_new_with_mnemonic (_ ("_Neighbours"));

  /* Enter after a click on one of them accepts; it does not press the button again. */
  gtk_widget_set_focus_on_click (accept, FALSE);
  gtk_widget_set_focus_on_click (discard, FALSE);
  gtk_widget_set_focus_on_click (next, FALSE);
  gtk_widget_set_focus_on_click (propagate, FALSE);
  self->decide = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  gtk_box_set_homogeneous (GTK_BOX (self->decide), TRUE);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (accept), "win.tool-accept");
  gtk_actionable_set_action_name (GTK_ACTIONABLE (discard), "win.tool-discard");
  gtk_box_append (GTK_BOX (self->decide), accept);
  gtk_box_append (GTK_BOX (self->decide), discard);
  gtk_box_append (GTK_BOX (self->box), self->decide);
  self->prompt = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  gtk_box_set_homogeneous (GTK_BOX (self->prompt), TRUE);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (next), "win.prompt-next-mask");
  gtk_widget_set_tooltip_text (next, _ ("The next of the answers"));
  gtk_actionable_set_action_name (GTK_ACTIONABLE (propagate), "win.prompt-propagate");
  gtk_widget_set_tooltip_text (propagate, _ ("Carry the mask on to the neighbouring slices"));
  gtk_box_append (GTK_BOX (self->prompt), next);
  gtk_box_append (GTK_BOX (self->prompt), propagate);
  gtk_box_append (GTK_BOX (self->box), self->prompt);
}

static GtkWidget *
text_label (UiToolOptions *self, const char *class_name)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  /* A long hint makes the panel taller, not wider. */
  gtk_label_set_max_width_chars (GTK_LABEL (label), 24);
  gtk_widget_add_css_class (label, class_name);
  gtk_box_append (GTK_BOX (self->box), label);
  return label;
}

static void
build (UiToolOptions *self)
{
  self->title = text_label (self, "heading");
  self->hint = text_label (self, "caption");
  gtk_widget_add_css_class (self->hint, "dim-label");
  build_brush (self);
  self->limits = section (self);
  row (self->limits, _ ("Fr_om"), number (self, "limit-low", -1e6, 1e6, 1, 2));
  row (self->limits, _ ("_To"), number (self, "limit-high", -1e6, 1e6, 1, 2));
  self->tolerance = section (self);
  /* Translators: how far intensities may differ, in per cent of the display window */
  row (self->tolerance, _ ("Tolerance, _%"), number (self, "flood-tolerance", 0, 100, 1, 1));
  build_decide (self);
  self->message = text_label (self, "caption");
  gtk_widget_set_visible (self->message, FALSE);
}

static void
ui_tool_options_dispose (GObject *object)
{
  UiToolOptions *self = UI_TOOL_OPTIONS (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  g_clear_object (&self->state);
  G_OBJECT_CLASS (ui_tool_options_parent_class)->dispose (object);
}

static void
ui_tool_options_class_init (UiToolOptionsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_tool_options_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
ui_tool_options_init (UiToolOptions *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
}

GtkWidget *
ui_tool_options_new (UiViewState *state)
{
  UiToolOptions *self = g_object_new (UI_TYPE_TOOL_OPTIONS, NULL);

  self->state = g_object_ref (state);
  build (self);
  g_signal_connect_swapped (state, "notify::tool", G_CALLBACK (tool_changed_cb), self);
  g_signal_connect_swapped (state, "notify::brush-limited", G_CALLBACK (tool_changed_cb), self);
  tool_changed_cb (self);
  return GTK_WIDGET (self);
}

void
ui_tool_options_set_message (UiToolOptions *self, const char *message)
{
  gtk_widget_set_visible (self->message, message != NULL);
  gtk_label_set_text (GTK_LABEL (self->message), message != NULL ? message : "");
}
