/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/db-types.h"
#include "volume/geometry.h"

G_BEGIN_DECLS

typedef struct
{
  VolumePlane plane;
  int index;
} DbDomainSlice;

/**
 * DbDomain:
 *
 * Where a case is labelled (I3): the whole scan, or its signed slices. Inside, 0 is background;
 * outside there is no label. A value; free to hand to another thread.
 */
typedef struct
{
  gboolean complete;
  GArray *slices; /* DbDomainSlice, by plane and index */
} DbDomain;

DbDomain *db_domain_new (void) G_GNUC_WARN_UNUSED_RESULT;
void db_domain_free (DbDomain *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DbDomain, db_domain_free)

gboolean db_domain_is_empty (const DbDomain *self);
gboolean db_domain_has_slice (const DbDomain *self, VolumePlane plane, int index);
gboolean db_domain_contains (const DbDomain *self, const VolumeGeometry *geometry, int i, int j,
                             int k);
/* @mask: n_voxels bytes, i fastest; 1 inside, 0 outside. */
void db_domain_fill_mask (const DbDomain *self, const VolumeGeometry *geometry, guint8 *mask);

G_END_DECLS
