/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine-prompter.h"
#include "app/flow-prompt.h"
#include "app/flow-propagate.h"
#include "seg/generalist/cache.h"

#include <glib/gi18n.h>
#include <string.h>

#define N_IN_MEMORY 24
/* Embeddings in memory hold their scans there as well. */
#define BYTES_IN_MEMORY (192 << 20)

/* What lives on the engine thread; jobs and the prompter share it. */
typedef struct
{
  VolumeScan *scan;
  VolumePlane plane;
  int index;
  SegEmbedding *embedding;
} Seat;

typedef struct
{
  gint refs;
  SegGeneralist *generalist;
  SegEmbeddingCache *cache;
  GQueue seats; /* of Seat, used last first */
  /* What is being encoded: a prompt about the same slice, nested in it, waits for it instead. */
  const VolumeScan *encoding_scan;
  VolumePlane encoding_plane;
  int encoding_index;
  /* The answer given last, to be refined: its low-resolution logits. */
  VolumeScan *last_scan;
  VolumePlane last_plane;
  int last_index;
  SegAnswer *last;
} Desk;

struct _AppEnginePrompter
{
  GObject parent_instance;
  AppEngine *engine;
  Desk *desk;
  char *name, *missing;
  gboolean opened;
  GQueue wishes; /* of Seat without an embedding: to be encoded when there is time, one at a time */
  guint n_encoding; /* jobs that encode slices and give way to prompts */
  GPtrArray *waiting; /* Question: prompts that wait for the end of such a job */
};

static void app_engine_prompter_iface_init (AppPrompterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AppEnginePrompter, app_engine_prompter, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (APP_TYPE_PROMPTER,
                                                      app_engine_prompter_iface_init))

/* ---- the desk -------------------------------------------------------------------------------- */

static void
seat_free (gpointer data)
{
  Seat *seat = data;

  volume_scan_unref (seat->scan);
  if (seat->embedding != NULL)
    seg_embedding_unref (seat->embedding);
  g_free (seat);
}

static void
desk_clear_work (Desk *self)
{
  g_queue_clear_full (&self->seats, seat_free);
  g_clear_pointer (&self->last, seg_answer_free);
  g_clear_pointer (&self->last_scan, volume_scan_unref);
}

/* What belongs to the device is let go on the engine thread. */
static gboolean
desk_close_run (AppJob *job, gpointer data, GError **error)
{
  Desk *self = data;

  desk_clear_work (self);
  g_clear_pointer (&self->generalist, seg_generalist_unref);
  return TRUE;
}

