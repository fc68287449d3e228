/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/window.h"

#include "ui/command.h"
#include "ui/display-options.h"

#include <glib/gi18n.h>
#include <math.h>

struct _UiWindow
{
  AdwApplicationWindow parent_instance;

  UiViewState *state;
  UiViewGrid *grid;
  GListModel *commands;
  GtkShortcutController *shortcuts; /* owned by the widget */
  gboolean is_pointing; /* at a voxel */

  AdwWindowTitle *title;
  GtkWidget *pages, *spinner, *loading_label, *toasts, *notice, *notice_label;
  GtkWidget *welcome, *cases, *cases_flap, *panel_flap, *panel, *centre, *case_bar, *tool_bar,
      *menu_button;
  GtkWidget *cases_toggle, *panel_toggle, *edit_buttons, *undo, *redo, *pointer_label, *activity;
  GtkWidget *tool_options, *labels, *history, *review, *panel_pages;
};

enum
{
  GESTURE,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiWindow, ui_window, ADW_TYPE_APPLICATION_WINDOW)

/* The status line */

static const char *
label_name (UiWindow *self, guint16 id)
{
  const VolumeLabelSet *look = ui_view_state_get_look (self->state);
  const VolumeLabel *label = look != NULL && id != 0 ? volume_label_set_find (look, id) : NULL;

  return label != NULL ? label->name : NULL;
}

/* Without a pointer over a slice the line says what the tool does. */
static void
show_hint (UiWindow *self)
{
  if (!self->is_pointing)
    gtk_label_set_text (GTK_LABEL (self->pointer_label),
                        ui_view_state_get_scan (self->state) != NULL
                            ? ui_tool_get_hint (ui_view_state_get_tool (self->state))
                            : "");
}

static void
pointer_cb (UiWindow *self, const UiPointer *pointer)
{
  g_autofree char *text = NULL;
  const char *label;

  self->is_pointing = pointer != NULL;
  if (pointer == NULL)
    {
      show_hint (self);
      return;
    }
  label = label_name (self, pointer->label);
  /* Translators: voxel indices, position in millimetres after the letters of the side (right or
   * left, anterior or posterior, superior or inferior), the scan's value there, the label there */
  text =
      g_strdup_printf (_ ("Voxel %d, %d, %d    %c %.1f  %c %.1f  %c %.1f mm    Value %.5g    %s"),
                       pointer->ijk[0] + 1, pointer->ijk[1] + 1, pointer->ijk[2] + 1,
                       pointer->ras_mm[0] < 0 ? 'L' : 'R', fabs (pointer->ras_mm[0]),
                       pointer->ras_mm[1] < 0 ? 'P' : 'A', fabs (pointer->ras_mm[1]),
                       pointer->ras_mm[2] < 0 ? 'I' : 'S', fabs (pointer->ras_mm[2]),
                       pointer->value, label != NULL ? label : _ ("no label"));
  gtk_label_set_text (GTK_LABEL (self->pointer_label), text);
}

static void
gesture_cb (UiWindow *self, gpointer gesture)
{
  g_signal_emit (self, signals[GESTURE], 0, gesture);
}

static void
notice_response_cb (UiWindow *self)
{
  gtk_info_bar_set_revealed (GTK_INFO_BAR (self->notice), FALSE);
}

/* Keys */

static gboolean
is_plain (const char *accelerator)
{
  guint keyval;
  GdkModifierType modifiers;

  return gtk_accelerator_parse (accelerator, &keyval, &modifiers) && keyval != 0
         && !(modifiers & (GDK_CONTROL_MASK | GDK_ALT_MASK | GDK_META_MASK | GDK_SUPER_MASK));
}

/* Accelerators of the application are handled before the widget that has the focus: right for
 * Ctrl+Z, wrong for "b" while a name is typed. Plain keys are therefore shortcuts that only get
 * what the focused widget leaves. */
