/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts between voxels and pictures, through the engine thread. The rule answers, so that no
 * weights are needed: what is tested is the way there and back. */
#include "app/engine-prompter.h"
#include "app/flow-prompt.h"
#include "app/flow-propagate.h"
#include "seg/generalist/builtin.h"
#include "seg/generalist/clicks.h"
#include "seg/generalist/generalist-private.h"
#include "seg/generalist/sam-network.h"
#include "seg/tensor/context.h"

#include <glib/gstdio.h>

#include <math.h>
#include <string.h>

/* The weights that ship, where the others are hidden from. */
static char *shipped;

#define NX 40
#define NY 52
#define NZ 30

/* A bright ellipsoid on an oblique, flipped grid; @truth gets it as well. */
static VolumeScan *
make_scan (guint8 *truth)
{
  const int size[3] = { NX, NY, NZ };
  /* Axes in the order P, S, L with a tilt. */
  const double affine[4][4] = {
    { 0.1, 0, -1.5, 10 }, { -0.8, 0.1, 0, 20 }, { 0.05, 0.9, 0.1, -5 }, { 0, 0, 0, 1 }
  };
  gint16 *values = g_new (gint16, NX * NY * NZ);
  VolumeGeometry geometry;

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  for (int k = 0, v = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      for (int i = 0; i < NX; i++, v++)
        {
          const double r = hypot (hypot ((i - 18) / 9.0, (j - 30) / 12.0), (k - 14) / 8.0);

          values[v] = (gint16) ((r < 1 ? 400 : 100) + (i * 31 + j * 17 + k * 7) % 23);
          if (truth != NULL)
            truth[v] = r < 1;
        }
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_I16,
                               g_bytes_new_take (values, sizeof (gint16) * NX * NY * NZ), 1, 0);
}

static void
test_voxels_and_pixels (void)
{
  g_autoptr (VolumeScan) scan = make_scan (NULL);
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);

  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      VolumeSliceFrame frame;
      g_autoptr (VolumePrompt) prompt = volume_prompt_new (plane, 7);
      g_autoptr (SegPrompt) pixels = NULL;
      g_autoptr (SegPicture) picture = app_flow_prompt_cut (scan, plane, 7);
      g_autoptr (GError) error = NULL;
      g_autofree guint8 *screen = NULL;
      g_autofree guint8 *voxels = NULL;
      g_autofree guint8 *back = NULL;
      const VolumeBox box = app_flow_prompt_get_box (geometry, plane, 7);
      double ijk[3] = { 18, 30, 14 };
      VolumeBox drawn;
      gsize n, at;

      volume_geometry_get_slice_frame (geometry, plane, &frame);
      g_assert_cmpint (picture->width, ==, frame.n_u);
      g_assert_cmpint (picture->height, ==, frame.n_v);
      n = (gsize) frame.n_u * (gsize) frame.n_v;
      ijk[frame.axis_normal] = 7;
      volume_prompt_add_point (prompt, ijk, VOLUME_PROMPT_NEGATIVE);
      for (int a = 0; a < 3; a++)
        drawn.lo[a] = a == frame.axis_normal ? 7 : 4, drawn.hi[a] = a == frame.axis_normal ? 8 : 11;
      volume_prompt_set_box (prompt, &drawn);
      pixels = app_flow_prompt_translate (geometry, prompt, &error);
      g_assert_no_error (error);
      {
        const SegPromptPoint *point = &g_array_index (pixels->points, SegPromptPoint, 0);
        /* The picture shows there what the voxel holds. */
        g_assert_cmpfloat (picture->pixels[(int) point->y * frame.n_u + (int) point->x], ==,
                           volume_scan_get_value (scan, (int) ijk[0], (int) ijk[1], (int) ijk[2]));
        g_assert_false (point->positive);
      }
      g_assert_cmpfloat (pixels->box[2] - pixels->box[0], ==, 6);
      g_assert_cmpfloat (pixels->box[3] - pixels->box[1], ==, 6);

      /* One voxel there and back. */
      screen = g_new0 (guint8, n);
      voxels = g_new0 (guint8, n);
      back = g_new0 (guint8, n);
      screen[3 * frame.n_u + 5] = 1;
      app_flow_prompt_place_mask (geometry, plane, 7, screen, voxels);
      volume_slice_frame_to_ijk (&frame, 5, 3, 7, ijk);
      at = 0;
      for (int a = 2; a >= 0; a--)
        at = at * (gsize) (box.hi[a] - box.lo[a]) + (gsize) (lrint (ijk[a]) - box.lo[a]);
      g_assert_cmpuint (voxels[at], ==, 1);
      app_flow_prompt_take_mask (geometry, plane, 7, voxels, back);
      g_assert_cmpmem (screen, n, back, n);

      /* Off the slice, and out of the scan. */
      ijk[frame.axis_normal] = 9;
      volume_prompt_add_point (prompt, ijk, VOLUME_PROMPT_POSITIVE);
      g_assert_null (app_flow_prompt_translate (geometry, prompt, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH);
    }
}