static Desk *
desk_ref (Desk *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

static void
desk_unref (gpointer data)
{
  Desk *self = data;

  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  desk_clear_work (self);
  g_clear_pointer (&self->generalist, seg_generalist_unref);
  seg_embedding_cache_free (self->cache);
  g_free (self);
}

static Seat *
seat_new (VolumeScan *scan, VolumePlane plane, int index)
{
  Seat *seat = g_new0 (Seat, 1);

  seat->scan = volume_scan_ref (scan);
  seat->plane = plane;
  seat->index = index;
  return seat;
}

/* (transfer full) (nullable) */
static SegEmbedding *
desk_find (Desk *self, const VolumeScan *scan, VolumePlane plane, int index)
{
  for (GList *l = self->seats.head; l != NULL; l = l->next)
    {
      Seat *seat = l->data;

      if (seat->scan == scan && seat->plane == plane && seat->index == index)
        {
          g_queue_unlink (&self->seats, l);
          g_queue_push_head_link (&self->seats, l);
          return seg_embedding_ref (seat->embedding);
        }
    }
  return NULL;
}

static gsize
scan_bytes (VolumeScan *scan)
{
  return volume_scan_get_n_voxels (scan) * volume_dtype_get_size (volume_scan_get_dtype (scan));
}

/* What a seat keeps from being freed: its embedding, and the scan unless a seat used later or the
 * newest, which a person looks at, holds it already. */
static gsize
seat_bytes (Desk *self, GList *link)
{
  const Seat *seat = link->data;
  gsize bytes = seg_generalist_get_info (self->generalist)->embedding_bytes;

  for (GList *l = self->seats.head; l != link; l = l->next)
    if (((Seat *) l->data)->scan == seat->scan)
      return bytes;
  return link == self->seats.head ? bytes : bytes + scan_bytes (seat->scan);
}

/* The newest stays, however large. */
static void
desk_keep (Desk *self, VolumeScan *scan, VolumePlane plane, int index, SegEmbedding *embedding)
{
  Seat *seat = seat_new (scan, plane, index);
  gsize bytes = 0;
  int n = 0;

  seat->embedding = seg_embedding_ref (embedding);
  g_queue_push_head (&self->seats, seat);
  for (GList *l = self->seats.head, *next; l != NULL; l = next)
    {
      gsize more = seat_bytes (self, l);

      next = l->next;
      if (l == self->seats.head || (n < N_IN_MEMORY && bytes + more <= BYTES_IN_MEMORY))
        {
          bytes += more;
          n++;
          continue;
        }
      seat_free (l->data);
      g_queue_delete_link (&self->seats, l);
    }
}

/* The slice is being encoded further down on this thread's stack. */
static gboolean
desk_is_encoding (Desk *self, const VolumeScan *scan, VolumePlane plane, int index)
{
  return self->encoding_scan == scan && self->encoding_plane == plane
         && self->encoding_index == index;
}

/* From disk, or made now (and kept). */
static SegEmbedding *
make_embedding (Desk *self, SegGeneralist *generalist, const SegPicture *picture, GError **error)
{
  SegEmbedding *embedding = NULL;
  g_autoptr (GError) local = NULL;

  if (self->cache != NULL)
    embedding = seg_embedding_cache_get (self->cache, generalist, picture);
  if (embedding != NULL)
    return embedding;
  embedding = seg_generalist_encode (generalist, picture, error);
  /* A full disk costs speed, not the answer. */
  if (embedding != NULL && self->cache != NULL
      && !seg_embedding_cache_put (self->cache, generalist, picture, embedding, &local))
    g_message ("%s", local->message);
  return embedding;
}

/* The embedding of a slice: at hand, from disk, or made now. Prompts may nest in it and open
 * another generalist: what was encoded by the one before is of no use then. */
static SegEmbedding *
desk_get_embedding (Desk *self, VolumeScan *scan, VolumePlane plane, int index, GError **error)
{
  SegEmbedding *embedding = desk_find (self, scan, plane, index);
  g_autoptr (SegGeneralist) generalist = NULL;
  g_autoptr (SegPicture) picture = NULL;
  const VolumeScan *outer_scan = self->encoding_scan;
  const VolumePlane outer_plane = self->encoding_plane;
  const int outer_index = self->encoding_index;

  if (embedding != NULL)
    return embedding;
  generalist = seg_generalist_ref (self->generalist);
  picture = app_flow_prompt_cut (scan, plane, index);
  self->encoding_scan = scan;
  self->encoding_plane = plane;
  self->encoding_index = index;
  embedding = make_embedding (self, generalist, picture, error);
  self->encoding_scan = outer_scan;
  self->encoding_plane = outer_plane;
  self->encoding_index = outer_index;
  if (embedding == NULL)
    return NULL;
  if (self->generalist != generalist)
    {
      seg_embedding_unref (embedding);
      g_set_error_literal (error, SEG_ERROR, SEG_ERROR_CANCELLED,
                           "another generalist was chosen meanwhile");
      return NULL;
    }
  desk_keep (self, scan, plane, index, embedding);
  return embedding;
}

static gboolean
yield_cb (gpointer user_data)
{
  return app_engine_yield ();
}

/* ---- questions ------------------------------------------------------------------------------- */

typedef enum
{
  ASK_OPEN,
  ASK_PREFETCH,
  ASK_ANSWER,
  ASK_PROPAGATE
} Ask;

typedef struct
{
  Ask ask;
  Desk *desk;
  GTask *task; /* NULL for a prefetch */
  char *weights, *name;
  VolumeScan *scan;
  VolumePlane plane;
  int index, n_slices;
  VolumePrompt *prompt;
  guint8 *previous; /* screen order */
  AppPromptAnswer *answer;
  gulong cancel_id;
  gboolean must_wait; /* for the encoding it is nested in */
  GWeakRef prompter;
} Question;

static void
question_free (gpointer data)
{
  Question *self = data;

  g_clear_object (&self->task);
  g_clear_pointer (&self->scan, volume_scan_unref);
  g_clear_pointer (&self->prompt, volume_prompt_free);
  g_clear_pointer (&self->answer, app_prompt_answer_free);
  desk_unref (self->desk);
  g_weak_ref_clear (&self->prompter);
  g_free (self->weights);
  g_free (self->name);
  g_free (self->previous);
  g_free (self);
}

static gboolean
open_generalist (Question *self, GError **error)
{
  SegGeneralist *generalist = app_flow_prompt_open (self->weights, NULL, error);

  if (generalist == NULL)
    return FALSE; /* the previous one stays */
  seg_generalist_set_yield (generalist, yield_cb, NULL);
  desk_clear_work (self->desk);
  seg_generalist_unref (self->desk->generalist);
  self->desk->generalist = generalist;
  self->name = g_strdup (seg_generalist_get_info (generalist)->name);
  return TRUE;
}

static AppPromptAnswer *
to_voxels (Question *self, const SegAnswer *from, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
  const VolumeBox box = app_flow_prompt_get_box (geometry, self->plane, self->index);
  AppPromptAnswer *answer = app_prompt_answer_new (&box, from->n_masks, error);
  g_autofree guint8 *screen = NULL;

  if (answer == NULL)
    return NULL;
  screen = g_new (guint8, (gsize) from->width * (gsize) from->height);
  for (int m = 0; m < from->n_masks; m++)
    {
      seg_answer_get_mask (from, m, screen);
      app_flow_prompt_place_mask (geometry, self->plane, self->index, screen, answer->masks[m]);
      answer->iou[m] = (double) from->iou[m];
      answer->stability[m] = (double) from->stability[m];
    }
  answer->encode_ms = from->encode_ms;
  answer->decode_ms = from->decode_ms;
  return answer;
}

/* A person refines the answer shown last: its logits say more than its mask. */
static void
add_previous (Question *self, SegPrompt *prompt, const SegEmbedding *embedding)
{
  Desk *desk = self->desk;
  VolumeSliceFrame frame;

  if (self->previous == NULL)
    return;
  volume_geometry_get_slice_frame (volume_scan_get_geometry (self->scan), self->plane, &frame);
  if (desk->last != NULL && desk->last_scan == self->scan && desk->last_plane == self->plane
      && desk->last_index == self->index)
    for (int m = 0; m < desk->last->n_masks; m++)
      {
        g_autofree guint8 *mask = g_new (guint8, (gsize) frame.n_u * (gsize) frame.n_v);

        seg_answer_get_mask (desk->last, m, mask);
        if (memcmp (mask, self->previous, (gsize) frame.n_u * (gsize) frame.n_v) == 0)
          {
            seg_prompt_set_low_res (prompt, desk->last->low_res[m]);
            return;
          }
      }
  seg_prompt_set_mask (prompt, self->previous, frame.n_u, frame.n_v);
}

static gboolean
answer_question (Question *self, GError **error)
{
  Desk *desk = self->desk;
  g_autoptr (SegEmbedding) embedding = NULL;
  g_autoptr (SegPrompt) prompt = NULL;
  g_autoptr (SegAnswer) answer = NULL;

  /* Nothing is gained where the embedding costs nothing. */
  if (self->ask == ASK_PREFETCH && seg_generalist_get_info (desk->generalist)->embedding_bytes == 0)
    return TRUE;
  self->must_wait = desk_is_encoding (desk, self->scan, self->plane, self->index);
  if (self->must_wait)
    return TRUE;
  embedding = desk_get_embedding (desk, self->scan, self->plane, self->index, error);
  if (embedding == NULL || self->ask == ASK_PREFETCH)
    return embedding != NULL;
  prompt = app_flow_prompt_translate (volume_scan_get_geometry (self->scan), self->prompt, error);
  if (prompt == NULL)
    return FALSE;
  add_previous (self, prompt, embedding);
  answer = seg_generalist_answer (desk->generalist, embedding, prompt, TRUE, error);
  if (answer == NULL)
    return FALSE;
  self->answer = to_voxels (self, answer, error);
  if (self->answer == NULL)
    return FALSE;
  g_clear_pointer (&desk->last_scan, volume_scan_unref);
  g_clear_pointer (&desk->last, seg_answer_free);
  desk->last_scan = volume_scan_ref (self->scan);
  desk->last_plane = self->plane;
  desk->last_index = self->index;
  desk->last = g_steal_pointer (&answer);
  return TRUE;
}

static SegEmbedding *
embed_cb (VolumeScan *scan, VolumePlane plane, int index, gpointer user_data, GError **error)
{
  return desk_get_embedding (user_data, scan, plane, index, error);
}

static gboolean
tick_cb (double fraction, gpointer user_data)
{
  AppJob *job = user_data;

  app_job_progress (job, fraction, NULL);
  return app_engine_yield () && !app_job_is_stopping (job);
}

static gboolean
propagate_question (Question *self, AppJob *job, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
  g_autoptr (SegGeneralist) generalist = seg_generalist_ref (self->desk->generalist);
  AppFlowPropagation result = { 0 };

  if (!app_flow_propagate (generalist, self->scan, self->plane, self->index, self->previous,
                           self->n_slices, embed_cb, self->desk, tick_cb, job, &result, error))
    return FALSE;
  VolumeBox box = app_flow_prompt_get_box (geometry, self->plane, self->index);
  const int across = geometry->axis_of_plane[self->plane];
  box.lo[across] = result.first;
  box.hi[across] = result.last + 1;
  self->answer = app_prompt_answer_new (&box, 1, error);
  if (self->answer != NULL)
    {
      app_flow_propagation_place (&result, geometry, self->plane, self->answer->masks[0]);
      self->answer->iou[0] = result.confidence;
      self->answer->stability[0] = result.confidence;
    }
  app_flow_propagation_clear (&result);
  return self->answer != NULL;
}

static gboolean
question_run (AppJob *job, gpointer data, GError **error)
{
  Question *self = data;

  if (self->ask == ASK_OPEN)
    return open_generalist (self, error);
  if (self->desk->generalist == NULL)
    {
      g_set_error_literal (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                           _ ("No generalist is loaded."));
      return FALSE;
    }
  return self->ask == ASK_PROPAGATE ? propagate_question (self, job, error)
                                    : answer_question (self, error);
}

static void submit (AppEnginePrompter *self, Question *question, AppJobKind kind,
                    const char *title);
static Question *question_new (AppEnginePrompter *self, Ask ask, GTask *task);

static gboolean
gives_way (const Question *question)
{
  return question->ask == ASK_PREFETCH || question->ask == ASK_PROPAGATE;
}

/* The same question as a new job's. */
static Question *
question_move (Question *from)
{
  Question *question = g_new0 (Question, 1);

  *question = *from;
  g_weak_ref_init (&question->prompter, NULL);
  question->desk = desk_ref (from->desk);
  question->must_wait = FALSE;
  question->cancel_id = 0;
  from->task = NULL;
  from->scan = NULL;
  from->prompt = NULL;
  from->previous = NULL;
  from->weights = from->name = NULL;
  from->answer = NULL;
  return question;
}

static void
ask_again (AppEnginePrompter *self)
{
  while (self->n_encoding == 0 && self->waiting->len > 0)
    submit (self, g_ptr_array_steal_index (self->waiting, 0), APP_JOB_PROMPT,
            _ ("Answering a prompt"));
}

static void
next_wish (AppEnginePrompter *self)
{
  g_autofree Seat *wish = NULL;
  Question *question;

  if (self->n_encoding > 0 || g_queue_is_empty (&self->wishes))
    return;
  wish = g_queue_pop_head (&self->wishes);
  question = question_new (self, ASK_PREFETCH, NULL);
  question->scan = wish->scan;
  question->plane = wish->plane;
  question->index = wish->index;
  submit (self, question, APP_JOB_EMBEDDING, _ ("Preparing a slice for prompts"));
}

static void
question_done (AppJob *job, gpointer data, const GError *error)
{
  Question *self = data;
  g_autoptr (AppEnginePrompter) owner = g_weak_ref_get (&self->prompter);
  GCancellable *cancellable;

  if (owner != NULL && gives_way (self))
    {
      owner->n_encoding--;
      ask_again (owner);
      next_wish (owner);
    }
  if (self->task == NULL)
    return;
  cancellable = g_task_get_cancellable (self->task);
  if (cancellable != NULL && self->cancel_id != 0)
    g_cancellable_disconnect (cancellable, self->cancel_id);
  if (error == NULL && self->must_wait)
    {
      AppEnginePrompter *prompter = g_task_get_source_object (self->task);

      g_ptr_array_add (prompter->waiting, question_move (self));
      ask_again (prompter);
      return;
    }
  if (self->ask == ASK_OPEN)
    {
      AppEnginePrompter *prompter = g_task_get_source_object (self->task);

      if (error == NULL)
        {
          g_free (prompter->name);
          prompter->name = g_strdup (self->name);
          prompter->opened = TRUE;
          g_clear_pointer (&prompter->missing, g_free);
        }
      else if (!prompter->opened)
        {
          g_free (prompter->missing);
          prompter->missing = g_strdup (error->message);
        }
    }
  if (error != NULL)
    g_task_return_error (self->task, g_error_copy (error));
  else if (self->ask == ASK_OPEN)
    g_task_return_boolean (self->task, TRUE);
  else
    g_task_return_pointer (self->task, g_steal_pointer (&self->answer),
                           (GDestroyNotify) app_prompt_answer_free);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  app_job_cancel (user_data);
}

static void
submit (AppEnginePrompter *self, Question *question, AppJobKind kind, const char *title)
{
  GCancellable *cancellable =
      question->task != NULL ? g_task_get_cancellable (question->task) : NULL;
  g_autoptr (AppJob) job =
      app_engine_submit (self->engine, &(AppJobParams){ .kind = kind,
                                                        .title = title,
                                                        .run = question_run,
                                                        .done = question_done,
                                                        .data = question,
                                                        .destroy = question_free,
                                                        .lasting = question->ask == ASK_OPEN });
  if (gives_way (question))
    self->n_encoding++;
  /* done comes on this thread's main context, so the question is still there. */
  if (cancellable != NULL)
    question->cancel_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb),
                                                 g_object_ref (job), g_object_unref);
}