static void
add_key (UiWindow *self, UiCommand *command)
{
  GtkApplication *application = gtk_window_get_application (GTK_WINDOW (self));
  const char *accelerator = ui_command_get_accelerator (command);
  const char *action = ui_command_get_action (command);
  g_autofree char *name = NULL;
  GVariant *target = NULL;
  UiTool tool;

  if (!g_action_parse_detailed_name (action, &name, &target, NULL))
    return;
  if (g_str_equal (name, "win.tool")
      && ui_tool_from_nick (g_variant_get_string (target, NULL), &tool))
    ui_tool_bar_set_key (UI_TOOL_BAR (self->tool_bar), tool, accelerator);
  if (is_plain (accelerator))
    {
      GtkShortcut *shortcut = gtk_shortcut_new (gtk_shortcut_trigger_parse_string (accelerator),
                                                gtk_named_action_new (name));

      gtk_shortcut_set_arguments (shortcut, target);
      gtk_shortcut_controller_add_shortcut (self->shortcuts, shortcut);
    }
  if (application != NULL)
    gtk_application_set_accels_for_action (application, action,
                                           is_plain (accelerator) || *accelerator == '\0'
                                               ? (const char *const[]){ NULL }
                                               : (const char *const[]){ accelerator, NULL });
  g_clear_pointer (&target, g_variant_unref);
}

static void
update_keys (UiWindow *self)
{
  guint n = self->commands != NULL ? g_list_model_get_n_items (self->commands) : 0;

  if (self->shortcuts != NULL)
    gtk_widget_remove_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (self->shortcuts));
  self->shortcuts = GTK_SHORTCUT_CONTROLLER (gtk_shortcut_controller_new ());
  gtk_shortcut_controller_set_scope (self->shortcuts, GTK_SHORTCUT_SCOPE_LOCAL);
  gtk_event_controller_set_propagation_phase (GTK_EVENT_CONTROLLER (self->shortcuts),
                                              GTK_PHASE_BUBBLE);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (self->shortcuts));
  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (self->commands, c);

      add_key (self, command);
    }
}

/* H held down hides the labels; letting go brings them back. */
static gboolean
hold_pressed_cb (GtkEventControllerKey *keys, guint keyval, guint keycode,
                 GdkModifierType modifiers, UiWindow *self)
{
  if (keyval != GDK_KEY_h || (modifiers & (GDK_CONTROL_MASK | GDK_ALT_MASK)))
    return FALSE;
  ui_view_state_hold_overlay (self->state, TRUE);
  return TRUE;
}

static void
hold_released_cb (GtkEventControllerKey *keys, guint keyval, guint keycode,
                  GdkModifierType modifiers, UiWindow *self)
{
  if (keyval == GDK_KEY_h || keyval == GDK_KEY_H)
    ui_view_state_hold_overlay (self->state, FALSE);
}

/* Class */

