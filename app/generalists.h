/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "seg/generalist/generalist.h"

G_BEGIN_DECLS

/* The generalists a person has: weight files in one folder, told by their tensors. Nothing is ever
 * downloaded (I10); where to get the official files is told. All of it works without a window. */

typedef struct
{
  char *path;
  SegGeneralistKind kind;
  char *name; /* "SAM ViT-B" */
  guint64 size_bytes;
  char *sha256;
  const char *licence; /* NULL where the file is none of its makers' */
  gboolean official; /* byte for byte a file of the list below */
  double gflop; /* of one encoding; 0 unknown */
  char *problem; /* not NULL: why it cannot be used; then kind and name say nothing */
} AppGeneralist;

void app_generalist_free (AppGeneralist *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppGeneralist, app_generalist_free)

typedef struct
{
  const char *name, *file, *address, *sha256, *licence;
  guint64 size_bytes;
} AppGeneralistSource;

/* Ends with a name of NULL. @address may be a project's page where it offers no single file. */
const AppGeneralistSource *app_generalists_get_sources (void);

char *app_generalists_get_folder (void); /* of this user; need not exist */

/* Looks at one file; reads all of it. */
AppGeneralist *app_generalist_look (const char *path) G_GNUC_WARN_UNUSED_RESULT;
/* (element-type AppGeneralist): what the folder holds, by name. Slow: for a worker thread. */
GPtrArray *app_generalists_list (const char *folder) G_GNUC_WARN_UNUSED_RESULT;
/* Copies a file into the folder if it is a generalist's; a file there of the same name but other
 * content is not touched. Returns: (transfer full): its path there */
char *app_generalists_add (const char *folder, const char *path,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Deletes a file of the folder, and no other. */
gboolean app_generalists_remove (const char *folder, const char *path, GError **error);

G_END_DECLS
