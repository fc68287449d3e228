/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/key-row.h"

#include <glib/gi18n.h>

struct _UiKeyRow
{
  AdwActionRow parent_instance;

  UiCommand *command;
  GListModel *commands;
  GtkWidget *button;
  gboolean taking;
};

G_DEFINE_FINAL_TYPE (UiKeyRow, ui_key_row, ADW_TYPE_ACTION_ROW)

static void
refresh (UiKeyRow *self)
{
  const char *accelerator = ui_command_get_accelerator (self->command);
  g_autofree char *label = NULL;
  guint keyval;
  GdkModifierType modifiers;

  if (self->taking)
    label = g_strdup (_ ("Press a key…"));
  else if (gtk_accelerator_parse (accelerator, &keyval, &modifiers) && keyval != 0)
    label = gtk_accelerator_get_label (keyval, modifiers);
  else
    label = g_strdup (_ ("None"));
  gtk_button_set_label (GTK_BUTTON (self->button), label);
}

static void
clicked_cb (UiKeyRow *self)
{
  self->taking = TRUE;
  refresh (self);
}

static void
take_key (UiKeyRow *self, const char *accelerator)
{
  UiCommand *other =
      *accelerator != '\0' ? ui_commands_find_key (self->commands, accelerator) : NULL;

  if (other != NULL && other != self->command)
    {
      /* Translators: a command lost its key to this one */
      g_autofree char *text = g_strdup_printf (_ ("Taken from “%s”"), ui_command_get_title (other));
      g_autofree char *escaped = g_markup_escape_text (text, -1);

      ui_command_set_accelerator (other, "");
      adw_action_row_set_subtitle (ADW_ACTION_ROW (self), escaped);
    }
  ui_command_set_accelerator (self->command, accelerator);
}

static gboolean
key_pressed_cb (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType modifiers, UiKeyRow *self)
{
  g_autofree char *accelerator = NULL;

  if (!self->taking)
    return FALSE;
  modifiers &= gtk_accelerator_get_default_mod_mask ();
  keyval = gdk_keyval_to_lower (keyval);
  if (keyval != GDK_KEY_Escape && keyval != GDK_KEY_BackSpace
      && !gtk_accelerator_valid (keyval, modifiers))
    return TRUE; /* a modifier alone: go on waiting */
  self->taking = FALSE;
  if (keyval == GDK_KEY_BackSpace && modifiers == 0)
    take_key (self, "");
  else if (keyval != GDK_KEY_Escape)
    {
      accelerator = gtk_accelerator_name (keyval, modifiers);
      take_key (self, accelerator);
    }
  refresh (self);
  return TRUE;
}

static void
left_cb (UiKeyRow *self)
{
  self->taking = FALSE;
  refresh (self);
}

static void
ui_key_row_dispose (GObject *object)
{
  UiKeyRow *self = UI_KEY_ROW (object);

  if (self->command != NULL)
    g_signal_handlers_disconnect_by_data (self->command, self);
  g_clear_object (&self->command);
  g_clear_object (&self->commands);
  G_OBJECT_CLASS (ui_key_row_parent_class)->dispose (object);
}

static void
ui_key_row_class_init (UiKeyRowClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_key_row_dispose;
}

static void
ui_key_row_init (UiKeyRow *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkEventController *focus = gtk_event_controller_focus_new ();

  self->button = gtk_button_new ();
  gtk_widget_set_valign (self->button, GTK_ALIGN_CENTER);
  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (key_pressed_cb), self);
  g_signal_connect_swapped (focus, "leave", G_CALLBACK (left_cb), self);
  g_signal_connect_swapped (self->button, "clicked", G_CALLBACK (clicked_cb), self);
  gtk_widget_add_controller (self->button, keys);
  gtk_widget_add_controller (self->button, focus);
  adw_action_row_add_suffix (ADW_ACTION_ROW (self), self->button);
}

GtkWidget *
ui_key_row_new (UiCommand *command, GListModel *commands)
{
  UiKeyRow *self = g_object_new (UI_TYPE_KEY_ROW, NULL);
  g_autofree char *title = g_markup_escape_text (ui_command_get_title (command), -1);

  self->command = g_object_ref (command);
  self->commands = g_object_ref (commands);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self), title);
  g_signal_connect_swapped (command, "notify::accelerator", G_CALLBACK (refresh), self);
  refresh (self);
  return GTK_WIDGET (self);
}