static void
ui_window_dispose (GObject *object)
{
  UiWindow *self = UI_WINDOW (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  if (self->commands != NULL)
    g_signal_handlers_disconnect_by_data (self->commands, self);
  g_clear_object (&self->commands);
  g_clear_object (&self->state);
  G_OBJECT_CLASS (ui_window_parent_class)->dispose (object);
}

static void
bind_children (GtkWidgetClass *klass)
{
  gtk_widget_class_bind_template_child (klass, UiWindow, title);
  gtk_widget_class_bind_template_child (klass, UiWindow, pages);
  gtk_widget_class_bind_template_child (klass, UiWindow, spinner);
  gtk_widget_class_bind_template_child (klass, UiWindow, loading_label);
  gtk_widget_class_bind_template_child (klass, UiWindow, toasts);
  gtk_widget_class_bind_template_child (klass, UiWindow, notice);
  gtk_widget_class_bind_template_child (klass, UiWindow, notice_label);
  gtk_widget_class_bind_template_child (klass, UiWindow, welcome);
  gtk_widget_class_bind_template_child (klass, UiWindow, cases);
  gtk_widget_class_bind_template_child (klass, UiWindow, cases_flap);
  gtk_widget_class_bind_template_child (klass, UiWindow, panel_flap);
  gtk_widget_class_bind_template_child (klass, UiWindow, panel);
  gtk_widget_class_bind_template_child (klass, UiWindow, centre);
  gtk_widget_class_bind_template_child (klass, UiWindow, menu_button);
  gtk_widget_class_bind_template_child (klass, UiWindow, case_bar);
  gtk_widget_class_bind_template_child (klass, UiWindow, tool_bar);
  gtk_widget_class_bind_template_child (klass, UiWindow, cases_toggle);
  gtk_widget_class_bind_template_child (klass, UiWindow, panel_toggle);
  gtk_widget_class_bind_template_child (klass, UiWindow, edit_buttons);
  gtk_widget_class_bind_template_child (klass, UiWindow, undo);
  gtk_widget_class_bind_template_child (klass, UiWindow, redo);
  gtk_widget_class_bind_template_child (klass, UiWindow, pointer_label);
  gtk_widget_class_bind_template_child (klass, UiWindow, activity);
}

static void
ui_window_class_init (UiWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  g_type_ensure (UI_TYPE_WELCOME_PAGE);
  g_type_ensure (UI_TYPE_CASE_LIST);
  g_type_ensure (UI_TYPE_CASE_BAR);
  g_type_ensure (UI_TYPE_TOOL_BAR);
  g_type_ensure (UI_TYPE_ACTIVITY_AREA);
  G_OBJECT_CLASS (klass)->dispose = ui_window_dispose;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/io/github/crosslabel/Crosslabel/ui/window.ui");
  bind_children (widget_class);
  signals[GESTURE] = g_signal_new ("gesture", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
build_labels (UiWindow *self)
{
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  GtkWidget *add = gtk_button_new_from_icon_name ("list-add-symbolic");
  GtkWidget *heading = gtk_label_new (_ ("Labels"));

  gtk_label_set_xalign (GTK_LABEL (heading), 0);
  gtk_widget_add_css_class (heading, "heading");
  gtk_widget_set_hexpand (heading, TRUE);
  gtk_widget_add_css_class (add, "flat");
  gtk_actionable_set_action_name (GTK_ACTIONABLE (add), "win.label-add");
  gtk_widget_set_tooltip_text (add, _ ("Add a label"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (add), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Add a label"), -1);
  gtk_box_append (GTK_BOX (line), heading);
  gtk_box_append (GTK_BOX (line), add);
  gtk_box_append (GTK_BOX (self->panel), line);
  self->labels = ui_label_list_new ();
  gtk_box_append (GTK_BOX (self->panel), self->labels);
}

static void
build_panel (UiWindow *self)
{
  GtkWidget *stack = gtk_stack_new ();
  GtkWidget *switcher = gtk_stack_switcher_new ();

  build_labels (self);
  self->tool_options = ui_tool_options_new (self->state);
  gtk_box_append (GTK_BOX (self->panel), self->tool_options);
  self->history = ui_history_list_new ();
  gtk_stack_set_vhomogeneous (GTK_STACK (stack), FALSE);
  gtk_stack_add_titled (GTK_STACK (stack), ui_display_options_new (self->state), "display",
                        _ ("Display"));
  gtk_stack_add_titled (GTK_STACK (stack), self->history, "history", _ ("History"));
  self->review = ui_review_list_new ();
  gtk_stack_add_titled (GTK_STACK (stack), self->review, "review", _ ("Review"));
  self->panel_pages = stack;
  gtk_stack_switcher_set_stack (GTK_STACK_SWITCHER (switcher), GTK_STACK (stack));
  gtk_widget_set_vexpand (stack, TRUE);
  gtk_box_append (GTK_BOX (self->panel), switcher);
  gtk_box_append (GTK_BOX (self->panel), stack);
}

static gboolean
focus_views_cb (gpointer data)
{
  UiWindow *self = data;
  GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (self));

  if (gtk_widget_get_mapped (GTK_WIDGET (self->grid))
      && (focus == NULL || !gtk_widget_get_mapped (focus)))
    gtk_widget_grab_focus (
        GTK_WIDGET (ui_view_grid_get_slice_view (self->grid, VOLUME_PLANE_AXIAL)));
  return G_SOURCE_REMOVE;
}

/* A chosen item of the menu leaves the focus nowhere, and then no key would be heard. */
static void
menu_closed_cb (UiWindow *self)
{
  g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, focus_views_cb, g_object_ref (self), g_object_unref);
}

static void
ui_window_init (UiWindow *self)
{
  GtkEventController *hold = gtk_event_controller_key_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  self->state = ui_view_state_new ();
  self->grid = UI_VIEW_GRID (ui_view_grid_new (self->state));
  gtk_box_append (GTK_BOX (self->centre), GTK_WIDGET (self->grid));
  gtk_widget_set_hexpand (GTK_WIDGET (self->grid), TRUE);
  gtk_widget_set_vexpand (GTK_WIDGET (self->grid), TRUE);
  build_panel (self);
  g_signal_connect_swapped (gtk_menu_button_get_popover (GTK_MENU_BUTTON (self->menu_button)),
                            "closed", G_CALLBACK (menu_closed_cb), self);
  g_signal_connect_swapped (self->grid, "gesture", G_CALLBACK (gesture_cb), self);
  g_signal_connect_swapped (self->state, "pointer", G_CALLBACK (pointer_cb), self);
  g_signal_connect_swapped (self->state, "notify::tool", G_CALLBACK (show_hint), self);
  g_signal_connect_swapped (self->state, "scan-changed", G_CALLBACK (show_hint), self);
  g_signal_connect_swapped (self->notice, "response", G_CALLBACK (notice_response_cb), self);
  g_signal_connect (hold, "key-pressed", G_CALLBACK (hold_pressed_cb), self);
  g_signal_connect (hold, "key-released", G_CALLBACK (hold_released_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), hold);
  ui_window_show_page (self, UI_PAGE_WELCOME);
}

UiWindow *
ui_window_new (GtkApplication *application)
{
  return g_object_new (UI_TYPE_WINDOW, "application", application, NULL);
}

void
ui_window_show_page (UiWindow *self, UiPage page)
{
  static const char *const names[] = { "welcome", "loading", "project" };

  gtk_stack_set_visible_child_name (GTK_STACK (self->pages), names[page]);
  gtk_spinner_set_spinning (GTK_SPINNER (self->spinner), page == UI_PAGE_LOADING);
  gtk_widget_set_visible (self->cases_toggle, page == UI_PAGE_PROJECT);
  gtk_widget_set_visible (self->panel_toggle, page == UI_PAGE_PROJECT);
  gtk_widget_set_visible (self->edit_buttons, page == UI_PAGE_PROJECT);
}

void
ui_window_show_loading (UiWindow *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->loading_label), text);
  ui_window_show_page (self, UI_PAGE_LOADING);
}

void
ui_window_set_titles (UiWindow *self, const char *title, const char *subtitle)
{
  g_autofree char *whole = title != NULL ? g_strdup_printf ("%s — Crosslabel", title) : NULL;

  adw_window_title_set_title (self->title, title != NULL ? title : "Crosslabel");
  adw_window_title_set_subtitle (self->title, subtitle != NULL ? subtitle : "");
  gtk_window_set_title (GTK_WINDOW (self), whole != NULL ? whole : "Crosslabel");
}

void
ui_window_toast (UiWindow *self, const char *text)
{
  ui_window_toast_action (self, text, NULL, NULL);
}

void
ui_window_toast_action (UiWindow *self, const char *text, const char *button,
                        const char *detailed_action)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);
  AdwToast *toast = adw_toast_new (escaped);

  if (button != NULL)
    {
      adw_toast_set_button_label (toast, button);
      adw_toast_set_detailed_action_name (toast, detailed_action);
    }
  adw_toast_overlay_add_toast (ADW_TOAST_OVERLAY (self->toasts), toast);
}

