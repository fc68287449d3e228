/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/command.h"
#include "ui/curve-view.h"
#include "ui/export-dialog.h"
#include "ui/new-project-window.h"
#include "ui/round-dialog.h"
#include "ui/statistics-window.h"
#include "ui/window.h"

#include <string.h>

/* A widget ends with its last reference: what it connected, it disconnected. */

static void
assert_finalized (GtkWidget *widget)
{
  g_object_ref_sink (widget);
  g_assert_finalize_object (widget);
}

static VolumeScan *
make_scan (void)
{
  const int size[3] = { 6, 5, 4 };
  const double affine[4][4] = { { -1, 0, 0, 0 }, { 0, -1, 0, 0 }, { 0, 0, 2, 0 }, { 0, 0, 0, 1 } };
  VolumeGeometry geometry;
  guint8 *values = g_malloc0 (6 * 5 * 4);

  for (int v = 0; v < 6 * 5 * 4; v++)
    values[v] = (guint8) v;
  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_U8, g_bytes_new_take (values, 6 * 5 * 4), 1,
                               0);
}

static void
count_cb (gpointer object, int *n)
{
  (*n)++;
}

static GtkWidget *
find_visible_label (GtkWidget *widget, const char *text)
{
  if (GTK_IS_LABEL (widget) && g_str_equal (gtk_label_get_text (GTK_LABEL (widget)), text))
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found =
          gtk_widget_get_visible (child) ? find_visible_label (child, text) : NULL;

      if (found != NULL)
        return found;
    }
  return NULL;
}

static void
test_working (void)
{
  GtkWidget *bar = g_object_new (UI_TYPE_CASE_BAR, NULL);

  ui_case_bar_set_working (UI_CASE_BAR (bar), "Interpolating…");
  g_assert_nonnull (find_visible_label (bar, "Interpolating…"));
  ui_case_bar_set_working (UI_CASE_BAR (bar), NULL);
  g_assert_null (find_visible_label (bar, "Interpolating…"));
  assert_finalized (bar);
}

static void
test_state_cursor (void)
{
  g_autoptr (VolumeScan) scan = make_scan ();
  const int size[3] = { 6, 5, 4 };
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  UiViewState *state = ui_view_state_new ();
  int n_moves = 0, ijk[3] = { 99, -3, 2 };

  ui_view_state_set_scan (state, scan, map);
  g_signal_connect (state, "cursor-changed", G_CALLBACK (count_cb), &n_moves);
  ui_view_state_set_cursor (state, ijk);
  ui_view_state_get_cursor (state, ijk);
  g_assert_cmpint (ijk[0], ==, 5); /* clamped to the grid */
  g_assert_cmpint (ijk[1], ==, 0);
  g_assert_cmpint (ijk[2], ==, 2);
  g_assert_cmpint (n_moves, ==, 1);
  ui_view_state_set_cursor (state, ijk);
  g_assert_cmpint (n_moves, ==, 1); /* the same place is no move */
  g_assert_cmpint (ui_view_state_get_index (state, VOLUME_PLANE_AXIAL), ==, 2);
  ui_view_state_set_index (state, VOLUME_PLANE_SAGITTAL, 1);
  ui_view_state_get_cursor (state, ijk);
  g_assert_cmpint (ijk[0], ==, 1);
  g_assert_finalize_object (state);
}

