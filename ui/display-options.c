/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/display-options.h"

#include <glib/gi18n.h>

struct _UiDisplayOptions
{
  GtkWidget parent_instance;

  UiViewState *state;
  GtkWidget *box;
};

G_DEFINE_FINAL_TYPE (UiDisplayOptions, ui_display_options, GTK_TYPE_WIDGET)

static const UiWindowPreset presets[UI_N_WINDOW_PRESETS] = {
  { "auto", N_ ("Automatic"), 0, 0 },     { "soft-tissue", N_ ("CT soft tissue"), 40, 400 },
  { "lung", N_ ("CT lung"), -600, 1500 }, { "mediastinum", N_ ("CT mediastinum"), 50, 350 },
  { "bone", N_ ("CT bone"), 500, 2000 },  { "brain", N_ ("CT brain"), 40, 80 },
  { "stroke", N_ ("CT stroke"), 40, 40 }, { "angio", N_ ("CT angiography"), 200, 600 },
};

const UiWindowPreset *
ui_window_preset_get (gsize number)
{
  g_return_val_if_fail (number < UI_N_WINDOW_PRESETS, NULL);
  return &presets[number];
}

static void
row (UiDisplayOptions *self, const char *label, GtkWidget *control)
{
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *name = gtk_label_new_with_mnemonic (label);

  gtk_label_set_xalign (GTK_LABEL (name), 0);
  gtk_label_set_mnemonic_widget (GTK_LABEL (name), control);
  gtk_widget_set_hexpand (name, TRUE);
  gtk_widget_set_valign (control, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (line), name);
  gtk_box_append (GTK_BOX (line), control);
  gtk_box_append (GTK_BOX (self->box), line);
}

static void
add_switch (UiDisplayOptions *self, const char *label, const char *property)
{
  GtkWidget *toggle = gtk_switch_new ();

  g_object_bind_property (self->state, property, toggle, "active",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  row (self, label, toggle);
}

static void
add_choice (UiDisplayOptions *self, const char *label, const char *property,
            const char *const *names)
{
  GtkWidget *drop = gtk_drop_down_new_from_strings (names);

  g_object_bind_property (self->state, property, drop, "selected",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  row (self, label, drop);
}

static void
add_number (UiDisplayOptions *self, const char *label, const char *property, double min)
{
  GtkWidget *spin = gtk_spin_button_new_with_range (min, 1e6, 1);

  gtk_spin_button_set_digits (GTK_SPIN_BUTTON (spin), 2);
  gtk_editable_set_width_chars (GTK_EDITABLE (spin), 7);
  g_object_bind_property (self->state, property, spin, "value",
                          G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  row (self, label, spin);
}

static void
add_presets (UiDisplayOptions *self)
{
  g_autoptr (GMenu) menu = g_menu_new ();
  GtkWidget *button = gtk_menu_button_new ();

  for (gsize p = 0; p < UI_N_WINDOW_PRESETS; p++)
    {
      g_autofree char *action = g_strdup_printf ("win.window-preset::%s", presets[p].nick);

      g_menu_append (menu, _ (presets[p].title), action);
    }
  gtk_menu_button_set_menu_model (GTK_MENU_BUTTON (button), G_MENU_MODEL (menu));
  gtk_menu_button_set_label (GTK_MENU_BUTTON (button), _ ("Presets"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Window presets"), -1);
  /* Translators: window and level of a radiological display */
  row (self, _ ("Window"), button);
}

static void
add_opacity (UiDisplayOptions *self)
{
  GtkWidget *scale = gtk_scale_new_with_range (GTK_ORIENTATION_HORIZONTAL, 0, 1, 0.05);

  gtk_widget_set_size_request (scale, 120, -1);
  g_object_bind_property (self->state, "opacity", gtk_range_get_adjustment (GTK_RANGE (scale)),
                          "value", G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  row (self, _ ("Label o_pacity"), scale);
}

static void
build (UiDisplayOptions *self)
{
  const char *const interpolations[] = { _ ("Nearest"), _ ("Linear"), _ ("Cubic"), NULL };
  const char *const colours[] = { _ ("Grey"), _ ("Grey, inverted"), _ ("Hot"),
                                  /* Translators: name of a colour map: glowing coal */
                                  _ ("Ember"),
                                  /* Translators: name of a colour map: blue to green */
                                  _ ("Lagoon"), NULL };

  add_presets (self);
  add_number (self, _ ("_Centre"), "window-centre", -1e6);
  add_number (self, _ ("_Width"), "window-width", 0.001);
  add_choice (self, _ ("_Interpolation"), "interpolation", interpolations);
  add_choice (self, _ ("C_olours"), "colour-map", colours);
  add_opacity (self);
  add_switch (self, _ ("_Show labels"), "overlay-visible");
  add_switch (self, _ ("Out_lines"), "outline");
  /* Translators: draws lines over what has no label yet, on slices to be labelled */
  add_switch (self, _ ("_Hatch what is unlabelled"), "hatch-visible");
  add_switch (self, _ ("C_rosshair"), "crosshair-visible");
  /* Translators: where a label came from: by hand, prompt, model … */
  add_switch (self, _ ("Colour by ori_gin"), "provenance-visible");
}

static void
ui_display_options_dispose (GObject *object)
{
  UiDisplayOptions *self = UI_DISPLAY_OPTIONS (object);

  g_clear_pointer (&self->box, gtk_widget_unparent);
  g_clear_object (&self->state);
  G_OBJECT_CLASS (ui_display_options_parent_class)->dispose (object);
}

static void
ui_display_options_class_init (UiDisplayOptionsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_display_options_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
ui_display_options_init (UiDisplayOptions *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
}

GtkWidget *
ui_display_options_new (UiViewState *state)
{
  UiDisplayOptions *self = g_object_new (UI_TYPE_DISPLAY_OPTIONS, NULL);

  self->state = g_object_ref (state);
  build (self);
  return GTK_WIDGET (self);
}
