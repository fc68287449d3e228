/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/store.h"

G_BEGIN_DECLS

/* Which specialist of a project predicts, proposes and is accepted from: the newest, unless a
 * person went back to an earlier one. Going back takes nothing away: every model and its
 * predictions stay, each choice is an event of the audit trail, and a new round's model takes over
 * when it is done. Main thread. */

/* (transfer none) (nullable): NULL before the first round. */
DbModel *app_current_model_get (DbStore *store);
/* Whether a person chose it, rather than it being the newest. */
gboolean app_current_model_is_chosen (DbStore *store);

/* Result of the write: 0. */
DbWrite *app_current_model_write (gint64 model, gint64 before) G_GNUC_WARN_UNUSED_RESULT;
/* For the end of a round: the newest again. */
DbWrite *app_current_model_write_newest (gint64 model) G_GNUC_WARN_UNUSED_RESULT;

/* (transfer none) (nullable): the current model's prediction of a case. */
DbPrediction *app_current_model_find_prediction (DbStore *store, gint64 case_id);

G_END_DECLS