static Question *
question_new (AppEnginePrompter *self, Ask ask, GTask *task)
{
  Question *question = g_new0 (Question, 1);

  question->ask = ask;
  question->desk = desk_ref (self->desk);
  question->task = task;
  g_weak_ref_init (&question->prompter, self);
  return question;
}

/* ---- AppPrompter ----------------------------------------------------------------------------- */

static const char *
get_missing (AppPrompter *prompter)
{
  return APP_ENGINE_PROMPTER (prompter)->missing;
}

static const char *
get_name (AppPrompter *prompter)
{
  AppEnginePrompter *self = APP_ENGINE_PROMPTER (prompter);
  return self->name != NULL ? self->name : "";
}

static void
prefetch (AppPrompter *prompter, VolumeScan *scan, VolumePlane plane, int index)
{
  AppEnginePrompter *self = APP_ENGINE_PROMPTER (prompter);

  if (scan == NULL)
    g_queue_clear_full (&self->wishes, seat_free);
  else
    g_queue_push_tail (&self->wishes, seat_new (scan, plane, index));
  next_wish (self);
}

/* The mask of @answer on the slice, in screen order; NULL if it does not hold the slice. */
static guint8 *
mask_on_slice (VolumeScan *scan, VolumePlane plane, int index, const AppPromptAnswer *answer,
               int mask)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  const VolumeBox box = app_flow_prompt_get_box (geometry, plane, index);
  gsize n = 1;
  guint8 *screen;

  if (answer == NULL || mask < 0 || mask >= answer->n_masks
      || memcmp (&box, &answer->box, sizeof box) != 0)
    return NULL;
  for (int a = 0; a < 3; a++)
    n *= (gsize) (box.hi[a] - box.lo[a]);
  screen = g_new0 (guint8, n);
  app_flow_prompt_take_mask (geometry, plane, index, answer->masks[mask], screen);
  for (gsize p = 0; p < n; p++)
    screen[p] = screen[p] != 0;
  return screen;
}