/* Where a person left off comes back, and hostile text does no harm. */
static void
test_state_restore (void)
{
  g_autoptr (VolumeScan) scan = make_scan ();
  UiViewState *state = ui_view_state_new (), *other = ui_view_state_new ();
  g_autoptr (GVariant) saved = NULL;
  g_autoptr (GVariant) hostile = g_variant_ref_sink (g_variant_new_parsed (
      "{'tool': <int32 9999>, 'opacity': <inf>, 'window-width': <'wide'>, "
      "'cursor': <(int32 -5, int32 900, int32 1)>, 'placements': <[nan, 1.0]>}"));
  RenderSlicePlacement placement;
  double opacity;
  int tool, ijk[3];

  ui_view_state_set_scan (state, scan, NULL);
  ui_view_state_set_scan (other, scan, NULL);
  g_object_set (state, "tool", (int) UI_TOOL_LIVEWIRE, "opacity", 0.7, "maximised", 2, NULL);
  ui_view_state_set_cursor (state, (const int[3]){ 1, 2, 3 });
  ui_view_state_get_placement (state, VOLUME_PLANE_CORONAL, &placement);
  placement.zoom = 3.5;
  placement.offset_mm[1] = -4;
  ui_view_state_set_placement (state, VOLUME_PLANE_CORONAL, &placement);
  saved = g_variant_ref_sink (ui_view_state_save (state));
  ui_view_state_restore (other, saved);
  g_object_get (other, "tool", &tool, "opacity", &opacity, NULL);
  ui_view_state_get_cursor (other, ijk);
  ui_view_state_get_placement (other, VOLUME_PLANE_CORONAL, &placement);
  g_assert_cmpint (tool, ==, UI_TOOL_LIVEWIRE);
  g_assert_cmpfloat (opacity, ==, 0.7);
  g_assert_cmpint (ijk[2], ==, 3);
  g_assert_cmpfloat (placement.zoom, ==, 3.5);
  g_assert_cmpfloat (placement.offset_mm[1], ==, -4);

  ui_view_state_restore (other, hostile);
  g_object_get (other, "tool", &tool, "opacity", &opacity, NULL);
  ui_view_state_get_cursor (other, ijk);
  g_assert_cmpint (tool, <, UI_N_TOOLS);
  g_assert_cmpfloat (opacity, ==, 0.7);
  g_assert_cmpint (ijk[1], ==, 4);
  g_assert_finalize_object (state);
  g_assert_finalize_object (other);
}

static void
test_mouse_profiles (void)
{
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_ITK_SNAP, UI_TOOL_BRUSH, GDK_BUTTON_PRIMARY, 0), ==,
      UI_MOUSE_ACTION_TOOL);
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_ITK_SNAP, UI_TOOL_BRUSH, GDK_BUTTON_SECONDARY, 0),
      ==, UI_MOUSE_ACTION_ZOOM);
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_PACS, UI_TOOL_BRUSH, GDK_BUTTON_SECONDARY, 0), ==,
      UI_MOUSE_ACTION_WINDOW_LEVEL);
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_ITK_SNAP, UI_TOOL_NAVIGATE, GDK_BUTTON_PRIMARY, 0),
      ==, UI_MOUSE_ACTION_CROSSHAIR);
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_SLICER, UI_TOOL_NAVIGATE, GDK_BUTTON_PRIMARY, 0), ==,
      UI_MOUSE_ACTION_WINDOW_LEVEL);
  g_assert_cmpint (
      ui_mouse_action_choose (UI_MOUSE_PROFILE_SLICER, UI_TOOL_BRUSH, GDK_BUTTON_MIDDLE, 0), ==,
      UI_MOUSE_ACTION_PAN);
}

/* No two commands share a key, and every key can be read. */
static void
test_commands (void)
{
  GListModel *commands = ui_commands_new ();
  guint n = g_list_model_get_n_items (commands);

  g_assert_cmpuint (n, >, 60);
  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (commands, c);
      guint keyval;
      GdkModifierType modifiers;
      g_autofree char *name = NULL;
      g_autoptr (GVariant) target = NULL;

      g_assert_true (
          gtk_accelerator_parse (ui_command_get_accelerator (command), &keyval, &modifiers));
      g_assert_true (
          g_action_parse_detailed_name (ui_command_get_action (command), &name, &target, NULL));
      g_assert_true (ui_commands_find_key (commands, ui_command_get_accelerator (command))
                     == command);
    }
  g_assert_finalize_object (commands);
}

static void
test_window (void)
{
  UiWindow *window = ui_window_new (NULL);
  g_autoptr (GListModel) commands = ui_commands_new ();
  const char *const recent[] = { "/data/Liver & kidney.crosslabel", NULL };

  ui_window_set_commands (window, commands);
  ui_welcome_page_set_recent (ui_window_get_welcome (window), recent);
  ui_window_toast (window, "a < b & c");
  ui_window_set_notice (window, "a < b & c");
  ui_window_show_page (window, UI_PAGE_PROJECT);
  gtk_window_present (GTK_WINDOW (window));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  /* Long words and several sentences: whatever a file system and a library have to say. */
  ui_window_set_notice (window, "/data/a.nii.gz: has label 2\n/data/b.nii.gz: has label 2\nand a "
                                "third sentence that is a good deal longer than the others are");
  for (int n = 0; n < 100; n++)
    {
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_usleep (5000);
    }
  g_object_ref (window);
  gtk_window_destroy (GTK_WINDOW (window));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (window);
}