void
ui_window_set_notice (UiWindow *self, const char *text)
{
  /* One paragraph: GtkInfoBar 4.8 measures several wrongly, and says so as a critical. */
  g_autofree char *line = text != NULL ? g_strdelimit (g_strdup (text), "\n", ' ') : NULL;

  if (line != NULL)
    gtk_label_set_text (GTK_LABEL (self->notice_label), line);
  gtk_info_bar_set_revealed (GTK_INFO_BAR (self->notice), text != NULL);
}

UiViewState *
ui_window_get_state (UiWindow *self)
{
  return self->state;
}

UiViewGrid *
ui_window_get_grid (UiWindow *self)
{
  return self->grid;
}

UiWelcomePage *
ui_window_get_welcome (UiWindow *self)
{
  return UI_WELCOME_PAGE (self->welcome);
}

UiCaseList *
ui_window_get_case_list (UiWindow *self)
{
  return UI_CASE_LIST (self->cases);
}

UiCaseBar *
ui_window_get_case_bar (UiWindow *self)
{
  return UI_CASE_BAR (self->case_bar);
}

UiLabelList *
ui_window_get_label_list (UiWindow *self)
{
  return UI_LABEL_LIST (self->labels);
}

UiHistoryList *
ui_window_get_history_list (UiWindow *self)
{
  return UI_HISTORY_LIST (self->history);
}

