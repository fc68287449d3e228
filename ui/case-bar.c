/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/case-bar.h"

#include <glib/gi18n.h>

struct _UiCaseBar
{
  GtkWidget parent_instance;

  GtkWidget *box, *name, *reason, *overlay, *working, *dots, *progress, *conflicts, *propose, *next;
};

G_DEFINE_FINAL_TYPE (UiCaseBar, ui_case_bar, GTK_TYPE_WIDGET)

static void
ui_case_bar_dispose (GObject *object)
{
  g_clear_pointer (&UI_CASE_BAR (object)->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_case_bar_parent_class)->dispose (object);
}

static void
ui_case_bar_class_init (UiCaseBarClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_case_bar_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "casebar");
}

static void
build_conflicts (UiCaseBar *self)
{
  GtkWidget *content = adw_button_content_new ();

  adw_button_content_set_icon_name (ADW_BUTTON_CONTENT (content), "dialog-warning-symbolic");
  self->conflicts = gtk_button_new ();
  gtk_button_set_child (GTK_BUTTON (self->conflicts), content);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (self->conflicts), "win.next-conflict");
  gtk_widget_set_focus_on_click (self->conflicts, FALSE);
  gtk_widget_set_tooltip_text (
      self->conflicts,
      _ ("Where two labelled slices cross they do not agree. Press to see the next place."));
  gtk_widget_set_valign (self->conflicts, GTK_ALIGN_CENTER);
  gtk_widget_set_visible (self->conflicts, FALSE);
}

static void
build_working (UiCaseBar *self)
{
  GtkWidget *spinner = gtk_spinner_new ();

  self->working = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  gtk_box_append (GTK_BOX (self->working), spinner);
  gtk_box_append (GTK_BOX (self->working), gtk_label_new (NULL));
  gtk_widget_set_valign (self->working, GTK_ALIGN_CENTER);
  gtk_widget_set_visible (self->working, FALSE);
}

static void
ui_case_bar_init (UiCaseBar *self)
{
  GtkWidget *column = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);

  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  gtk_widget_add_css_class (self->box, "case-bar");
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->name = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->name, "heading");
  gtk_label_set_xalign (GTK_LABEL (self->name), 0);
  gtk_label_set_ellipsize (GTK_LABEL (self->name), PANGO_ELLIPSIZE_MIDDLE);
  self->reason = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->reason, "caption");
  gtk_widget_add_css_class (self->reason, "dim-label");
  gtk_label_set_xalign (GTK_LABEL (self->reason), 0);
  gtk_label_set_ellipsize (GTK_LABEL (self->reason), PANGO_ELLIPSIZE_END);
  gtk_box_append (GTK_BOX (column), self->name);
  gtk_box_append (GTK_BOX (column), self->reason);
  gtk_widget_set_hexpand (column, TRUE);
  gtk_widget_set_valign (column, GTK_ALIGN_CENTER);
  build_conflicts (self);
  build_working (self);
  self->dots = gtk_level_bar_new ();
  gtk_level_bar_set_mode (GTK_LEVEL_BAR (self->dots), GTK_LEVEL_BAR_MODE_DISCRETE);
  gtk_level_bar_set_max_value (GTK_LEVEL_BAR (self->dots), 3);
  /* One look for all fillings: a bar that turns red and green says nothing to many people. */
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (self->dots), GTK_LEVEL_BAR_OFFSET_LOW);
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (self->dots), GTK_LEVEL_BAR_OFFSET_HIGH);
  gtk_level_bar_remove_offset_value (GTK_LEVEL_BAR (self->dots), GTK_LEVEL_BAR_OFFSET_FULL);
  gtk_widget_set_size_request (self->dots, 72, -1);
  gtk_widget_set_valign (self->dots, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->dots), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Signed slices"), -1);
  self->progress = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->progress, "numeric");
  self->propose = gtk_button_new_with_mnemonic (_ ("_Propose Here"));
  gtk_actionable_set_action_name (GTK_ACTIONABLE (self->propose), "win.propose-here");
  gtk_widget_set_focus_on_click (self->propose, FALSE);
  gtk_widget_add_css_class (self->propose, "suggested-action");
  gtk_widget_set_tooltip_text (
      self->propose, _ ("Put the crosshair into the structure, then propose the three slices "
                        "that cross there."));
  gtk_widget_set_valign (self->propose, GTK_ALIGN_CENTER);
  gtk_widget_set_visible (self->propose, FALSE);
  self->next = gtk_button_new_with_mnemonic (_ ("Next _Case"));
  gtk_actionable_set_action_name (GTK_ACTIONABLE (self->next), "win.next-case");
  gtk_widget_set_focus_on_click (self->next, FALSE);
  gtk_widget_set_valign (self->next, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (self->box), column);
  self->overlay = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->overlay, "overlay-badge");
  gtk_widget_set_valign (self->overlay, GTK_ALIGN_CENTER);
  gtk_widget_set_visible (self->overlay, FALSE);
  gtk_box_append (GTK_BOX (self->box), self->working);
  gtk_box_append (GTK_BOX (self->box), self->overlay);
  gtk_box_append (GTK_BOX (self->box), self->conflicts);
  gtk_box_append (GTK_BOX (self->box), self->dots);
  gtk_box_append (GTK_BOX (self->box), self->progress);
  gtk_box_append (GTK_BOX (self->box), self->propose);
  gtk_box_append (GTK_BOX (self->box), self->next);
}