typedef struct
{
  SegGeneralist *generalist;
  int n_encoded;
} Embedder;

static SegEmbedding *
embed_cb (VolumeScan *scan, VolumePlane plane, int index, gpointer user_data, GError **error)
{
  Embedder *self = user_data;
  g_autoptr (SegPicture) picture = app_flow_prompt_cut (scan, plane, index);

  self->n_encoded++;
  return seg_generalist_encode (self->generalist, picture, error);
}

static gboolean
stop_cb (double fraction, gpointer user_data)
{
  return --*(int *) user_data > 0;
}

static void
test_propagate (void)
{
  g_autofree guint8 *truth = g_new (guint8, NX * NY * NZ);
  g_autofree guint8 *found = NULL;
  g_autoptr (VolumeScan) scan = make_scan (truth);
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  g_autoptr (SegGeneralist) rule = seg_generalist_new_rule ();
  Embedder embedder = { rule, 0 };
  AppFlowPropagation result;
  VolumeSliceFrame frame;
  g_autofree guint8 *start = NULL;
  g_autofree guint8 *sheet = NULL;
  g_autoptr (GError) error = NULL;
  int across, ticks = 3;
  gsize n_in = 0, n_both = 0, n_truth = 0, n;

  volume_geometry_get_slice_frame (geometry, VOLUME_PLANE_CORONAL, &frame);
  across = frame.axis_normal;
  n = (gsize) frame.n_u * (gsize) frame.n_v;
  start = g_new0 (guint8, n);
  sheet = g_new0 (guint8, n);
  g_assert_cmpint (across, ==, 0); /* the slice i = 18 */
  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      sheet[k * NY + j] = truth[(k * NY + j) * NX + 18];
  app_flow_prompt_take_mask (geometry, VOLUME_PLANE_CORONAL, 18, sheet, start);
  g_assert_true (app_flow_propagate (rule, scan, VOLUME_PLANE_CORONAL, 18, start, 40, embed_cb,
                                     &embedder, NULL, NULL, &result, &error));
  g_assert_no_error (error);
  /* The ellipsoid reaches from 10 to 26; it goes most of the way, and ends within. */
  g_assert_cmpint (result.first, <=, 13);
  g_assert_cmpint (result.last, >=, 23);
  g_assert_cmpint (result.first, >=, 8);
  g_assert_cmpint (result.last, <=, 28);
  g_assert_cmpint ((int) result.masks->len, ==, result.last - result.first + 1);
  found = g_new0 (guint8, (gsize) (result.last - result.first + 1) * NY * NZ);
  app_flow_propagation_place (&result, geometry, VOLUME_PLANE_CORONAL, found);
  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      for (int i = 0; i < NX; i++)
        {
          const gboolean in =
              i >= result.first && i <= result.last
              && found[(k * NY + j) * (result.last - result.first + 1) + i - result.first];
          n_in += in;
          n_truth += truth[(k * NY + j) * NX + i];
          n_both += in && truth[(k * NY + j) * NX + i];
        }
  g_assert_cmpfloat (2.0 * (double) n_both / (double) (n_in + n_truth), >, 0.9);
  app_flow_propagation_clear (&result);
  /* Stopped on the way: nothing is left. */
  g_assert_false (app_flow_propagate (rule, scan, VOLUME_PLANE_CORONAL, 18, start, 40, embed_cb,
                                      &embedder, stop_cb, &ticks, &result, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_CANCELLED);
  g_assert_null (result.masks);
}

/* A faint tube, the same in every slice, by the network that ships: however often it is carried on,
 * it keeps its size. */
static void
test_propagate_keeps_size (void)
{
  const int side = 96, n_slices = 14;
  const int size[3] = { side, side, n_slices };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  const gsize n = (gsize) side * (gsize) side;
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, NULL);
  g_autoptr (SegGeneralist) generalist = NULL;
  g_autoptr (VolumeScan) scan = NULL;
  g_autofree guint8 *start = g_new0 (guint8, n);
  g_autoptr (GBytes) weights = NULL;
  gint16 *values;
  char *bytes;
  gsize length;
  VolumeGeometry geometry;
  Embedder embedder;
  AppFlowPropagation result;
  g_autoptr (GError) error = NULL;
  guint32 noise = 1;
  gsize n_start = 0;

  if (shipped == NULL || device == NULL)
    {
      g_test_skip (shipped == NULL ? "the built-in weights are not here" : "no cpu backend");
      return;
    }
  values = g_new (gint16, n * (gsize) n_slices);
  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  for (int k = 0; k < n_slices; k++)
    for (int p = 0; p < side * side; p++)
      {
        const gboolean in = hypot ((p % side - 50) / 20.0, (p / side - 44) / 14.0) < 1;

        noise = noise * 1664525u + 1013904223u;
        values[(gsize) k * n + (gsize) p] = (gint16) ((in ? 131 : 120) + (noise >> 16) % 41);
      }
  scan = volume_scan_new_take (&geometry, VOLUME_DTYPE_I16,
                               g_bytes_new_take (values, sizeof (gint16) * n * (gsize) n_slices), 1,
                               0);
  {
    g_autofree guint8 *sheet = g_new (guint8, n);

    for (int p = 0; p < side * side; p++)
      {
        sheet[p] = hypot ((p % side - 50) / 20.0, (p / side - 44) / 14.0) < 1;
        n_start += sheet[p];
      }
    app_flow_prompt_take_mask (&geometry, VOLUME_PLANE_AXIAL, 7, sheet, start);
  }
  g_assert_true (g_file_get_contents (shipped, &bytes, &length, &error));
  weights = g_bytes_new_take (bytes, length);
  generalist = seg_builtin_open_bytes (weights, shipped, device, &error);
  g_assert_no_error (error);
  embedder = (Embedder){ generalist, 0 };
  g_assert_true (app_flow_propagate (generalist, scan, VOLUME_PLANE_AXIAL, 7, start, 20, embed_cb,
                                     &embedder, NULL, NULL, &result, &error));
  g_assert_no_error (error);
  g_assert_cmpint (result.first, ==, 0);
  g_assert_cmpint (result.last, ==, n_slices - 1);
  for (int end = 0; end < 2; end++)
    {
      const guint8 *mask = g_ptr_array_index (result.masks, end ? result.masks->len - 1 : 0);
      gsize n_end = 0;

      for (gsize p = 0; p < n; p++)
        n_end += mask[p];
      g_test_message ("%d pixels of %d", (int) n_end, (int) n_start);
      g_assert_cmpfloat ((double) n_end, <, 1.07 * (double) n_start);
      g_assert_cmpfloat ((double) n_end, >, 0.93 * (double) n_start);
    }
  app_flow_propagation_clear (&result);
}

