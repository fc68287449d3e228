/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/tool.h"

#include "app/session-private.h"

static const AppToolClass *
class_of (UiTool kind)
{
  switch (kind)
    {
    case UI_TOOL_BRUSH:
    case UI_TOOL_ERASER:
      return &app_tool_brush_class;
    case UI_TOOL_POLYGON:
    case UI_TOOL_LASSO:
    case UI_TOOL_LIVEWIRE:
    case UI_TOOL_THRESHOLD:
      return &app_tool_contour_class;
    case UI_TOOL_FILL:
    case UI_TOOL_FLOOD:
    case UI_TOOL_SMOOTH:
    case UI_TOOL_ISLANDS:
    case UI_TOOL_HOLES:
      return &app_tool_click_class;
    case UI_TOOL_MEASURE:
      return &app_tool_measure_class;
    case UI_TOOL_PROMPT_POINT:
    case UI_TOOL_PROMPT_BOX:
    case UI_TOOL_PROMPT_SCRIBBLE:
      return &app_tool_prompt_class;
    default:
      return NULL;
    }
}

AppTool *
app_tool_new (AppSession *session, UiTool kind)
{
  const AppToolClass *klass = class_of (kind);
  AppTool *self;

  if (klass == NULL)
    return NULL;
  self = g_malloc0 (klass->size);
  self->klass = klass;
  self->session = session;
  self->kind = kind;
  return self;
}

void
app_tool_free (AppTool *self)
{
  if (self == NULL)
    return;
  if (self->klass->discard != NULL && !self->klass->keeps_marks)
    self->klass->discard (self);
  if (self->klass->clear != NULL)
    self->klass->clear (self);
  g_free (self);
}

void
app_tool_to_uv (AppTool *self, VolumePlane plane, const double ijk[3], double uv[2])
{
  double index;

  volume_slice_frame_from_ijk (ui_view_state_get_frame (self->session->state, plane), ijk, &uv[0],
                               &uv[1], &index);
}

void
app_tool_from_uv (AppTool *self, VolumePlane plane, const double uv[2], int index, double ijk[3])
{
  volume_slice_frame_to_ijk (ui_view_state_get_frame (self->session->state, plane), uv[0], uv[1],
                             index, ijk);
}
