/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/session.h"
#include "ui/slice-view.h"

G_BEGIN_DECLS

typedef struct _AppTool AppTool;

/**
 * AppToolClass:
 *
 * What a tool does with the gestures on the slices. Instances live as long as the tool is in hand
 * on one case; whatever is unfinished when they end is dropped.
 */
typedef struct
{
  gsize size;
  void (*gesture) (AppTool *self, const UiGesture *gesture);
  void (*accept) (AppTool *self); /* the rest may be NULL */
  void (*discard) (AppTool *self);
  void (*back) (AppTool *self);
  void (*clear) (AppTool *self); /* frees what the tool holds */
  gboolean keeps_marks; /* what it drew stays when another tool is taken */
} AppToolClass;

struct _AppTool
{
  const AppToolClass *klass;
  AppSession *session; /* not owned: it owns the tool */
  UiTool kind;
};

/* The tool for @kind, or NULL for those that views handle by themselves. */
AppTool *app_tool_new (AppSession *session, UiTool kind) G_GNUC_WARN_UNUSED_RESULT;
void app_tool_free (AppTool *self);

extern const AppToolClass app_tool_brush_class; /* brush, eraser */
extern const AppToolClass app_tool_contour_class; /* polygon, lasso, livewire, threshold */
extern const AppToolClass app_tool_click_class; /* fill, flood, smooth, islands, holes */
extern const AppToolClass app_tool_measure_class;
extern const AppToolClass app_tool_prompt_class; /* point, box, scribble */

/* Prompts, beyond accept and discard. */
void app_tool_prompt_next_mask (AppTool *self);
void app_tool_prompt_propagate (AppTool *self);

/* Continuous ijk of a gesture → (u, v) of the plane's slice. */
void app_tool_to_uv (AppTool *self, VolumePlane plane, const double ijk[3], double uv[2]);
void app_tool_from_uv (AppTool *self, VolumePlane plane, const double uv[2], int index,
                       double ijk[3]);

G_END_DECLS
