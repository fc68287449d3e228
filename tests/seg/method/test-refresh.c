/* SPDX-License-Identifier: Apache-2.0 */
/* The generalist's labels of a scan, with a generalist that answers its box and counts what it is
 * asked. */
#include "seg/method/refresh.h"
#include "seg/generalist/generalist-private.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIDE 16
#define N (SIDE * SIDE * SIDE)
#define LOW 5
#define HIGH 10 /* the cube is LOW … HIGH along each axis */

static const int size[3] = { SIDE, SIDE, SIDE };
static int n_encoded;

static gpointer
box_encode (SegGeneralist *self, const SegPicture *picture, GError **error)
{
  n_encoded++;
  return g_memdup2 ("x", 1);
}

static GBytes *
box_pack (SegGeneralist *self, gpointer data, GError **error)
{
  return g_bytes_new ("x", 1);
}

static gpointer
box_unpack (SegGeneralist *self, const SegPicture *picture, GBytes *body, GError **error)
{
  return g_memdup2 ("x", 1);
}

static SegAnswer *
box_answer (SegGeneralist *self, SegEmbedding *embedding, const SegPrompt *prompt,
            gboolean multimask, GError **error)
{
  SegAnswer *answer = seg_answer_new (embedding->width, embedding->height, 1);

  for (int y = 0; y < embedding->height; y++)
    for (int x = 0; x < embedding->width; x++)
      answer->logits[0][y * embedding->width + x] =
          (float) x >= prompt->box[0] && (float) x <= prompt->box[2] && (float) y >= prompt->box[1]
                  && (float) y <= prompt->box[3]
              ? 1
              : -1;
  return answer;
}

static const SegGeneralistClass box_class = { .encode = box_encode,
                                              .answer = box_answer,
                                              .pack = box_pack,
                                              .unpack = box_unpack,
                                              .free_data = g_free };

/* A cube of class 1, its features and answer; with @specks strays that the features alone call 1.
 */
typedef struct
{
  SegGeneralist *generalist;
  char *folder;
  SegEmbeddingCache *cache;
  float image[N], p[2 * N], features[2 * N];
} Fixture;

static gboolean
in_cube (int v)
{
  int x = v / (SIDE * SIDE), y = v / SIDE % SIDE, z = v % SIDE;

  return x >= LOW && x <= HIGH && y >= LOW && y <= HIGH && z >= LOW && z <= HIGH;
}

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *sha256 = g_strnfill (64, 'a');
  const SegGeneralistInfo info = { .name = "box", .sha256 = sha256, .embedding_bytes = 1 };

  self->folder = g_dir_make_tmp ("crosslabel-refresh-XXXXXX", NULL);
  self->cache = seg_embedding_cache_new (self->folder, 1 << 20);
  self->generalist = seg_generalist_new_for (&box_class, NULL, NULL, &info);
  for (int v = 0; v < N; v++)
    {
      gboolean inside = in_cube (v), speck = v == 0 || v == N - 1;

      self->image[v] = (float) (v * 7 % 101); /* no two slices are the same picture */
      self->p[N + v] = inside ? 0.9f : 0.1f;
      self->p[v] = 1 - self->p[N + v];
      self->features[v] = inside || speck ? 0 : 1;
      self->features[N + v] = inside || speck ? 1 : 0;
    }
  n_encoded = 0;
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (self->folder);
  g_free (self->folder);
  seg_embedding_cache_free (self->cache);
  seg_generalist_unref (self->generalist);
}

static void
refresh (Fixture *self, int number, gboolean clean, gboolean cached, guint8 *labels,
         SegRefreshReport *report)
{
  g_autoptr (GError) error = NULL;

  seg_refresh_scan (&(SegRefreshParams){ .slice_step = 1,
                                         .n_votes = 2,
                                         .scan = 3,
                                         .refresh = number,
                                         .clean = clean,
                                         .cache = cached ? self->cache : NULL },
                    self->generalist, self->image, size, self->p, 2, self->features, 2, NULL, NULL,
                    labels, report, &error);
  g_assert_no_error (error);
}

/* An embedding is made once for all refreshes, and never for a slice that asks nothing. */
static void
test_embeddings_are_made_once (Fixture *self, gconstpointer data)
{
  guint8 labels[N], again[N];
  SegRefreshReport report;

  refresh (self, 0, TRUE, TRUE, labels, &report);
  g_assert_cmpint (report.n_slices, ==, 3 * SIDE);
  g_assert_cmpint (report.n_asked, ==, 3 * (HIGH - LOW + 1));
  g_assert_cmpint (report.n_encoded, ==, report.n_asked);
  g_assert_cmpint (n_encoded, ==, report.n_asked);
  refresh (self, 0, TRUE, TRUE, again, &report);
  g_assert_cmpint (report.n_encoded, ==, 0);
  g_assert_cmpint (report.n_cached, ==, report.n_asked);
  g_assert_cmpint (n_encoded, ==, report.n_asked);
  g_assert_cmpmem (labels, N, again, N);
  refresh (self, 1, TRUE, FALSE, again, &report);
  g_assert_cmpint (report.n_encoded, ==, report.n_asked);
}

/* A generalist that follows its box labels the cube where strays are cleaned away, and far more
 * where they are not. */
static void
test_strays_do_not_stretch_the_box (Fixture *self, gconstpointer data)
{
  guint8 labels[N];
  SegRefreshReport report;
  gsize wrong = 0, n_clean;

  refresh (self, 0, TRUE, FALSE, labels, &report);
  for (int v = 0; v < N; v++)
    wrong += labels[v] != in_cube (v);
  g_assert_cmpuint (wrong, ==, 0);
  n_clean = report.n_foreground;
  refresh (self, 0, FALSE, FALSE, labels, &report);
  g_assert_cmpuint (report.n_foreground, >, n_clean);
  g_assert_cmpint (report.n_asked, >, 3 * (HIGH - LOW + 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/seg/method/refresh/embeddings", Fixture, NULL, set_up,
              test_embeddings_are_made_once, tear_down);
  g_test_add ("/seg/method/refresh/strays", Fixture, NULL, set_up,
              test_strays_do_not_stretch_the_box, tear_down);
  return g_test_run ();
}