static void
answer_async (AppPrompter *prompter, VolumeScan *scan, const VolumePrompt *prompt,
              const AppPromptAnswer *previous, int previous_mask, GCancellable *cancellable,
              GAsyncReadyCallback callback, gpointer user_data)
{
  AppEnginePrompter *self = APP_ENGINE_PROMPTER (prompter);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Question *question = question_new (self, ASK_ANSWER, task);

  g_task_set_source_tag (task, answer_async);
  question->scan = volume_scan_ref (scan);
  question->plane = prompt->plane;
  question->index = prompt->slice_index;
  question->prompt = volume_prompt_copy (prompt);
  question->previous =
      mask_on_slice (scan, prompt->plane, prompt->slice_index, previous, previous_mask);
  submit (self, question, APP_JOB_PROMPT, _ ("Answering a prompt"));
}

static AppPromptAnswer *
answer_finish (AppPrompter *prompter, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
propagate_async (AppPrompter *prompter, VolumeScan *scan, VolumePlane plane,
                 const AppPromptAnswer *from, int from_mask, int n_slices,
                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  AppEnginePrompter *self = APP_ENGINE_PROMPTER (prompter);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  const int across = volume_scan_get_geometry (scan)->axis_of_plane[plane];
  Question *question;
  guint8 *mask = mask_on_slice (scan, plane, from->box.lo[across], from, from_mask);

  g_task_set_source_tag (task, propagate_async);
  if (mask == NULL)
    {
      g_task_return_new_error (task, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, "%s",
                               _ ("Only the answer on one slice can be propagated."));
      g_object_unref (task);
      return;
    }
  question = question_new (self, ASK_PROPAGATE, task);
  question->scan = volume_scan_ref (scan);
  question->plane = plane;
  question->index = from->box.lo[across];
  question->n_slices = n_slices;
  question->previous = mask;
  submit (self, question, APP_JOB_EMBEDDING, _ ("Propagating a mask to neighbouring slices"));
}

static void
app_engine_prompter_iface_init (AppPrompterInterface *iface)
{
  iface->get_missing = get_missing;
  iface->get_name = get_name;
  iface->prefetch = prefetch;
  iface->answer_async = answer_async;
  iface->answer_finish = answer_finish;
  iface->propagate_async = propagate_async;
  iface->propagate_finish = answer_finish;
}

static void
app_engine_prompter_dispose (GObject *object)
{
  AppEnginePrompter *self = APP_ENGINE_PROMPTER (object);

  if (self->engine != NULL && self->desk != NULL)
    {
      G_GNUC_UNUSED g_autoptr (AppJob) job =
          app_engine_submit (self->engine, &(AppJobParams){ .kind = APP_JOB_EMBEDDING,
                                                            .title = _ ("Closing the generalist"),
                                                            .run = desk_close_run,
                                                            .data = desk_ref (self->desk),
                                                            .destroy = desk_unref,
                                                            .lasting = TRUE });
    }
  g_queue_clear_full (&self->wishes, seat_free);
  g_clear_pointer (&self->waiting, g_ptr_array_unref);
  g_clear_pointer (&self->desk, desk_unref);
  g_clear_object (&self->engine);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->missing, g_free);
  G_OBJECT_CLASS (app_engine_prompter_parent_class)->dispose (object);
}

