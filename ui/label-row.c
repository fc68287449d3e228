/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/label-row.h"

#include <glib/gi18n.h>

#define FOCUS_OUT_MS 300

struct _UiLabelRow
{
  GtkWidget parent_instance;

  GtkWidget *box, *colour, *key, *name, *volume, *visible, *locked;
  GObject *item;
  gint64 id;
  gboolean binding;
};

enum
{
  RENAME,
  RECOLOUR,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiLabelRow, ui_label_row, GTK_TYPE_WIDGET)

static void refresh (UiLabelRow *self);

/* The colour's button keeps its own inside. */
static void
name_parts (UiLabelRow *self, const char *name)
{
  /* Translators: %s is a label */
  g_autofree char *colour = g_strdup_printf (_ ("Colour of %s"), name);

  ui_name_row (GTK_WIDGET (self), name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->colour), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  colour, -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_first_child (self->colour)),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, colour, -1);
}

static void
parent_cb (UiLabelRow *self)
{
  if (self->item != NULL && gtk_widget_get_parent (GTK_WIDGET (self)) != NULL)
    refresh (self);
}

static void
refresh (UiLabelRow *self)
{
  g_autofree char *name = NULL, *colour = NULL, *key = NULL;
  gboolean visible, locked;
  GdkRGBA rgba;

  g_object_get (self->item, "id", &self->id, "name", &name, "colour", &colour, "visible", &visible,
                "locked", &locked, NULL);
  self->binding = TRUE;
  key = self->id <= 9 ? g_strdup_printf ("%d", (int) self->id) : g_strdup ("");
  gtk_label_set_text (GTK_LABEL (self->key), key);
  if (g_strcmp0 (gtk_editable_get_text (GTK_EDITABLE (self->name)), name) != 0)
    gtk_editable_set_text (GTK_EDITABLE (self->name), name != NULL ? name : "");
  if (colour != NULL && gdk_rgba_parse (&rgba, colour))
    gtk_color_chooser_set_rgba (GTK_COLOR_CHOOSER (self->colour), &rgba);
  gtk_button_set_icon_name (GTK_BUTTON (self->visible),
                            visible ? "view-reveal-symbolic" : "view-conceal-symbolic");
  gtk_widget_set_tooltip_text (self->visible, visible ? _ ("Hide label") : _ ("Show label"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->visible), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  visible ? _ ("Hide label") : _ ("Show label"), -1);
  gtk_button_set_icon_name (GTK_BUTTON (self->locked),
                            locked ? "changes-prevent-symbolic" : "changes-allow-symbolic");
  gtk_widget_set_tooltip_text (self->locked,
                               locked ? _ ("Unlock label") : _ ("Lock label against every change"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->locked), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  locked ? _ ("Unlock label") : _ ("Lock label"), -1);
  name_parts (self, name != NULL ? name : "");
  gtk_actionable_set_action_target (GTK_ACTIONABLE (self->visible), "x", self->id);
  gtk_actionable_set_action_target (GTK_ACTIONABLE (self->locked), "x", self->id);
  self->binding = FALSE;
}

static void
editing_cb (UiLabelRow *self)
{
  const char *text = gtk_editable_get_text (GTK_EDITABLE (self->name));
  g_autofree char *name = NULL;

  if (self->binding || self->item == NULL
      || gtk_editable_label_get_editing (GTK_EDITABLE_LABEL (self->name)))
    return;
  g_object_get (self->item, "name", &name, NULL);
  if (*text == '\0')
    refresh (self);
  else if (g_strcmp0 (name, text) != 0)
    g_signal_emit (self, signals[RENAME], 0, text);
}

static void
colour_set_cb (UiLabelRow *self)
{
  g_autofree char *colour = NULL;
  GdkRGBA rgba;

  if (self->binding || self->item == NULL)
    return;
  gtk_color_chooser_get_rgba (GTK_COLOR_CHOOSER (self->colour), &rgba);
  colour = g_strdup_printf ("#%02x%02x%02x", (int) (rgba.red * 255 + 0.5),
                            (int) (rgba.green * 255 + 0.5), (int) (rgba.blue * 255 + 0.5));
  g_signal_emit (self, signals[RECOLOUR], 0, colour);
}

