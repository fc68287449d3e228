/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/db-types.h"
#include "volume/geometry.h"

G_BEGIN_DECLS

/* Rows of the store's lists. Every field below is also a GObject property of the same name with
 * dashes ("n-signed"), notified when a committed change reaches it; enumerations are ints there.
 * Outside db/ fields and properties are read-only. Rows belong to the store's thread. */

/* A scan of the project, with its state. */
#define DB_TYPE_CASE (db_case_get_type ())
G_DECLARE_FINAL_TYPE (DbCase, db_case, DB, CASE, GObject)
struct _DbCase
{
  GObject parent_instance;
  gint64 id; /* 1… in the order added; the ID of the command line */
  char *name; /* the file's name without its suffixes */
  char *path; /* relative to the project folder, or absolute where that is impossible */
  char *sha256; /* of the file, lower-case hex (I1) */
  char *truth_path; /* or NULL; simulate and evaluate only */
  int volume_index; /* which volume of a 4-D file */
  gboolean validation; /* I6 */
  gboolean complete; /* the whole scan is labelled */
  int state; /* DbCaseState */
  int n_tasks; /* slices proposed or signed */
  int n_signed; /* of these signed: the 0–3 of a cross-labelled case */
  gint64 head; /* edit the labels stand at, 0 for none */
  gint64 n_edits; /* edits in the history, all branches */
  double seconds; /* expert time spent, all slices */
  int rank; /* in the latest selection, 1 best; 0 not in it */
  double score; /* in the latest selection */
  char *reason; /* why it is proposed, a sentence for people; or NULL */
  gint64 opened_at; /* Unix µs of the last time it was shown, 0 never */
  int size_i, size_j, size_k;
  char *orientation; /* "RAS" */
  GBytes *geometry_blob; /* not a property; see db_case_get_geometry() */
};
/* The scan's grid as it was when added: enough to propose slices without loading the scan. */
void db_case_get_geometry (DbCase *self, VolumeGeometry *geometry);

/* One slice to be labelled, or labelled and signed, of a case. */
#define DB_TYPE_SLICE_TASK (db_slice_task_get_type ())
G_DECLARE_FINAL_TYPE (DbSliceTask, db_slice_task, DB, SLICE_TASK, GObject)
struct _DbSliceTask
{
  GObject parent_instance;
  gint64 id;
  gint64 case_id;
  int plane; /* VolumePlane */
  int index; /* slice of that plane (VolumeSliceFrame), 0… */
  int state; /* DbTaskState */
  char *origin; /* "validation", "selection", "person", "import", "truth" */
  char *signed_by; /* or NULL */
  gint64 signed_at; /* Unix µs, 0 if not */
  double seconds; /* expert time spent on it */
};

/* One edit of a case's history. The list holds every branch, oldest first. */
#define DB_TYPE_EDIT (db_edit_get_type ())
G_DECLARE_FINAL_TYPE (DbEdit, db_edit, DB, EDIT, GObject)
struct _DbEdit
{
  GObject parent_instance;
  gint64 id;
  gint64 case_id;
  gint64 parent; /* edit before it, 0 for none: histories are trees */
  int provenance; /* VolumeProvenance */
  char *tool; /* "brush", "prompt", … */
  gint64 label; /* the label it left, −1 for several */
  gint64 n_voxels;
  gint64 at; /* Unix µs */
  gint64 round; /* of the model that made it, 0 for none */
  char *detail; /* JSON given with it, or NULL */
  int lo_i, lo_j, lo_k, hi_i, hi_j, hi_k; /* its box */
  gboolean applied; /* on the path from the start to where the labels stand */
};

/* A label class. */
#define DB_TYPE_LABEL (db_label_get_type ())
G_DECLARE_FINAL_TYPE (DbLabel, db_label, DB, LABEL, GObject)
struct _DbLabel
{
  GObject parent_instance;
  gint64 id; /* 1…65535 */
  char *name;
  char *colour; /* "#rrggbb" */
  gboolean visible;
  gboolean locked; /* no edit may change a voxel that carries it (I4) */
};

