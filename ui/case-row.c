/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/case-row.h"

#include <glib/gi18n.h>

struct _UiCaseRow
{
  GtkWidget parent_instance;

  GtkWidget *box, *thumbnail, *name, *state, *reason, *badge, *icon;
  GObject *item;
};

G_DEFINE_FINAL_TYPE (UiCaseRow, ui_case_row, GTK_TYPE_WIDGET)

static const char *
icon_of (UiCaseState state)
{
  static const char *const icons[] = {
    [UI_CASE_UNTOUCHED] = "case-untouched-symbolic", [UI_CASE_PROPOSED] = "case-proposed-symbolic",
    [UI_CASE_STARTED] = "case-started-symbolic",     [UI_CASE_SIGNED] = "emblem-ok-symbolic",
    [UI_CASE_COMPLETE] = "emblem-default-symbolic",
  };

  return (unsigned) state < G_N_ELEMENTS (icons) ? icons[state] : icons[0];
}

static char *
describe_state (UiCaseState state, int n_signed, int n_tasks)
{
  switch (state)
    {
    case UI_CASE_COMPLETE:
      return g_strdup (_ ("Complete scan labelled"));
    case UI_CASE_SIGNED:
      return g_strdup_printf (_ ("Done, %d of %d signed"), n_signed, n_tasks);
    case UI_CASE_STARTED:
    case UI_CASE_PROPOSED:
      if (n_tasks > 0)
        return g_strdup_printf (_ ("%d of %d slices signed"), n_signed, n_tasks);
      return g_strdup (_ ("Started"));
    default:
      return g_strdup (_ ("No slices proposed yet"));
    }
}

static void
refresh (UiCaseRow *self)
{
  g_autofree char *name = NULL, *reason = NULL, *text = NULL, *label = NULL;
  int state, n_tasks, n_signed;
  gboolean validation;

  g_object_get (self->item, "name", &name, "state", &state, "n-tasks", &n_tasks, "n-signed",
                &n_signed, "reason", &reason, "validation", &validation, NULL);
  text = describe_state (state, n_signed, n_tasks);
  gtk_label_set_text (GTK_LABEL (self->name), name != NULL ? name : "");
  gtk_label_set_text (GTK_LABEL (self->state), text);
  gtk_widget_set_visible (self->reason, reason != NULL && *reason != '\0');
  gtk_label_set_text (GTK_LABEL (self->reason), reason != NULL ? reason : "");
  gtk_widget_set_tooltip_text (self->reason, reason);
  gtk_widget_set_visible (self->badge, validation);
  gtk_image_set_from_icon_name (GTK_IMAGE (self->icon), icon_of (state));
  label = g_strdup_printf ("%s, %s", name != NULL ? name : "", text);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
  ui_name_row (GTK_WIDGET (self), label);
}

static void
ui_case_row_dispose (GObject *object)
{
  UiCaseRow *self = UI_CASE_ROW (object);

  ui_case_row_bind (self, NULL);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_case_row_parent_class)->dispose (object);
}

static void
ui_case_row_class_init (UiCaseRowClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_case_row_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "caserow");
  gtk_widget_class_set_accessible_role (GTK_WIDGET_CLASS (klass), GTK_ACCESSIBLE_ROLE_GROUP);
}

static GtkWidget *
text_label (GtkWidget *box, const char *class_name)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  if (class_name != NULL)
    gtk_widget_add_css_class (label, class_name);
  gtk_box_append (GTK_BOX (box), label);
  return label;
}

static void
ui_case_row_init (UiCaseRow *self)
{
  GtkWidget *column = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);

  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 10);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  /* Not a GtkPicture: it grows with the height of the row's text. */
  self->thumbnail = gtk_image_new ();
  gtk_image_set_pixel_size (GTK_IMAGE (self->thumbnail), 52);
  gtk_widget_set_size_request (self->thumbnail, 52, 52);
  gtk_widget_set_valign (self->thumbnail, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (self->thumbnail, "thumbnail");
  gtk_widget_set_overflow (self->thumbnail, GTK_OVERFLOW_HIDDEN);
  gtk_box_append (GTK_BOX (self->box), self->thumbnail);
  gtk_widget_set_hexpand (column, TRUE);
  gtk_widget_set_valign (column, GTK_ALIGN_CENTER);
  self->name = text_label (column, NULL);
  gtk_label_set_ellipsize (GTK_LABEL (self->name), PANGO_ELLIPSIZE_MIDDLE);
  self->icon = gtk_image_new ();
  gtk_box_append (GTK_BOX (line), self->icon);
  self->state = text_label (line, "caption");
  gtk_box_append (GTK_BOX (column), line);
  self->reason = text_label (column, "caption");
  gtk_widget_add_css_class (self->reason, "dim-label");
  gtk_label_set_wrap (GTK_LABEL (self->reason), TRUE);
  gtk_label_set_lines (GTK_LABEL (self->reason), 2);
  /* Translators: a scan kept apart to measure the model, never trained on */
  self->badge = text_label (column, "caption");
  gtk_label_set_text (GTK_LABEL (self->badge), _ ("Validation scan"));
  gtk_widget_add_css_class (self->badge, "validation-badge");
  gtk_widget_set_halign (self->badge, GTK_ALIGN_START);
  gtk_box_append (GTK_BOX (self->box), column);
}

GtkWidget *
ui_case_row_new (void)
{
  return g_object_new (UI_TYPE_CASE_ROW, NULL);
}

void
ui_case_row_bind (UiCaseRow *self, GObject *item)
{
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_set_object (&self->item, item);
  if (item == NULL)
    return;
  g_signal_connect_swapped (item, "notify", G_CALLBACK (refresh), self);
  refresh (self);
}

void
ui_case_row_set_thumbnail (UiCaseRow *self, GdkPaintable *thumbnail)
{
  gtk_image_set_from_paintable (GTK_IMAGE (self->thumbnail), thumbnail);
}
