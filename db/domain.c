/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/domain.h"

#include <string.h>

DbDomain *
db_domain_new (void)
{
  DbDomain *self = g_new0 (DbDomain, 1);

  self->slices = g_array_new (FALSE, FALSE, sizeof (DbDomainSlice));
  return self;
}

void
db_domain_free (DbDomain *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->slices);
  g_free (self);
}

gboolean
db_domain_is_empty (const DbDomain *self)
{
  return !self->complete && self->slices->len == 0;
}

gboolean
db_domain_has_slice (const DbDomain *self, VolumePlane plane, int index)
{
  for (guint s = 0; s < self->slices->len; s++)
    {
      const DbDomainSlice *slice = &g_array_index (self->slices, DbDomainSlice, s);

      if (slice->plane == plane && slice->index == index)
        return TRUE;
    }
  return FALSE;
}

gboolean
db_domain_contains (const DbDomain *self, const VolumeGeometry *geometry, int i, int j, int k)
{
  const int ijk[3] = { i, j, k };

  if (self->complete)
    return TRUE;
  for (guint s = 0; s < self->slices->len; s++)
    {
      const DbDomainSlice *slice = &g_array_index (self->slices, DbDomainSlice, s);

      if (ijk[geometry->axis_of_plane[slice->plane]] == slice->index)
        return TRUE;
    }
  return FALSE;
}

static void
fill_slice (const DbDomainSlice *slice, const VolumeGeometry *geometry, guint8 *mask)
{
  const int axis = geometry->axis_of_plane[slice->plane];
  int lo[3] = { 0, 0, 0 };
  int hi[3] = { geometry->size[0], geometry->size[1], geometry->size[2] };

  if (slice->index < 0 || slice->index >= geometry->size[axis])
    return;
  lo[axis] = slice->index;
  hi[axis] = slice->index + 1;
  for (int k = lo[2]; k < hi[2]; k++)
    for (int j = lo[1]; j < hi[1]; j++)
      memset (mask + ((gsize) k * geometry->size[1] + j) * geometry->size[0] + lo[0], 1,
              hi[0] - lo[0]);
}

void
db_domain_fill_mask (const DbDomain *self, const VolumeGeometry *geometry, guint8 *mask)
{
  memset (mask, self->complete ? 1 : 0,
          (gsize) geometry->size[0] * geometry->size[1] * geometry->size[2]);
  for (guint s = 0; !self->complete && s < self->slices->len; s++)
    fill_slice (&g_array_index (self->slices, DbDomainSlice, s), geometry, mask);
}
