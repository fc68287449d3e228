/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/session.h"
#include "db/draft.h"

G_BEGIN_DECLS

/**
 * AppBuild:
 *
 * How an edit of many voxels is made for the open case (I8): on a worker, while the window says so
 * and goes on. Where labels, signatures or locks changed meanwhile it is made again; where the case
 * was left it is dropped. One at a time: while one is made the next is refused in words.
 *
 * @look: main thread, before each attempt: what the edit rests on beside the labels
 * @build: worker: collects the edit; FALSE with an error
 * @holds: main thread, after it: whether what look() saw is still so
 * @done: main thread, the end: @draft is NULL with an error; it may be without voxels
 */
typedef struct
{
  VolumeProvenance provenance;
  const char *tool;
  const char *telling; /* to be translated: "Interpolating…" */
  void (*look) (AppSession *session, gpointer data); /* or NULL */
  gboolean (*build) (const VolumeLabelMap *map, VolumeEditBuilder *builder, gpointer data,
                     GError **error);
  gboolean (*holds) (AppSession *session, gpointer data); /* or NULL */
  void (*done) (AppSession *session, DbDraft *draft, const GError *error, gpointer data);
} AppBuild;

/* @kind: lives as long as the program. @data is freed in the end. */
void app_session_build (AppSession *session, const AppBuild *kind, gpointer data,
                        GDestroyNotify free_data);

G_END_DECLS
