/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/ui-types.h"

#include "resources/resources.h"
#include "ui/slice-pane.h"
#include "ui/view-grid.h"

#include <glib/gi18n.h>
#include <string.h>

static const struct
{
  const char *nick, *title, *icon;
} tools[UI_N_TOOLS] = {
  [UI_TOOL_NAVIGATE] = { "navigate", N_ ("Navigate"), "tool-navigate-symbolic" },
  [UI_TOOL_WINDOW_LEVEL] = { "window-level", N_ ("Window and Level"), "tool-window-symbolic" },
  [UI_TOOL_MEASURE] = { "measure", N_ ("Measure"), "tool-measure-symbolic" },
  [UI_TOOL_BRUSH] = { "brush", N_ ("Brush"), "tool-brush-symbolic" },
  [UI_TOOL_ERASER] = { "eraser", N_ ("Eraser"), "tool-eraser-symbolic" },
  [UI_TOOL_POLYGON] = { "polygon", N_ ("Polygon"), "tool-polygon-symbolic" },
  [UI_TOOL_LASSO] = { "lasso", N_ ("Lasso"), "tool-lasso-symbolic" },
  /* Translators: a contour that snaps to the edges of the image ("live wire") */
  [UI_TOOL_LIVEWIRE] = { "livewire", N_ ("Livewire"), "tool-livewire-symbolic" },
  [UI_TOOL_FILL] = { "fill", N_ ("Fill Enclosed Area"), "tool-fill-symbolic" },
  [UI_TOOL_FLOOD] = { "flood", N_ ("Flood Similar Intensity"), "tool-flood-symbolic" },
  [UI_TOOL_THRESHOLD] = { "threshold", N_ ("Threshold in Region"), "tool-threshold-symbolic" },
  [UI_TOOL_SMOOTH] = { "smooth", N_ ("Smooth Label"), "tool-smooth-symbolic" },
  [UI_TOOL_ISLANDS] = { "islands", N_ ("Remove Islands"), "tool-islands-symbolic" },
  [UI_TOOL_HOLES] = { "holes", N_ ("Fill Holes"), "tool-holes-symbolic" },
  [UI_TOOL_PROMPT_POINT] = { "prompt-point", N_ ("Point Prompt"), "tool-point-symbolic" },
  [UI_TOOL_PROMPT_BOX] = { "prompt-box", N_ ("Box Prompt"), "tool-box-symbolic" },
  [UI_TOOL_PROMPT_SCRIBBLE] = { "prompt-scribble", N_ ("Scribble Prompt"),
                                "tool-scribble-symbolic" },
};

static const char *const profiles[] = { "itk-snap", "slicer", "pacs" };

const char *
ui_tool_get_nick (UiTool tool)
{
  g_return_val_if_fail ((unsigned) tool < UI_N_TOOLS, NULL);
  return tools[tool].nick;
}

gboolean
ui_tool_from_nick (const char *nick, UiTool *tool)
{
  for (int t = 0; nick != NULL && t < UI_N_TOOLS; t++)
    if (strcmp (tools[t].nick, nick) == 0)
      {
        *tool = t;
        return TRUE;
      }
  return FALSE;
}

const char *
ui_tool_get_title (UiTool tool)
{
  g_return_val_if_fail ((unsigned) tool < UI_N_TOOLS, NULL);
  return _ (tools[tool].title);
}

const char *
ui_tool_get_hint (UiTool tool)
{
  switch (tool)
    {
    case UI_TOOL_NAVIGATE:
      return _ ("Drag to move the crosshair. Wheel: slice. Right drag: zoom. Middle drag: pan.");
    case UI_TOOL_WINDOW_LEVEL:
      return _ ("Drag left and right for width, up and down for level.");
    case UI_TOOL_MEASURE:
      return _ ("Drag from one point to the other. Escape removes the measurements.");
    case UI_TOOL_BRUSH:
      return _ ("Paint the active label. Ctrl: erase. Shift+wheel: size.");
    case UI_TOOL_ERASER:
      return _ ("Takes labels away. Shift+wheel: size.");
    case UI_TOOL_POLYGON:
      return _ ("Click the corners, drag a corner to move it. Enter or double click fills; "
                "Backspace takes the last corner back.");
    case UI_TOOL_LASSO:
      return _ ("Draw around the area and let go.");
    case UI_TOOL_LIVEWIRE:
      return _ ("Click along an edge: the contour snaps to it. Enter or double click fills.");
    case UI_TOOL_FILL:
      return _ ("Click inside an area that labels enclose.");
    case UI_TOOL_FLOOD:
      return _ ("Click: similar connected intensities on this slice are filled.");
    case UI_TOOL_THRESHOLD:
      return _ ("Draw around a region: voxels within the limits are labelled.");
    case UI_TOOL_SMOOTH:
      return _ ("Click a label: its outline on this slice is smoothed.");
    case UI_TOOL_ISLANDS:
      return _ ("Click the piece of a label to keep: its other pieces on this slice are removed.");
    case UI_TOOL_HOLES:
      return _ ("Click a label: its holes on this slice are filled.");
    case UI_TOOL_PROMPT_POINT:
      return _ ("Click what belongs to the structure; Ctrl+click what does not.");
    case UI_TOOL_PROMPT_BOX:
      return _ ("Drag a box around the structure.");
    case UI_TOOL_PROMPT_SCRIBBLE:
      return _ ("Scribble over the structure; with Ctrl over what is not.");
    default:
      return "";
    }
}

const char *
ui_tool_get_icon (UiTool tool)
{
  g_return_val_if_fail ((unsigned) tool < UI_N_TOOLS, NULL);
  return tools[tool].icon;
}

gboolean
ui_tool_is_editing (UiTool tool)
{
  return tool >= UI_TOOL_BRUSH;
}

gboolean
ui_tool_is_prompt (UiTool tool)
{
  return tool >= UI_TOOL_PROMPT_POINT && tool <= UI_TOOL_PROMPT_SCRIBBLE;
}

const char *
ui_mouse_profile_get_nick (UiMouseProfile profile)
{
  g_return_val_if_fail ((unsigned) profile < G_N_ELEMENTS (profiles), NULL);
  return profiles[profile];
}

gboolean
ui_mouse_profile_from_nick (const char *nick, UiMouseProfile *profile)
{
  for (gsize p = 0; nick != NULL && p < G_N_ELEMENTS (profiles); p++)
    if (strcmp (profiles[p], nick) == 0)
      {
        *profile = p;
        return TRUE;
      }
  return FALSE;
}

void
ui_name_row (GtkWidget *child, const char *name)
{
  GtkWidget *row = gtk_widget_get_parent (child);

  if (row != NULL)
    gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

const char *
ui_plane_get_title (VolumePlane plane)
{
  static const char *const titles[VOLUME_N_PLANES] = { N_ ("Axial"), N_ ("Coronal"),
                                                       N_ ("Sagittal") };

  g_return_val_if_fail ((unsigned) plane < VOLUME_N_PLANES, NULL);
  return _ (titles[plane]);
}

void
ui_init (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  g_resources_register (crosslabel_get_resource ());
  g_once_init_leave (&once, 1);
}

void
ui_set_tooltip (GtkWidget *widget, const char *text)
{
  if (g_strcmp0 (gtk_widget_get_tooltip_text (widget), text) != 0)
    gtk_widget_set_tooltip_text (widget, text);
}
