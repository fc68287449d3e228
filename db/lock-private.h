/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/db-types.h"

G_BEGIN_DECLS

/* The right to write a project. The kernel gives it back when the program ends, however it ends;
 * the file's text only names the owner. */
typedef struct _DbLock DbLock;

/* DB_ERROR_LOCKED names the owner: process, host, since when. */
DbLock *db_lock_take (const char *folder, GError **error);
void db_lock_release (DbLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DbLock, db_lock_release)

/* DB_ERROR_UNSAFE for network file systems, on which a lock may be given twice. */
gboolean db_lock_check_file_system (const char *folder, GError **error);
/* The name of an unsafe file system by its statfs type, or NULL. */
const char *db_lock_unsafe_name (guint64 type);

G_END_DECLS
