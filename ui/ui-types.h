/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ui/: GTK 4 widgets, pixels and gestures. Emits signals and actions and calls nobody but volume/
 * and render/; app/ answers. Main thread only.
 *
 *   view-state.h   UiViewState: what the panes of one window show: scan, cursor, window, tool
 *   slice-view.h   UiSliceView: one plane: pixels, gestures, the drawing of unfinished shapes
 *   slice-pane.h   UiSlicePane: a slice view with its slider, letters and sign-off
 *   view-grid.h    UiViewGrid: three panes and the 3-D view, any of them maximised
 *   window.h       UiWindow: the chrome around it; win.* actions are answered by app/
 */

#include "render/render-types.h"
#include "volume/volume-types.h"

#include <adwaita.h>

G_BEGIN_DECLS

typedef struct _UiViewState UiViewState;

/* What the left button does. Stored in settings by nick: never rename. */
typedef enum
{
  UI_TOOL_NAVIGATE,
  UI_TOOL_WINDOW_LEVEL,
  UI_TOOL_MEASURE,
  UI_TOOL_BRUSH,
  UI_TOOL_ERASER,
  UI_TOOL_POLYGON,
  UI_TOOL_LASSO,
  UI_TOOL_LIVEWIRE,
  UI_TOOL_FILL,
  UI_TOOL_FLOOD,
  UI_TOOL_THRESHOLD,
  UI_TOOL_SMOOTH,
  UI_TOOL_ISLANDS,
  UI_TOOL_HOLES,
  UI_TOOL_PROMPT_POINT,
  UI_TOOL_PROMPT_BOX,
  UI_TOOL_PROMPT_SCRIBBLE,
} UiTool;
#define UI_N_TOOLS (UI_TOOL_PROMPT_SCRIBBLE + 1)

/* How mouse buttons are given out (DESIGN 8). Stored in settings by nick. */
typedef enum
{
  UI_MOUSE_PROFILE_ITK_SNAP,
  UI_MOUSE_PROFILE_SLICER,
  UI_MOUSE_PROFILE_PACS,
} UiMouseProfile;

/* What a drag does once profile, button, modifiers and tool are known. */
typedef enum
{
  UI_MOUSE_ACTION_NONE,
  UI_MOUSE_ACTION_TOOL,
  UI_MOUSE_ACTION_CROSSHAIR,
  UI_MOUSE_ACTION_PAN,
  UI_MOUSE_ACTION_ZOOM,
  UI_MOUSE_ACTION_WINDOW_LEVEL,
  UI_MOUSE_ACTION_SLICE,
} UiMouseAction;

typedef enum
{
  UI_BRUSH_ROUND,
  UI_BRUSH_SQUARE,
} UiBrushShape;

typedef enum
{
  UI_UNIT_MM,
  UI_UNIT_VOXELS,
} UiUnit;

typedef enum
{
  UI_INTERPOLATION_NEAREST,
  UI_INTERPOLATION_LINEAR,
  UI_INTERPOLATION_CUBIC,
} UiInterpolation;

/* The panes of the grid: the planes have the numbers of VolumePlane. */
typedef enum
{
  UI_PANE_AXIAL,
  UI_PANE_CORONAL,
  UI_PANE_SAGITTAL,
  UI_PANE_VOLUME,
  UI_PANE_NONE = -1,
} UiPane;
#define UI_N_PANES 4

/* What the slider of a pane says about one slice. */
typedef enum
{
  UI_MARK_LABELLED = 1 << 0, /* something is drawn on it */
  UI_MARK_PROPOSED = 1 << 1, /* to be labelled and signed */
  UI_MARK_SIGNED = 1 << 2,
  UI_MARK_CONFLICT = 1 << 3, /* disagrees with a slice it crosses */
} UiSliceMark;

/* Nicks of the enumerations above, for settings, actions and tests. */
const char *ui_tool_get_nick (UiTool tool);
gboolean ui_tool_from_nick (const char *nick, UiTool *tool);
const char *ui_tool_get_title (UiTool tool); /* translated, for people */
const char *ui_tool_get_icon (UiTool tool);
const char *ui_tool_get_hint (UiTool tool); /* translated: what the mouse does with it */
/* Whether a left drag changes labels, or gives a prompt. */
gboolean ui_tool_is_editing (UiTool tool);
gboolean ui_tool_is_prompt (UiTool tool);
const char *ui_mouse_profile_get_nick (UiMouseProfile profile);
gboolean ui_mouse_profile_from_nick (const char *nick, UiMouseProfile *profile);
/* The plane's name as a translated title: "Axial". */
/* The name of a list's row, for those who do not see it: set from the widget inside. */
void ui_name_row (GtkWidget *child, const char *name);

const char *ui_plane_get_title (VolumePlane plane);

/* Registers resources and types; call once after gtk_init() and before any widget. */
void ui_init (void);

/* Only where the text is another one: GTK asks the X server for the pointer each time (5 ms). */
void ui_set_tooltip (GtkWidget *widget, const char *text);

G_END_DECLS