/* Work of the engine thread. */
#define DB_TYPE_JOB (db_job_get_type ())
G_DECLARE_FINAL_TYPE (DbJob, db_job, DB, JOB, GObject)
struct _DbJob
{
  GObject parent_instance;
  gint64 id;
  char *kind; /* "train", "predict", "select", "embed", … */
  char *title; /* for people */
  char *params; /* JSON, app's own */
  gint64 round; /* or 0 */
  int state; /* DbJobState */
  double fraction; /* 0…1 */
  gint64 step, n_steps;
  char *message; /* what it is doing, or why it failed */
  char *checkpoint; /* path relative to the project, or NULL */
  gint64 created_at, updated_at; /* Unix µs */
};

/* One training on what is labelled so far, predictions, next selection. */
#define DB_TYPE_ROUND (db_round_get_type ())
G_DECLARE_FINAL_TYPE (DbRound, db_round, DB, ROUND, GObject)
struct _DbRound
{
  GObject parent_instance;
  gint64 id; /* 1… */
  char *method;
  char *params; /* JSON */
  char *profile; /* "laptop", "paper", … */
  char *supervision; /* "cross" or "dense" */
  gint64 seed;
  int state; /* DbRoundState */
  gint64 journal_seq; /* labels are trained on as they were here (I7) */
  int n_labelled, n_unlabelled, n_validation;
  gint64 step, n_steps;
  double loss; /* latest, NaN before the first */
  double dice; /* validation, mean over foreground classes; NaN before the first */
  double seconds; /* spent computing */
  double expert_seconds; /* expert time in the project when it began */
  gint64 model; /* DbModel made by it, 0 before */
  char *message; /* why it failed, or what it does; or NULL */
  gint64 created_at, updated_at;
};

/* A value measured at a step of a round; db_store_read_metrics() gives whole curves. */
#define DB_TYPE_METRIC (db_metric_get_type ())
G_DECLARE_FINAL_TYPE (DbMetric, db_metric, DB, METRIC, GObject)
struct _DbMetric
{
  GObject parent_instance;
  gint64 id;
  gint64 round;
  gint64 step;
  char *name; /* "loss", "loss.consistency", "dice", "dice.1", … */
  double value;
};

/* A trained specialist, a file under models/. */
#define DB_TYPE_MODEL (db_model_get_type ())
G_DECLARE_FINAL_TYPE (DbModel, db_model, DB, MODEL, GObject)
struct _DbModel
{
  GObject parent_instance;
  gint64 id;
  gint64 round; /* 0 for an imported one */
  char *name;
  char *path; /* relative to the project */
  char *sha256;
  char *description; /* JSON: network, classes, spacing, window */
  double dice; /* validation; NaN if unknown */
  gint64 created_at;
};

/* A model's answer for a case, a file under cache/. */
#define DB_TYPE_PREDICTION (db_prediction_get_type ())
G_DECLARE_FINAL_TYPE (DbPrediction, db_prediction, DB, PREDICTION, GObject)
struct _DbPrediction
{
  GObject parent_instance;
  gint64 id;
  gint64 case_id;
  gint64 model;
  gint64 round;
  char *path; /* labels, relative to the project; may have been deleted with the cache */
  double confidence; /* mean over the predicted foreground, NaN if unknown */
  gint64 accepted_edit; /* edit that took it over, 0 if none */
  gint64 created_at;
};

/* One scan's place in one selection. */
#define DB_TYPE_SELECTION (db_selection_get_type ())
G_DECLARE_FINAL_TYPE (DbSelection, db_selection, DB, SELECTION, GObject)
struct _DbSelection
{
  GObject parent_instance;
  gint64 id;
  gint64 round; /* 0 before the first */
  gint64 case_id;
  int rank; /* 1 best */
  double score;
  char *strategy;
  char *scores; /* JSON: the parts of the score */
  char *reason; /* a sentence for people */
  gint64 created_at;
};

/* The audit trail, append-only. */
#define DB_TYPE_EVENT (db_event_get_type ())
G_DECLARE_FINAL_TYPE (DbEvent, db_event, DB, EVENT, GObject)
struct _DbEvent
{
  GObject parent_instance;
  gint64 id;
  gint64 at; /* Unix µs */
  char *kind; /* "sign", "round", "export", "migrate", … */
  gint64 case_id; /* or 0 */
  char *detail; /* JSON or NULL */
};

G_END_DECLS
