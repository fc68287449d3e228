/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/render/reference.h"

#include <math.h>

/* Which voxel axis runs along x, y, z of the world: the assignment that keeps most of the
 * affine's weight, all six tried. */
static void
axes_of_world (const double affine[4][4], int axis_of[3])
{
  static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                    { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  double best = -1.0;

  for (int o = 0; o < 6; o++)
    {
      double weight = 0.0;

      for (int w = 0; w < 3; w++)
        {
          const int a = orders[o][w];
          const double length = sqrt (affine[0][a] * affine[0][a] + affine[1][a] * affine[1][a]
                                      + affine[2][a] * affine[2][a]);

          weight += fabs (affine[w][a]) / length;
        }
      if (weight > best)
        {
          best = weight;
          for (int w = 0; w < 3; w++)
            axis_of[w] = orders[o][w];
        }
    }
}

void
reference_plane (const double affine[4][4], VolumePlane plane, ReferencePlane *self)
{
  /* Screen right is the patient's left in axial and coronal, posterior in sagittal; screen down is
   * posterior in axial, inferior otherwise: always against a world axis. */
  static const int world_right[3] = { 0, 0, 1 };
  static const int world_down[3] = { 1, 2, 2 };
  static const int world_across[3] = { 2, 1, 0 };
  const int worlds[3] = { world_right[plane], world_down[plane], world_across[plane] };
  int axis_of[3];

  axes_of_world (affine, axis_of);
  for (int d = 0; d < 3; d++)
    {
      const int a = axis_of[worlds[d]];

      self->axis[d] = a;
      self->sign[d] = affine[worlds[d]][a] > 0.0 ? -1 : 1;
      self->spacing[d] = sqrt (affine[0][a] * affine[0][a] + affine[1][a] * affine[1][a]
                               + affine[2][a] * affine[2][a]);
    }
}

void
reference_point (const ReferencePlane *self, const int size[3], int width, int height, double zoom,
                 const double offset_mm[2], double x, double y, double *right_index,
                 double *down_index)
{
  const int n_right = size[self->axis[0]], n_down = size[self->axis[1]];
  const double fit_x = width / (n_right * self->spacing[0]);
  const double fit_y = height / (n_down * self->spacing[1]);
  const double px_per_mm = (fit_x < fit_y ? fit_x : fit_y) * zoom;
  const double right_mm = (x - width / 2.0) / px_per_mm + offset_mm[0];
  const double down_mm = (y - height / 2.0) / px_per_mm + offset_mm[1];

  *right_index = (n_right - 1) / 2.0 + self->sign[0] * right_mm / self->spacing[0];
  *down_index = (n_down - 1) / 2.0 + self->sign[1] * down_mm / self->spacing[1];
}

typedef struct
{
  const ReferencePlane *plane;
  const int *size;
  int index;
  ReferenceValue value;
  gpointer data;
} Slice;

static double
voxel (const Slice *slice, int right, int down)
{
  const int limits[2] = { slice->size[slice->plane->axis[0]], slice->size[slice->plane->axis[1]] };
  int ijk[3];

  ijk[slice->plane->axis[0]] = CLAMP (right, 0, limits[0] - 1);
  ijk[slice->plane->axis[1]] = CLAMP (down, 0, limits[1] - 1);
  ijk[slice->plane->axis[2]] = slice->index;
  return slice->value (ijk[0], ijk[1], ijk[2], slice->data);
}

/* The convolution kernel of Keys (1981), a = −1/2, at a distance. */
static double
keys (double s)
{
  s = fabs (s);
  if (s < 1.0)
    return 1.5 * s * s * s - 2.5 * s * s + 1.0;
  if (s < 2.0)
    return -0.5 * s * s * s + 2.5 * s * s - 4.0 * s + 2.0;
  return 0.0;
}

static double
tent (double s)
{
  return fmax (1.0 - fabs (s), 0.0);
}

static double
interpolate (const Slice *slice, RenderInterpolation interpolation, double right, double down)
{
  double (*kernel) (double) = interpolation == RENDER_INTERPOLATION_CUBIC ? keys : tent;
  double sum = 0.0;

  if (interpolation == RENDER_INTERPOLATION_NEAREST)
    return voxel (slice, (int) floor (right + 0.5), (int) floor (down + 0.5));
  for (int d = (int) floor (down) - 1; d <= (int) floor (down) + 2; d++)
    for (int r = (int) floor (right) - 1; r <= (int) floor (right) + 2; r++)
      sum += kernel (right - r) * kernel (down - d) * voxel (slice, r, d);
  return sum;
}

static gboolean
is_tie (double index)
{
  const double f = index - floor (index);

  return fabs (f - 0.5) < 2e-4;
}

int *
reference_slice (const double affine[4][4], const int size[3], VolumePlane plane, int index,
                 RenderInterpolation interpolation, double centre, double window, int width,
                 int height, double zoom, const double offset_mm[2], ReferenceValue value,
                 gpointer data)
{
  ReferencePlane lie;
  const Slice slice = { &lie, size, index, value, data };
  int *out = g_new (int, width *height);

  reference_plane (affine, plane, &lie);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      {
        int *pixel = &out[y * width + x];
        double right, down, shade;

        reference_point (&lie, size, width, height, zoom, offset_mm, x + 0.5, y + 0.5, &right,
                         &down);
        if (is_tie (right) || is_tie (down))
          *pixel = -2;
        else if (right < -0.5 || right >= size[lie.axis[0]] - 0.5 || down < -0.5
                 || down >= size[lie.axis[1]] - 0.5)
          *pixel = -1;
        else
          {
            shade = (interpolate (&slice, interpolation, right, down) - (centre - window / 2.0))
                    / window;
            *pixel = (int) floor (255.0 * CLAMP (shade, 0.0, 1.0) + 0.5);
          }
      }
  return out;
}
