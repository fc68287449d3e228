/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/slice-view.h"

#include <math.h>
#include <string.h>

static double
dot3 (const double a[3], const double b[3])
{
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static double
effective_zoom (double zoom)
{
  return zoom > 0.0 && isfinite (zoom) ? zoom : 1.0;
}

/* Rows of the inverse of the matrix with columns @c0, @c1, @c2. */
static void
invert_columns (const double c0[3], const double c1[3], const double c2[3], double r0[3],
                double r1[3], double r2[3])
{
  const double *columns[3] = { c0, c1, c2 };
  double *rows[3] = { r0, r1, r2 };
  double det = 0.0;

  for (int n = 0; n < 3; n++)
    {
      const double *a = columns[(n + 1) % 3], *b = columns[(n + 2) % 3];

      rows[n][0] = a[1] * b[2] - a[2] * b[1];
      rows[n][1] = a[2] * b[0] - a[0] * b[2];
      rows[n][2] = a[0] * b[1] - a[1] * b[0];
    }
  det = dot3 (c0, r0);
  for (int n = 0; n < 3; n++)
    for (int c = 0; c < 3; c++)
      rows[n][c] = det != 0.0 ? rows[n][c] / det : 0.0;
}

/* A plane of the grid: the frame's x and y run along two voxel axes. */
static void
init_plane (RenderSliceView *self, const VolumeGeometry *geometry)
{
  const RenderSlicePlacement *placement = &self->placement;
  VolumeSliceFrame frame;
  double right, down, middle_u, middle_v;

  volume_geometry_get_slice_frame (geometry, placement->plane, &frame);
  if (placement->neurological && placement->plane != VOLUME_PLANE_SAGITTAL)
    frame.flip_u = !frame.flip_u;
  self->px_per_mm =
      MIN (self->width / (frame.n_u * frame.du_mm), self->height / (frame.n_v * frame.dv_mm))
      * effective_zoom (placement->zoom);
  right = (frame.flip_u ? -1.0 : 1.0) / (self->px_per_mm * frame.du_mm);
  down = (frame.flip_v ? -1.0 : 1.0) / (self->px_per_mm * frame.dv_mm);
  self->ijk_per_x[frame.axis_u] = right;
  self->ijk_per_y[frame.axis_v] = down;
  self->x_of_ijk[frame.axis_u] = 1.0 / right;
  self->y_of_ijk[frame.axis_v] = 1.0 / down;
  self->normal_ijk[frame.axis_normal] = 1.0;
  self->normal_axis = frame.axis_normal;
  middle_u = self->width * 0.5 - placement->offset_mm[0] * self->px_per_mm;
  middle_v = self->height * 0.5 - placement->offset_mm[1] * self->px_per_mm;
  self->origin_ijk[frame.axis_u] = (frame.n_u - 1) * 0.5 - middle_u * right;
  self->origin_ijk[frame.axis_v] = (frame.n_v - 1) * 0.5 - middle_v * down;
  self->origin_ijk[frame.axis_normal] = placement->index;
}

static double
bounding_diameter_mm (const VolumeGeometry *geometry)
{
  double diameter = 0.0;

  for (int corner = 0; corner < 4; corner++)
    {
      double sum = 0.0;

      for (int r = 0; r < 3; r++)
        {
          const double d = geometry->affine[r][0] * geometry->size[0]
                           + geometry->affine[r][1] * geometry->size[1] * (corner & 1 ? -1 : 1)
                           + geometry->affine[r][2] * geometry->size[2] * (corner & 2 ? -1 : 1);

          sum += d * d;
        }
      diameter = MAX (diameter, sqrt (sum));
    }
  return diameter;
}

static void
init_oblique (RenderSliceView *self, const VolumeGeometry *geometry)
{
  const RenderSlicePlacement *placement = &self->placement;
  const double *right = placement->right_ras, *down = placement->down_ras;
  const double across[3] = { right[1] * down[2] - right[2] * down[1],
                             right[2] * down[0] - right[0] * down[2],
                             right[0] * down[1] - right[1] * down[0] };
  double origin_ras[3], normal[3];

  self->px_per_mm = MIN (self->width, self->height) / bounding_diameter_mm (geometry)
                    * effective_zoom (placement->zoom);
  for (int c = 0; c < 3; c++)
    origin_ras[c] = placement->centre_ras[c]
                    + right[c] * (placement->offset_mm[0] - self->width * 0.5 / self->px_per_mm)
                    + down[c] * (placement->offset_mm[1] - self->height * 0.5 / self->px_per_mm);
  volume_geometry_ras_to_ijk (geometry, origin_ras, self->origin_ijk);
  for (int r = 0; r < 3; r++)
    {
      self->ijk_per_x[r] = dot3 (geometry->inverse[r], right) / self->px_per_mm;
      self->ijk_per_y[r] = dot3 (geometry->inverse[r], down) / self->px_per_mm;
      normal[r] = dot3 (geometry->inverse[r], across); /* one mm off the plane */
    }
  invert_columns (self->ijk_per_x, self->ijk_per_y, normal, self->x_of_ijk, self->y_of_ijk,
                  self->normal_ijk);
  self->normal_axis = -1;
}

void
render_slice_view_init (RenderSliceView *self, const VolumeGeometry *geometry,
                        const RenderSlicePlacement *placement, int width, int height)
{
  memset (self, 0, sizeof *self);
  self->width = MAX (width, 1);
  self->height = MAX (height, 1);
  self->placement = *placement;
  if (placement->oblique)
    init_oblique (self, geometry);
  else
    init_plane (self, geometry);
}

void
render_slice_view_pixel_to_ijk (const RenderSliceView *self, double x, double y, double ijk[3])
{
  for (int c = 0; c < 3; c++)
    ijk[c] = self->origin_ijk[c] + x * self->ijk_per_x[c] + y * self->ijk_per_y[c];
}

void
render_slice_view_ijk_to_pixel (const RenderSliceView *self, const double ijk[3], double *x,
                                double *y, double *distance)
{
  const double from[3] = { ijk[0] - self->origin_ijk[0], ijk[1] - self->origin_ijk[1],
                           ijk[2] - self->origin_ijk[2] };

  *x = dot3 (self->x_of_ijk, from);
  *y = dot3 (self->y_of_ijk, from);
  if (distance != NULL)
    *distance = dot3 (self->normal_ijk, from);
}

void
render_slice_view_zoom_about (const RenderSliceView *self, double x, double y, double factor,
                              RenderSlicePlacement *placement)
{
  const double zoom = CLAMP (effective_zoom (self->placement.zoom) * factor, 0.05, 400.0);
  const double applied = zoom / effective_zoom (self->placement.zoom);
  const double from_middle_mm[2] = { (x - self->width * 0.5) / self->px_per_mm,
                                     (y - self->height * 0.5) / self->px_per_mm };

  *placement = self->placement;
  placement->zoom = zoom;
  for (int c = 0; c < 2; c++)
    placement->offset_mm[c] += from_middle_mm[c] * (1.0 - 1.0 / applied);
}

void
render_slice_view_pan (const RenderSliceView *self, double dx, double dy,
                       RenderSlicePlacement *placement)
{
  *placement = self->placement;
  placement->offset_mm[0] -= dx / self->px_per_mm;
  placement->offset_mm[1] -= dy / self->px_per_mm;
}

void
render_slice_view_centre_on (const RenderSliceView *self, const double ijk[3],
                             RenderSlicePlacement *placement)
{
  double x, y;

  render_slice_view_ijk_to_pixel (self, ijk, &x, &y, NULL);
  render_slice_view_pan (self, self->width * 0.5 - x, self->height * 0.5 - y, placement);
}

static char
letter_of (const double direction_ras[3])
{
  static const char letters[3][2] = { { 'R', 'L' }, { 'A', 'P' }, { 'S', 'I' } };
  int axis = 0;

  for (int c = 1; c < 3; c++)
    if (fabs (direction_ras[c]) > fabs (direction_ras[axis]))
      axis = c;
  return letters[axis][direction_ras[axis] < 0.0];
}

void
render_slice_view_get_letters (const RenderSliceView *self, const VolumeGeometry *geometry,
                               char letters[4])
{
  VolumeSliceFrame frame;
  double right[3], down[3];

  if (self->normal_axis >= 0)
    {
      const gboolean mirrored =
          self->placement.neurological && self->placement.plane != VOLUME_PLANE_SAGITTAL;

      volume_geometry_get_slice_frame (geometry, self->placement.plane, &frame);
      letters[0] = mirrored ? frame.letter_right : frame.letter_left;
      letters[1] = mirrored ? frame.letter_left : frame.letter_right;
      letters[2] = frame.letter_top;
      letters[3] = frame.letter_bottom;
      return;
    }
  for (int c = 0; c < 3; c++)
    {
      right[c] = self->placement.right_ras[c];
      down[c] = self->placement.down_ras[c];
    }
  letters[1] = letter_of (right);
  letters[3] = letter_of (down);
  letters[0] = letter_of ((double[3]){ -right[0], -right[1], -right[2] });
  letters[2] = letter_of ((double[3]){ -down[0], -down[1], -down[2] });
}
