/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/labels.h"

/* A project of two small cases in a fresh folder, case 1 for validation. */
typedef struct
{
  char *folder;
  char *path; /* of the project */
  DbStore *store;
} Fixture;

#define FIXTURE_SIDE 20
#define FIXTURE_SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

void fixture_set_up (Fixture *self, gconstpointer data);
void fixture_tear_down (Fixture *self, gconstpointer data);
void fixture_reopen (Fixture *self);
/* Runs what is left of finished calls, so that they let go of their objects. */
void fixture_settle (void);

/* A box of @label at @lo, @side voxels wide, built on the labels now; not yet committed. */
VolumeEdit *fixture_box_edit (DbLabels *labels, int lo, int side, guint16 label,
                              VolumeProvenance provenance);
/* The whole map as bytes: equal bytes are equal maps, edit ids included. */
GBytes *fixture_map_bytes (VolumeLabelMap *map);
void fixture_assert_same (VolumeLabelMap *map, GBytes *expected);
void fixture_remove_tree (const char *folder);