static void
test_grid (void)
{
  g_autoptr (UiViewState) state = ui_view_state_new ();
  g_autoptr (VolumeScan) scan = make_scan ();
  GtkWidget *grid = ui_view_grid_new (state);
  const guint8 marks[4] = { 0, UI_MARK_PROPOSED, UI_MARK_SIGNED, 0 };

  ui_view_state_set_scan (state, scan, NULL);
  ui_view_state_set_marks (state, VOLUME_PLANE_AXIAL, marks, 4);
  g_assert_cmpint (ui_view_state_get_task_index (state, VOLUME_PLANE_AXIAL), ==, 1);
  g_object_set (state, "maximised", (int) UI_PANE_CORONAL, NULL);
  g_assert_true (gtk_widget_get_visible (gtk_widget_get_parent (gtk_widget_get_parent (
      GTK_WIDGET (ui_view_grid_get_slice_view (UI_VIEW_GRID (grid), VOLUME_PLANE_CORONAL))))));
  assert_finalized (grid);
}

static void
test_lists (void)
{
  assert_finalized (ui_case_list_new ());
  assert_finalized (ui_label_list_new ());
  assert_finalized (ui_history_list_new ());
  assert_finalized (ui_activity_area_new ());
  assert_finalized (ui_tool_bar_new ());
}

static void
test_curves (void)
{
  GtkWidget *view = ui_curve_view_new ("Losses", "step");
  const double x[3] = { 0, 1, 2 }, y[3] = { 1, NAN, 0.5 };

  ui_curve_view_set_curve (UI_CURVE_VIEW (view), "loss", x, y, 3);
  ui_curve_view_set_curve (UI_CURVE_VIEW (view), "loss", x, y, 3);
  assert_finalized (view);
}

static void
test_new_project (void)
{
  UiNewProjectWindow *window = ui_new_project_window_new (NULL);
  g_auto (GStrv) scans = NULL, names = NULL;

  ui_new_project_window_set_folder (window, "/data");
  ui_new_project_window_set_scan (window, "/data/a.nii.gz", NULL, NULL, NULL);
  ui_new_project_window_set_scan (window, "/data/a.nii.gz", "6 × 5 × 4", NULL, "/data/a_label");
  ui_new_project_window_set_scan (window, "/data/b.nii.gz", NULL, "it is <empty>", NULL);
  scans = ui_new_project_window_get_scans (window);
  names = ui_new_project_window_get_label_names (window);
  g_assert_cmpuint (g_strv_length (scans), ==, 1); /* a bad file is listed, not fatal */
  g_assert_cmpstr (scans[0], ==, "/data/a.nii.gz");
  g_assert_cmpuint (g_strv_length (names), ==, 1);
  g_assert_true (ui_new_project_window_get_import_labels (window));
  g_object_ref (window);
  gtk_window_destroy (GTK_WINDOW (window));
  g_assert_finalize_object (window);
}

static void
test_dialogs (void)
{
  GtkWindow *windows[3] = { GTK_WINDOW (ui_export_dialog_new (NULL)),
                            GTK_WINDOW (ui_round_dialog_new (NULL, (const char *const[]){ "one", NULL })),
                            GTK_WINDOW (ui_statistics_window_new (NULL)) };

  ui_statistics_window_set_project (UI_STATISTICS_WINDOW (windows[2]), &(UiStatistics){ 0 });
  for (int w = 0; w < 3; w++)
    {
      g_object_ref (windows[w]);
      gtk_window_destroy (windows[w]);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_finalize_object (windows[w]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!gtk_init_check ())
    {
      g_print ("1..0 # SKIP no display\n");
      return 0;
    }
  adw_init ();
  ui_init ();
  g_test_add_func ("/ui/view-state/cursor", test_state_cursor);
  g_test_add_func ("/ui/view-state/restore", test_state_restore);
  g_test_add_func ("/ui/mouse-action/profiles", test_mouse_profiles);
  g_test_add_func ("/ui/command/keys", test_commands);
  g_test_add_func ("/ui/case-bar/working", test_working);
  g_test_add_func ("/ui/lists/finalize", test_lists);
  g_test_add_func ("/ui/curve-view/finalize", test_curves);
  g_test_add_func ("/ui/view-grid/maximise", test_grid);
  g_test_add_func ("/ui/new-project-window/scans", test_new_project);
  g_test_add_func ("/ui/dialogs/finalize", test_dialogs);
  g_test_add_func ("/ui/window/finalize", test_window);
  return g_test_run ();
}