static void
test_vote (void)
{
  g_autofree guint8 *truth = g_new (guint8, NX * NY * NZ);
  g_autofree guint8 *fused = g_new (guint8, NX * NY * NZ);
  g_autoptr (VolumeScan) scan = make_scan (truth);
  g_autoptr (SegGeneralist) rule = seg_generalist_new_rule ();
  Embedder embedder = { rule, 0 };
  g_autoptr (GError) error = NULL;
  gsize n_all;

  g_assert_true (
      app_flow_vote (rule, scan, truth, 2, embed_cb, &embedder, NULL, NULL, fused, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (seg_mask_dice (truth, fused, NX * NY * NZ), >, 0.9);
  /* Slices without the structure are not asked. */
  g_assert_cmpint (embedder.n_encoded, <, 18 + 25 + 17);
  n_all = 0;
  for (int v = 0; v < NX * NY * NZ; v++)
    n_all += fused[v];
  g_assert_true (
      app_flow_vote (rule, scan, truth, 3, embed_cb, &embedder, NULL, NULL, fused, &error));
  for (int v = 0; v < NX * NY * NZ; v++)
    n_all -= fused[v];
  g_assert_cmpuint (n_all, <, NX * NY * NZ); /* unanimity is never more than the majority */
}

/* ---- through the engine thread --------------------------------------------------------------- */

typedef struct
{
  gboolean done;
  AppPromptAnswer *answer;
  GError *error;
} Reply;

static void
reply_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Reply *reply = user_data;

  reply->answer = app_prompter_answer_finish (APP_PROMPTER (source), result, &reply->error);
  reply->done = TRUE;
}

static void
used_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Reply *reply = user_data;

  app_engine_prompter_use_finish (APP_ENGINE_PROMPTER (source), result, &reply->error);
  reply->done = TRUE;
}

