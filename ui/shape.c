/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/shape.h"

#include <string.h>

UiShape *
ui_shape_new (UiShapeKind kind, VolumePlane plane, int index)
{
  UiShape *self = g_new0 (UiShape, 1);

  self->kind = kind;
  self->plane = plane;
  self->index = index;
  self->points = g_array_new (FALSE, FALSE, sizeof (UiShapePoint));
  return self;
}

void
ui_shape_free (UiShape *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->points);
  g_free (self->text);
  g_free (self);
}

void
ui_shape_add (UiShape *self, const double ijk[3])
{
  UiShapePoint point;

  memcpy (point.ijk, ijk, sizeof point.ijk);
  g_array_append_val (self->points, point);
}
