/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"

G_BEGIN_DECLS

/**
 * AppSources: files that an output must not replace (I1): what is read, and a project's own.
 *
 * By device and inode, whatever their names; files that are not there are none. Threads: one.
 */
typedef struct _AppSources AppSources;

AppSources *app_sources_new (void) G_GNUC_WARN_UNUSED_RESULT;
void app_sources_free (AppSources *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppSources, app_sources_free)

/* @path: (nullable) */
void app_sources_add (AppSources *self, const char *path);
/* The project's database, its scans and their truths. */
void app_sources_add_project (AppSources *self, DbStore *store);
/* %FALSE, with VOLUME_ERROR_IO, if @path is one of them. */
gboolean app_sources_check (AppSources *self, const char *path, GError **error);

G_END_DECLS