void
ui_case_bar_set_case (UiCaseBar *self, const char *name, const char *reason)
{
  gtk_label_set_text (GTK_LABEL (self->name), name != NULL ? name : "");
  gtk_label_set_text (GTK_LABEL (self->reason), reason != NULL ? reason : "");
  gtk_widget_set_tooltip_text (self->reason, reason);
  gtk_widget_set_visible (self->reason, reason != NULL && *reason != '\0');
}

void
ui_case_bar_set_overlay (UiCaseBar *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->overlay), text != NULL ? text : "");
  gtk_widget_set_visible (self->overlay, text != NULL);
}

void
ui_case_bar_set_working (UiCaseBar *self, const char *text)
{
  GtkWidget *spinner = gtk_widget_get_first_child (self->working);

  gtk_label_set_text (GTK_LABEL (gtk_widget_get_next_sibling (spinner)), text != NULL ? text : "");
  gtk_spinner_set_spinning (GTK_SPINNER (spinner), text != NULL);
  gtk_widget_set_visible (self->working, text != NULL);
}

void
ui_case_bar_set_progress (UiCaseBar *self, int n_signed, int n_tasks, gboolean is_complete)
{
  g_autofree char *text = NULL;

  gtk_widget_set_visible (self->dots, n_tasks > 0);
  if (n_tasks > 0)
    {
      text = g_strdup_printf (_ ("%d of %d signed"), n_signed, n_tasks);
      gtk_level_bar_set_max_value (GTK_LEVEL_BAR (self->dots), n_tasks);
      gtk_level_bar_set_value (GTK_LEVEL_BAR (self->dots), n_signed);
    }
  gtk_label_set_text (GTK_LABEL (self->progress), text != NULL  ? text
                                                  : is_complete ? _ ("Complete scan labelled")
                                                                : _ ("No slices proposed"));
  gtk_widget_set_visible (self->propose, n_tasks == 0 && !is_complete);
  if (n_tasks > 0 && n_signed == n_tasks)
    gtk_widget_add_css_class (self->next, "suggested-action");
  else
    gtk_widget_remove_css_class (self->next, "suggested-action");
}

void
ui_case_bar_set_conflicts (UiCaseBar *self, int n_conflicts)
{
  g_autofree char *text = g_strdup_printf (
      g_dngettext (NULL, "%d voxel disagrees", "%d voxels disagree", (gulong) MAX (n_conflicts, 0)),
      MAX (n_conflicts, 0));

  gtk_widget_set_visible (self->conflicts, n_conflicts > 0);
  adw_button_content_set_label (
      ADW_BUTTON_CONTENT (gtk_button_get_child (GTK_BUTTON (self->conflicts))), text);
}