static void
wait_for (Reply *reply)
{
  while (!reply->done)
    g_main_context_iteration (NULL, TRUE);
  reply->done = FALSE;
}

static void
test_prompter (void)
{
  g_autofree guint8 *truth = g_new (guint8, NX * NY * NZ);
  g_autoptr (VolumeScan) scan = make_scan (truth);
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (AppEnginePrompter) prompter = app_engine_prompter_new (engine, NULL, NULL, 0);
  g_autoptr (VolumePrompt) prompt = volume_prompt_new (VOLUME_PLANE_CORONAL, 18);
  const double inside[3] = { 18, 30, 14 }, outside[3] = { 18, 2, 2 };
  Reply reply = { FALSE };
  gsize n_before = 0, n_wrong = 0;

  volume_prompt_add_point (prompt, inside, VOLUME_PROMPT_POSITIVE);
  app_prompter_answer_async (APP_PROMPTER (prompter), scan, prompt, NULL, 0, NULL, reply_cb,
                             &reply);
  wait_for (&reply);
  g_assert_no_error (reply.error);
  g_assert_nonnull (reply.answer);
  g_assert_cmpint (reply.answer->box.lo[0], ==, 18);
  g_assert_cmpint (reply.answer->box.hi[0], ==, 19);
  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      {
        n_before += reply.answer->masks[0][k * NY + j];
        n_wrong += !reply.answer->masks[0][k * NY + j] != !truth[(k * NY + j) * NX + 18];
      }
  g_assert_cmpuint (n_before, >, 150);
  g_assert_cmpuint (n_wrong, <, 40);
  {
    g_autoptr (AppPromptAnswer) before = g_steal_pointer (&reply.answer);

    volume_prompt_add_point (prompt, outside, VOLUME_PROMPT_NEGATIVE);
    app_prompter_answer_async (APP_PROMPTER (prompter), scan, prompt, before, 0, NULL, reply_cb,
                               &reply);
    wait_for (&reply);
    g_assert_no_error (reply.error);
    app_prompt_answer_free (g_steal_pointer (&reply.answer));
  }
  /* A generalist that cannot be opened: said, and the one before still answers. */
  app_engine_prompter_use_async (prompter, "/no/such/weights.pth", NULL, used_cb, &reply);
  wait_for (&reply);
  g_assert_nonnull (reply.error);
  g_clear_error (&reply.error);
  g_assert_null (app_prompter_get_missing (APP_PROMPTER (prompter)));
  app_prompter_answer_async (APP_PROMPTER (prompter), scan, prompt, NULL, 0, NULL, reply_cb,
                             &reply);
  wait_for (&reply);
  g_assert_no_error (reply.error);
  app_prompt_answer_free (reply.answer);
  g_clear_object (&prompter);
  app_engine_shutdown (engine);
}

/* ---- with an encoder that takes its time ----------------------------------------------------- */

typedef struct
{
  SegWeightsWriter *writer;
  GPtrArray *values;
} Writing;

static void
add_entry_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Writing *writing = user_data;
  const gsize n = (gsize) seg_tensor_get_n_elements (tensor);
  const int rank = seg_tensor_get_rank (tensor);
  const gint64 *shape = seg_tensor_get_shape (tensor);
  float *values = g_new (float, n);
  double fan = 1;
  guint32 state = g_str_hash (name);

  for (int a = 1; a < rank; a++)
    fan *= (double) shape[a];
  for (gsize v = 0; v < n; v++)
    {
      state = state * 1664525u + 1013904223u;
      values[v] = (float) ((state / 2147483648.0 - 1) * sqrt (3 / fan));
      if (rank == 1 && (g_str_has_suffix (name, "weight") || g_str_has_suffix (name, "var")))
        values[v] = 1;
    }
  g_ptr_array_add (writing->values, values);
  seg_weights_writer_add_f32 (writing->writer, name, SEG_WEIGHT_F32, rank, shape, values);
}

