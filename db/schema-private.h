/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/conn-private.h"

G_BEGIN_DECLS

/* The numbered SQL files of db/sql. Each is one transaction; a database with content is copied to
 * project.sqlite.before-NNN first. */

/* Version of the newest file. */
int db_schema_get_version (void);
/* Brings the database to it; DB_ERROR_NEWER if it is ahead. */
gboolean db_schema_upgrade (DbConn *conn, const char *folder, GError **error);
/* The same with other files: for tests of the mechanism. scripts[v] leads from version v to v+1. */
gboolean db_schema_upgrade_with (DbConn *conn, const char *folder, const char *const *scripts,
                                 int n_scripts, GError **error);
/* Pages, indices, foreign keys. */
gboolean db_schema_check (DbConn *conn, GError **error);

G_END_DECLS