static void
app_engine_prompter_class_init (AppEnginePrompterClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = app_engine_prompter_dispose;
}

static void
app_engine_prompter_init (AppEnginePrompter *self)
{
  self->desk = g_new0 (Desk, 1);
  self->desk->refs = 1;
  self->waiting = g_ptr_array_new_with_free_func (question_free);
}

AppEnginePrompter *
app_engine_prompter_new (AppEngine *engine, const char *weights, const char *cache_folder,
                         guint64 cache_bytes)
{
  AppEnginePrompter *self = g_object_new (APP_TYPE_ENGINE_PROMPTER, NULL);

  self->engine = g_object_ref (engine);
  if (cache_folder != NULL && cache_bytes > 0)
    self->desk->cache = seg_embedding_cache_new (cache_folder, cache_bytes);
  app_engine_prompter_use_async (self, weights, NULL, NULL, NULL);
  return self;
}

void
app_engine_prompter_use_async (AppEnginePrompter *self, const char *weights,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Question *question = question_new (self, ASK_OPEN, task);

  g_task_set_source_tag (task, app_engine_prompter_use_async);
  question->weights = g_strdup (weights);
  submit (self, question, APP_JOB_PROMPT, _ ("Opening the generalist"));
}

gboolean
app_engine_prompter_use_finish (AppEnginePrompter *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
