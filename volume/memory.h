/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/* Memory whose size data decide: a file's bytes, a scan's voxels, the runs of an edit. There may
 * not be so much, and then the caller says so: GLib's own allocators end the program instead, and
 * are for what is small. All such memory of volume/ and db/ is asked for here, so that a test can
 * refuse it. It is released with g_free().
 *
 * Errors: VOLUME_ERROR_TOO_LARGE. Threads: any.
 */

/* @n items of @size bytes, not cleared; never NULL for n = 0. */
gpointer volume_memory_try (gsize n, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, all zero. */
gpointer volume_memory_try0 (gsize n, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same in huge pages where the system has them, for whole files and volumes: a quarter less
 * time for a large scan. */
gpointer volume_memory_try_huge (gsize n_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A list that grows. Zero is an empty one; @size is the items' size and always the same. */
typedef struct
{
  gpointer items;
  gsize n, room;
} VolumeList;

#define VOLUME_LIST_ITEMS(list, type) ((type *) (list)->items)

/* Room for one more item, which the caller fills; NULL leaves the list as it was. */
gpointer volume_list_add (VolumeList *self, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Room for @n more items in a row. */
gpointer volume_list_add_n (VolumeList *self, gsize n, gsize size,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
void volume_list_clear (VolumeList *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VolumeList, volume_list_clear)

/* For tests: the @n-th request from now on is refused (1 is the next), and @n_in_a_row − 1 after
 * it; 0 refuses none. */
void volume_memory_refuse (int n, int n_in_a_row);
/* How many requests were refused since. */
int volume_memory_get_n_refused (void);

G_END_DECLS
