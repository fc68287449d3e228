/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

#include "volume/prompt.h"

G_BEGIN_DECLS

typedef enum
{
  UI_SHAPE_POLYLINE, /* an open contour that grows */
  UI_SHAPE_POLYGON, /* closed */
  UI_SHAPE_MEASURE, /* two points, with the distance as text */
  UI_SHAPE_BOX, /* two opposite corners */
  UI_SHAPE_POINT_POSITIVE, /* prompt clicks */
  UI_SHAPE_POINT_NEGATIVE,
  UI_SHAPE_SCRIBBLE_POSITIVE,
  UI_SHAPE_SCRIBBLE_NEGATIVE,
  UI_SHAPE_CONFLICT, /* voxels where crossing slices disagree */
  UI_SHAPE_HANDLES, /* the points alone */
} UiShapeKind;

typedef struct
{
  double ijk[3];
} UiShapePoint;

/**
 * UiShape:
 *
 * Something drawn in lines over one slice while a gesture is not finished, or as a mark. Points are
 * in ijk; @n_handles of them, from the first, are shown as handles that can be dragged.
 */
typedef struct
{
  UiShapeKind kind;
  VolumePlane plane;
  int index;
  GArray *points; /* UiShapePoint */
  gboolean handles;
  char *text; /* or NULL */
} UiShape;

UiShape *ui_shape_new (UiShapeKind kind, VolumePlane plane, int index) G_GNUC_WARN_UNUSED_RESULT;
void ui_shape_free (UiShape *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (UiShape, ui_shape_free)
void ui_shape_add (UiShape *self, const double ijk[3]);

G_END_DECLS
