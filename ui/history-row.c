/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/history-row.h"

#include <glib/gi18n.h>

struct _UiHistoryRow
{
  GtkWidget parent_instance;

  GtkWidget *box, *icon, *title, *detail, *revert;
  GObject *item;
  gint64 id, head;
};

enum
{
  REVERT,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiHistoryRow, ui_history_row, GTK_TYPE_WIDGET)

char *
ui_history_row_describe (const char *tool, int provenance)
{
  static const struct
  {
    const char *name, *title;
  } others[] = {
    { "import", N_ ("Import") },
    { "revert", N_ ("Taken back") },
    { "interpolate", N_ ("Interpolation") },
    { "copy", N_ ("Copy from neighbour") },
    { "prompt", N_ ("Prompt") },
    { "prediction", N_ ("Accepted prediction") },
    { "propagate", N_ ("Propagated prompt") },
  };
  UiTool number;

  if (ui_tool_from_nick (tool, &number))
    return g_strdup (ui_tool_get_title (number));
  for (gsize n = 0; tool != NULL && n < G_N_ELEMENTS (others); n++)
    if (g_str_equal (others[n].name, tool))
      return g_strdup (_ (others[n].title));
  return g_strdup (provenance == VOLUME_PROVENANCE_MODEL ? _ ("Model") : tool);
}

static void
refresh (UiHistoryRow *self)
{
  g_autofree char *tool = NULL, *title = NULL, *detail = NULL, *clock = NULL;
  g_autoptr (GDateTime) utc = NULL, local = NULL;
  gint64 at, n_voxels;
  gboolean applied;
  int provenance;

  g_object_get (self->item, "id", &self->id, "tool", &tool, "n-voxels", &n_voxels, "at", &at,
                "applied", &applied, "provenance", &provenance, NULL);
  title = ui_history_row_describe (tool, provenance);
  utc = g_date_time_new_from_unix_utc (at / G_USEC_PER_SEC);
  local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  clock = local != NULL ? g_date_time_format (local, "%X") : g_strdup ("");
  detail = g_strdup_printf (g_dngettext (NULL, "%d voxel, %s", "%d voxels, %s", (gulong) n_voxels),
                            (int) n_voxels, clock);
  gtk_label_set_text (GTK_LABEL (self->title), title != NULL ? title : "");
  gtk_label_set_text (GTK_LABEL (self->detail), detail);
  ui_name_row (GTK_WIDGET (self), title != NULL ? title : "");
  gtk_widget_set_visible (self->revert, applied);
  gtk_image_set_from_icon_name (GTK_IMAGE (self->icon),
                                self->id == self->head ? "go-next-symbolic" : NULL);
  if (applied)
    gtk_widget_remove_css_class (self->box, "dim-label");
  else
    gtk_widget_add_css_class (self->box, "dim-label");
}

static void
revert_cb (UiHistoryRow *self)
{
  g_signal_emit (self, signals[REVERT], 0, self->id);
}

static void
ui_history_row_dispose (GObject *object)
{
  UiHistoryRow *self = UI_HISTORY_ROW (object);

  ui_history_row_bind (self, NULL);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_history_row_parent_class)->dispose (object);
}

static void
ui_history_row_class_init (UiHistoryRowClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_history_row_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[REVERT] = g_signal_new ("revert", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
}

static void
ui_history_row_init (UiHistoryRow *self)
{
  GtkWidget *column = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);

  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->icon = gtk_image_new ();
  self->title = gtk_label_new (NULL);
  self->detail = gtk_label_new (NULL);
  gtk_label_set_xalign (GTK_LABEL (self->title), 0);
  gtk_label_set_xalign (GTK_LABEL (self->detail), 0);
  gtk_label_set_ellipsize (GTK_LABEL (self->title), PANGO_ELLIPSIZE_END);
  gtk_label_set_ellipsize (GTK_LABEL (self->detail), PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (self->detail, "caption");
  gtk_widget_add_css_class (self->detail, "numeric");
  gtk_box_append (GTK_BOX (column), self->title);
  gtk_box_append (GTK_BOX (column), self->detail);
  gtk_widget_set_hexpand (column, TRUE);
  self->revert = gtk_button_new_from_icon_name ("edit-clear-symbolic");
  gtk_widget_add_css_class (self->revert, "flat");
  gtk_widget_set_valign (self->revert, GTK_ALIGN_CENTER);
  gtk_widget_set_tooltip_text (self->revert, _ ("Take this edit back, keep the later ones"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->revert), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Take this edit back, keep the later ones"), -1);
  g_signal_connect_swapped (self->revert, "clicked", G_CALLBACK (revert_cb), self);
  gtk_box_append (GTK_BOX (self->box), self->icon);
  gtk_box_append (GTK_BOX (self->box), column);
  gtk_box_append (GTK_BOX (self->box), self->revert);
}

GtkWidget *
ui_history_row_new (void)
{
  return g_object_new (UI_TYPE_HISTORY_ROW, NULL);
}

void
ui_history_row_bind (UiHistoryRow *self, GObject *item)
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
ui_history_row_set_head (UiHistoryRow *self, gint64 head)
{
  self->head = head;
  if (self->item != NULL)
    refresh (self);
}
