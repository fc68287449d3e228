/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/tool-bar.h"

#include <glib/gi18n.h>

struct _UiToolBar
{
  GtkWidget parent_instance;

  GtkWidget *scroller;
  GtkWidget *buttons[UI_N_TOOLS];
};

G_DEFINE_FINAL_TYPE (UiToolBar, ui_tool_bar, GTK_TYPE_WIDGET)

static void
ui_tool_bar_dispose (GObject *object)
{
  UiToolBar *self = UI_TOOL_BAR (object);

  g_clear_pointer (&self->scroller, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_tool_bar_parent_class)->dispose (object);
}

static void
ui_tool_bar_class_init (UiToolBarClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_tool_bar_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "toolbarcolumn");
  gtk_widget_class_set_accessible_role (GTK_WIDGET_CLASS (klass), GTK_ACCESSIBLE_ROLE_TOOLBAR);
}

static GtkWidget *
tool_button (UiTool tool)
{
  GtkWidget *button = gtk_toggle_button_new ();

  gtk_button_set_icon_name (GTK_BUTTON (button), ui_tool_get_icon (tool));
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_focus_on_click (button, FALSE);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), "win.tool");
  gtk_actionable_set_action_target (GTK_ACTIONABLE (button), "s", ui_tool_get_nick (tool));
  gtk_widget_set_tooltip_text (button, ui_tool_get_title (tool));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  ui_tool_get_title (tool), -1);
  return button;
}

static void
ui_tool_bar_init (UiToolBar *self)
{
  GtkWidget *column = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);

  gtk_widget_add_css_class (column, "tool-column");
  for (int t = 0; t < UI_N_TOOLS; t++)
    {
      if (t == UI_TOOL_BRUSH || t == UI_TOOL_FILL || t == UI_TOOL_PROMPT_POINT)
        gtk_box_append (GTK_BOX (column), gtk_separator_new (GTK_ORIENTATION_HORIZONTAL));
      self->buttons[t] = tool_button (t);
      gtk_box_append (GTK_BOX (column), self->buttons[t]);
    }
  self->scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (self->scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (self->scroller), column);
  gtk_widget_set_parent (self->scroller, GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Tools"),
                                  -1);
}

GtkWidget *
ui_tool_bar_new (void)
{
  return g_object_new (UI_TYPE_TOOL_BAR, NULL);
}

void
ui_tool_bar_set_key (UiToolBar *self, UiTool tool, const char *accelerator)
{
  g_autofree char *text = NULL, *key = NULL;
  guint keyval;
  GdkModifierType modifiers;

  g_return_if_fail ((unsigned) tool < UI_N_TOOLS);
  if (accelerator != NULL && gtk_accelerator_parse (accelerator, &keyval, &modifiers))
    {
      key = gtk_accelerator_get_label (keyval, modifiers);
      /* Translators: a tool and its key */
      text = g_strdup_printf (_ ("%s (%s)"), ui_tool_get_title (tool), key);
    }
  gtk_widget_set_tooltip_text (self->buttons[tool], text != NULL ? text : ui_tool_get_title (tool));
}