static gboolean
let_go_cb (gpointer name)
{
  g_object_unref (name);
  return G_SOURCE_REMOVE;
}

/* GtkEditableLabel 4.8 looks at itself a tenth of a second after it lost the focus, gone or not. */
static void
outlive_focus (GtkWidget *name)
{
  g_timeout_add (FOCUS_OUT_MS, let_go_cb, g_object_ref (name));
}

static void
ui_label_row_dispose (GObject *object)
{
  UiLabelRow *self = UI_LABEL_ROW (object);

  if (self->box != NULL)
    outlive_focus (self->name);

  ui_label_row_bind (self, NULL);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_label_row_parent_class)->dispose (object);
}

static void
ui_label_row_class_init (UiLabelRowClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_label_row_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[RENAME] = g_signal_new ("rename", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[RECOLOUR] = g_signal_new ("recolour", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                    NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static GtkWidget *
icon_button (const char *action)
{
  GtkWidget *button = gtk_button_new ();

  gtk_widget_add_css_class (button, "flat");
  gtk_widget_add_css_class (button, "row-button");
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), action);
  return button;
}

static void
ui_label_row_init (UiLabelRow *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->colour = gtk_color_button_new ();
  gtk_widget_set_valign (self->colour, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (self->colour, "swatch");
  gtk_widget_set_tooltip_text (self->colour, _ ("Colour of the label"));
  self->key = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->key, "dim-label");
  gtk_widget_add_css_class (self->key, "numeric");
  gtk_label_set_width_chars (GTK_LABEL (self->key), 1);
  gtk_widget_set_tooltip_text (self->key, _ ("Key that chooses this label"));
  self->name = gtk_editable_label_new ("");
  gtk_widget_set_hexpand (self->name, TRUE);
  gtk_widget_set_valign (self->name, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->name), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Name of the label"), -1);
  self->volume = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->volume, "numeric");
  gtk_widget_add_css_class (self->volume, "caption");
  self->visible = icon_button ("win.label-visible");
  self->locked = icon_button ("win.label-locked");
  gtk_box_append (GTK_BOX (self->box), self->key);
  gtk_box_append (GTK_BOX (self->box), self->colour);
  gtk_box_append (GTK_BOX (self->box), self->name);
  gtk_box_append (GTK_BOX (self->box), self->volume);
  gtk_box_append (GTK_BOX (self->box), self->visible);
  gtk_box_append (GTK_BOX (self->box), self->locked);
  g_signal_connect (self, "notify::parent", G_CALLBACK (parent_cb), NULL);
  g_signal_connect_swapped (self->name, "notify::editing", G_CALLBACK (editing_cb), self);
  g_signal_connect_swapped (self->colour, "color-set", G_CALLBACK (colour_set_cb), self);
}

GtkWidget *
ui_label_row_new (void)
{
  return g_object_new (UI_TYPE_LABEL_ROW, NULL);
}

void
ui_label_row_bind (UiLabelRow *self, GObject *item)
{
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_set_object (&self->item, item);
  if (item == NULL)
    return;
  g_signal_connect_swapped (item, "notify", G_CALLBACK (refresh), self);
  refresh (self);
}

GObject *
ui_label_row_get_item (UiLabelRow *self)
{
  return self->item;
}

void
ui_label_row_set_volume (UiLabelRow *self, double ml)
{
  /* Translators: a volume in millilitres */
  g_autofree char *text = ml > 0 ? g_strdup_printf (_ ("%.2f ml"), ml) : NULL;

  /* The same text again would have the panel laid out anew. */
  if (g_strcmp0 (gtk_label_get_text (GTK_LABEL (self->volume)), text != NULL ? text : "") != 0)
    gtk_label_set_text (GTK_LABEL (self->volume), text != NULL ? text : "");
}
