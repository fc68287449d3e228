/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/select.h"
#include "app/engine.h"
#include "db/store.h"

G_BEGIN_DECLS

/* predictions → active → db: what to label next. */

/**
 * AppSelectRequest:
 * @strategy: used if @has_strategy; else gm-abs' where there is a model, the cold start where not
 */
typedef struct
{
  int n_wanted;
  gboolean has_strategy;
  ActiveStrategy strategy;
  double random_share;
  gint64 seed;
} AppSelectRequest;

/* One proposed scan; validation scans, which are proposed first (I6), have rank 0. */
typedef struct
{
  gint64 case_id;
  char *name;
  int rank; /* 1 best */
  double score;
  gboolean validation;
  char *reason;
  int n_slices;
  struct
  {
    VolumePlane plane;
    int index;
  } slices[8];
} AppProposal;

/**
 * app_flow_select_async:
 *
 * Ranks the unlabelled training scans and proposes three slices of each; validation scans without
 * slices get theirs. Proposals that nobody has begun give way to the new ones.
 * Main thread.
 */
void app_flow_select_async (DbStore *store, AppEngine *engine, const AppSelectRequest *request,
                            GAsyncReadyCallback callback, gpointer user_data);
/* Returns: (transfer full) (element-type AppProposal) */
GPtrArray *app_flow_select_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* (transfer full): the sentences a person reads: why this scan (NULL: a validation scan), and why
 * these slices of it. */
char *app_flow_describe_proposal (const char *reason,
                                  const char *planes_reason) G_GNUC_WARN_UNUSED_RESULT;

/**
 * app_flow_skip_proposal_async:
 *
 * The person puts a proposed scan aside; the reason is kept in the project and it is not offered
 * again. Its unsigned slices are taken back.
 */
void app_flow_skip_proposal_async (DbStore *store, gint64 case_id, const char *reason,
                                   GAsyncReadyCallback callback, gpointer user_data);
gboolean app_flow_skip_proposal_finish (DbStore *store, GAsyncResult *result, GError **error);
gboolean app_flow_is_skipped (DbStore *store, gint64 case_id);

G_END_DECLS