/* MobileSAM with random weights: the smallest encoder that is kept on disk. */
static char *
write_mobile_sam (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (NULL, 0, &error);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegSamNetwork) network = NULL;
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  Writing writing = { writer, values };
  char *path = g_build_filename (folder, "mobile_sam.safetensors", NULL);

  g_assert_no_error (error);
  if (strcmp (seg_device_get_backend (device)->name, "ref") == 0)
    {
      g_free (path);
      return NULL;
    }
  context = seg_context_new (device, 1);
  network = seg_sam_network_new (context, SEG_SAM_TINY_VIT);
  seg_module_foreach (seg_sam_network_get_module (network), add_entry_cb, &writing);
  g_assert_true (seg_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);
  return path;
}

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (g_unlink (path) != 0)
        remove_all (path);
    }
  g_rmdir (folder);
}

static gboolean
is_encoding (AppEngine *engine)
{
  GListModel *jobs = app_engine_get_jobs (engine);

  for (guint j = 0; j < g_list_model_get_n_items (jobs); j++)
    {
      g_autoptr (AppJob) job = g_list_model_get_item (jobs, j);

      if (app_job_get_kind (job) == APP_JOB_EMBEDDING
          && app_job_get_state (job) == APP_JOB_STATE_RUNNING)
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_busy (AppEngine *engine)
{
  GListModel *jobs = app_engine_get_jobs (engine);

  for (guint j = 0; j < g_list_model_get_n_items (jobs); j++)
    {
      g_autoptr (AppJob) job = g_list_model_get_item (jobs, j);

      if (!app_job_has_ended (job))
        return TRUE;
    }
  return FALSE;
}

/* Hints at a slice and waits until it is being encoded. */
static void
begin_encoding (AppEngine *engine, AppEnginePrompter *prompter, VolumeScan *scan, int index)
{
  app_prompter_prefetch (APP_PROMPTER (prompter), scan, VOLUME_PLANE_CORONAL, index);
  while (!is_encoding (engine))
    g_main_context_iteration (NULL, FALSE);
}

static AppPromptAnswer *
ask_about (AppEnginePrompter *prompter, VolumeScan *scan, int index)
{
  g_autoptr (VolumePrompt) prompt = volume_prompt_new (VOLUME_PLANE_CORONAL, index);
  const double inside[3] = { index, 30, 14 };
  Reply reply = { FALSE };

  volume_prompt_add_point (prompt, inside, VOLUME_PROMPT_POSITIVE);
  app_prompter_answer_async (APP_PROMPTER (prompter), scan, prompt, NULL, 0, NULL, reply_cb,
                             &reply);
  wait_for (&reply);
  g_assert_no_error (reply.error);
  g_assert_nonnull (reply.answer);
  return reply.answer;
}

static void
assert_same (const AppPromptAnswer *a, const AppPromptAnswer *b)
{
  g_assert_cmpint (a->n_masks, ==, b->n_masks);
  for (int m = 0; m < a->n_masks; m++)
    {
      /* One may have come from disk, in half precision. */
      g_assert_cmpfloat (fabs (a->iou[m] - b->iou[m]), <, 0.02);
      g_assert_cmpfloat (seg_mask_dice (a->masks[m], b->masks[m], NY * NZ), >, 0.97);
    }
}

static void
test_meanwhile (void)
{
  g_autoptr (VolumeScan) scan = make_scan (NULL);
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-prompt-XXXXXX", NULL);
  g_autofree char *cache = g_build_filename (folder, "cache", NULL);
  g_autofree char *weights = write_mobile_sam (folder);
  g_autoptr (AppEngine) engine = NULL;
  g_autoptr (AppEnginePrompter) prompter = NULL;
  g_autoptr (AppPromptAnswer) alone = NULL;
  g_autoptr (AppPromptAnswer) nested = NULL;
  g_autoptr (AppPromptAnswer) waited = NULL;
  g_autoptr (AppPromptAnswer) kept = NULL;
  g_autoptr (AppPromptAnswer) after = NULL;
  int n_over = 0;
  Reply reply = { FALSE };

  if (weights == NULL)
    {
      g_test_skip ("only the plain backend is here: a whole encoder would take minutes");
      remove_all (folder);
      return;
    }
  engine = app_engine_new ();
  prompter = app_engine_prompter_new (engine, weights, NULL, 0);
  alone = ask_about (prompter, scan, 18);
  g_assert_cmpfloat (alone->encode_ms, >, 0);
  g_clear_object (&prompter);
  /* Closing it is a job of the kind of an encoding, not to be taken for the next one. */
  while (is_busy (engine))
    g_main_context_iteration (NULL, TRUE);

  /* A prompt in the middle of another slice's encoding: neither harms the other. */
  prompter = app_engine_prompter_new (engine, weights, cache, 64 << 20);
  for (;;)
    {
      begin_encoding (engine, prompter, scan, 20 + n_over);
      nested = ask_about (prompter, scan, 18);
      assert_same (nested, alone);
      if (is_encoding (engine))
        break;
      /* This thread slept so long that the encoding ended: once more, on the next slice. */
      g_assert_cmpint (++n_over, <, 5);
      g_clear_pointer (&nested, app_prompt_answer_free);
    }
  g_assert_cmpint (count_files (cache), ==, 1 + n_over);

  /* … and about the slice that is being encoded: it is encoded once. */
  waited = ask_about (prompter, scan, 20 + n_over);
  g_assert_false (is_encoding (engine)); /* it waited */
  g_assert_cmpint (count_files (cache), ==, 2 + n_over);

  /* Another generalist in the middle of it: the old one is let go when its encoding has ended. */
  begin_encoding (engine, prompter, scan, 16);
  app_engine_prompter_use_async (prompter, NULL, NULL, used_cb, &reply);
  wait_for (&reply);
  g_assert_no_error (reply.error);
  after = ask_about (prompter, scan, 16);
  g_assert_cmpint (after->n_masks, ==, 1); /* the rule's */
  while (is_encoding (engine))
    g_main_context_iteration (NULL, TRUE);
  g_clear_object (&prompter);
  app_engine_shutdown (engine);
  g_clear_object (&engine);

  /* The next session of the program finds the embedding. */
  engine = app_engine_new ();
  prompter = app_engine_prompter_new (engine, weights, cache, 64 << 20);
  kept = ask_about (prompter, scan, 18);
  g_assert_cmpfloat (kept->encode_ms, ==, 0);
  assert_same (kept, alone);
  g_clear_object (&prompter);
  app_engine_shutdown (engine);
  remove_all (folder);
}

/* Scans held by what is remembered of them are counted by bytes: many small ones, of large ones that
 * which is looked at. */

static int n_alive;

static void
gone_cb (gpointer data)
{
  g_free (data);
  g_atomic_int_add (&n_alive, -1);
}

static VolumeScan *
make_counted (int n_slices)
{
  const int size[3] = { 256, 256, n_slices };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  const gsize size_bytes = sizeof (gint16) * 256 * 256 * (gsize) n_slices;
  VolumeGeometry geometry;
  gint16 *values = g_malloc0 (size_bytes);

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  g_atomic_int_inc (&n_alive);
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_I16,
                               g_bytes_new_with_free_func (values, size_bytes, gone_cb, values), 1,
                               0);
}

/* How many of six scans are still there when all have been asked about. */
static int
count_kept (AppEngine *engine, int n_slices)
{
  AppEnginePrompter *prompter = app_engine_prompter_new (engine, NULL, NULL, 0);
  int n_kept;

  for (int s = 0; s < 6; s++)
    {
      g_autoptr (VolumeScan) scan = make_counted (n_slices);

      app_prompt_answer_free (ask_about (prompter, scan, 30));
    }
  while (is_busy (engine))
    g_main_context_iteration (NULL, TRUE);
  n_kept = g_atomic_int_get (&n_alive);
  g_clear_object (&prompter);
  while (is_busy (engine))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_atomic_int_get (&n_alive), ==, 0);
  return n_kept;
}

static void
test_scans_in_memory (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();

  g_assert_cmpint (count_kept (engine, 16), ==, 6); /* of 2 MiB */
  g_assert_cmpint (count_kept (engine, 640), ==, 3); /* of 80 MiB: that in hand and two more */
  g_assert_cmpint (count_kept (engine, 1700), ==, 1); /* of 212 MiB */
  app_engine_shutdown (engine);
}

int
main (int argc, char **argv)
{
  shipped = seg_builtin_find_weights ();
  g_setenv ("CROSSLABEL_BUILTIN_WEIGHTS", "/no/such/file", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/app/prompt/voxels-and-pixels", test_voxels_and_pixels);
  g_test_add_func ("/app/prompt/propagate", test_propagate);
  g_test_add_func ("/app/prompt/propagate-keeps-size", test_propagate_keeps_size);
  g_test_add_func ("/app/prompt/vote", test_vote);
  g_test_add_func ("/app/prompt/prompter", test_prompter);
  g_test_add_func ("/app/prompt/meanwhile", test_meanwhile);
  g_test_add_func ("/app/prompt/scans-in-memory", test_scans_in_memory);
  return g_test_run ();
}
