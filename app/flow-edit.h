/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/labels.h"

G_BEGIN_DECLS

/* text script → journal. One command a line; "#" begins a comment. Voxel indices i,j,k; PLANE is
 * axial, coronal or sagittal (or a, c, s), N its slice; on a slice u,v are the column and row of
 * its picture in radiological convention. LABEL is an id, 0 erases.
 *
 *   scan ID|NAME                        the scan that what follows is about
 *   set LABEL i,j,k [i,j,k …]           single voxels
 *   box LABEL i0,j0,k0 i1,j1,k1         a box, both corners inside it
 *   brush LABEL PLANE N MM u,v [u,v …]  a round brush of MM millimetres along a path
 *   undo [TIMES]  redo [TIMES]
 *   jump EDIT                           to where the labels stood after that edit; 0: the start
 *   revert EDIT                         take that edit back, keep what came after (a new edit)
 *   propose PLANE N                     a slice to be labelled
 *   sign PLANE N   unsign PLANE N
 *   complete   reopen                   the whole scan is labelled, or is not
 *   lock LABEL   unlock LABEL
 */

/* Called when a line is finished, that is, committed (I2): "edit 12 voxels 340". FALSE, with an
 * error, if nobody can be told: then no further line is begun. */
typedef gboolean (*AppEditAcknowledge) (int line, const char *text, gpointer user_data,
                                        GError **error);

/* Runs the script's lines in order; stops at the first that fails, what is finished stays.
 * Blocking; the store's thread. */
gboolean app_flow_edit (DbStore *store, GInputStream *script, const char *name,
                        AppEditAcknowledge acknowledge, gpointer user_data, GError **error);

G_END_DECLS
