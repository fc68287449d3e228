/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/slice-view.h"

static UiMouseAction
left_action (UiMouseProfile profile, UiTool tool, GdkModifierType modifiers)
{
  if (modifiers & GDK_SHIFT_MASK)
    return UI_MOUSE_ACTION_CROSSHAIR;
  switch (tool)
    {
    case UI_TOOL_NAVIGATE:
      /* In 3D Slicer a plain left drag adjusts the window. */
      return profile == UI_MOUSE_PROFILE_SLICER ? UI_MOUSE_ACTION_WINDOW_LEVEL
                                                : UI_MOUSE_ACTION_CROSSHAIR;
    case UI_TOOL_WINDOW_LEVEL:
      return UI_MOUSE_ACTION_WINDOW_LEVEL;
    default:
      return UI_MOUSE_ACTION_TOOL;
    }
}

UiMouseAction
ui_mouse_action_choose (UiMouseProfile profile, UiTool tool, guint button,
                        GdkModifierType modifiers)
{
  switch (button)
    {
    case GDK_BUTTON_PRIMARY:
      return left_action (profile, tool, modifiers);
    case GDK_BUTTON_MIDDLE:
      return UI_MOUSE_ACTION_PAN;
    case GDK_BUTTON_SECONDARY:
      return profile == UI_MOUSE_PROFILE_PACS ? UI_MOUSE_ACTION_WINDOW_LEVEL : UI_MOUSE_ACTION_ZOOM;
    default:
      return UI_MOUSE_ACTION_NONE;
    }
}