UiReviewList *
ui_window_get_review_list (UiWindow *self)
{
  return UI_REVIEW_LIST (self->review);
}

void
ui_window_show_review (UiWindow *self)
{
  gtk_stack_set_visible_child_name (GTK_STACK (self->panel_pages), "review");
}

UiActivityArea *
ui_window_get_activity (UiWindow *self)
{
  return UI_ACTIVITY_AREA (self->activity);
}

UiToolBar *
ui_window_get_tool_bar (UiWindow *self)
{
  return UI_TOOL_BAR (self->tool_bar);
}

UiToolOptions *
ui_window_get_tool_options (UiWindow *self)
{
  return UI_TOOL_OPTIONS (self->tool_options);
}

void
ui_window_set_undo (UiWindow *self, const char *undo, const char *redo)
{
  /* Translators: %s is what was done: Brush, Polygon, Import … */
  g_autofree char *undo_text =
      undo != NULL ? g_strdup_printf (_ ("Undo: %s"), undo) : g_strdup (_ ("Undo"));
  /* Translators: %s is what was undone: Brush, Polygon, Import … */
  g_autofree char *redo_text =
      redo != NULL ? g_strdup_printf (_ ("Redo: %s"), redo) : g_strdup (_ ("Redo"));

  ui_set_tooltip (self->undo, undo_text);
  ui_set_tooltip (self->redo, redo_text);
}

void
ui_window_set_cases_shown (UiWindow *self, gboolean shown)
{
  adw_flap_set_reveal_flap (ADW_FLAP (self->cases_flap), shown);
}

void
ui_window_set_panel_shown (UiWindow *self, gboolean shown)
{
  adw_flap_set_reveal_flap (ADW_FLAP (self->panel_flap), shown);
}

void
ui_window_set_commands (UiWindow *self, GListModel *commands)
{
  if (self->commands != NULL)
    g_signal_handlers_disconnect_by_data (self->commands, self);
  g_set_object (&self->commands, commands);
  if (commands != NULL)
    g_signal_connect_swapped (commands, "items-changed", G_CALLBACK (update_keys), self);
  update_keys (self);
}
