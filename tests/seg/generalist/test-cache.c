/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of embeddings, with a generalist whose embedding is a kilobyte of one letter. */
#include "seg/generalist/cache.h"
#include "seg/generalist/generalist-private.h"

#include <glib/gstdio.h>
#include <string.h>

#define BODY 1000

static int n_encoded;

static gpointer
letter_encode (SegGeneralist *self, const SegPicture *picture, GError **error)
{
  char *letter = g_new (char, 1);

  n_encoded++;
  *letter = (char) picture->pixels[0];
  return letter;
}

static GBytes *
letter_pack (SegGeneralist *self, gpointer data, GError **error)
{
  char *body = g_malloc (BODY);

  memset (body, *(char *) data, BODY);
  return g_bytes_new_take (body, BODY);
}

static gpointer
letter_unpack (SegGeneralist *self, const SegPicture *picture, GBytes *body, GError **error)
{
  if (g_bytes_get_size (body) != BODY)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "cut short");
      return NULL;
    }
  return g_memdup2 (g_bytes_get_data (body, NULL), 1);
}

static SegAnswer *
letter_answer (SegGeneralist *self, SegEmbedding *embedding, const SegPrompt *prompt,
               gboolean multimask, GError **error)
{
  SegAnswer *answer = seg_answer_new (embedding->width, embedding->height, 1);

  answer->logits[0][0] = *(char *) embedding->data;
  return answer;
}

static const SegGeneralistClass letter_class = { .encode = letter_encode,
                                                 .answer = letter_answer,
                                                 .pack = letter_pack,
                                                 .unpack = letter_unpack,
                                                 .free_data = g_free };

static SegGeneralist *
letter_new (const char *digit)
{
  g_autofree char *sha256 = g_strnfill (64, digit[0]);
  const SegGeneralistInfo info = { .name = "letters", .sha256 = sha256, .embedding_bytes = BODY };

  return seg_generalist_new_for (&letter_class, NULL, NULL, &info);
}

static SegPicture *
picture_of (char letter)
{
  SegPicture *picture = seg_picture_new (5, 4, 1);

  picture->pixels[0] = letter;
  return picture;
}

typedef struct
{
  char *folder;
  SegGeneralist *generalist;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *root = g_dir_make_tmp ("embeddings-XXXXXX", NULL);

  self->folder = g_build_filename (root, "made", NULL);
  self->generalist = letter_new ("a");
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  g_autofree char *root = g_path_get_dirname (self->folder);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);
      g_unlink (path);
    }
  g_rmdir (self->folder);
  g_rmdir (root);
  g_free (self->folder);
  seg_generalist_unref (self->generalist);
}

static void
put (SegEmbeddingCache *cache, SegGeneralist *generalist, char letter)
{
  g_autoptr (SegPicture) picture = picture_of (letter);
  g_autoptr (GError) error = NULL;
  g_autoptr (SegEmbedding) embedding = seg_generalist_encode (generalist, picture, &error);

  g_assert_no_error (error);
  g_assert_true (seg_embedding_cache_put (cache, generalist, picture, embedding, &error));
  g_assert_no_error (error);
}

static gboolean
holds (SegEmbeddingCache *cache, SegGeneralist *generalist, char letter)
{
  g_autoptr (SegPicture) picture = picture_of (letter);
  g_autoptr (SegEmbedding) embedding = seg_embedding_cache_get (cache, generalist, picture);

  if (embedding != NULL)
    {
      g_autoptr (SegPrompt) prompt = seg_prompt_new ();
      g_autoptr (SegAnswer) answer = NULL;

      seg_prompt_add_point (prompt, 1, 1, TRUE);
      answer = seg_generalist_answer (generalist, embedding, prompt, FALSE, NULL);
      g_assert_cmpfloat (answer->logits[0][0], ==, letter);
      g_assert_cmpfloat (answer->encode_ms, ==, 0);
    }
  return embedding != NULL;
}

static void
test_kept (Fixture *self, gconstpointer data)
{
  g_autoptr (SegEmbeddingCache) cache = seg_embedding_cache_new (self->folder, 1 << 20);
  g_autoptr (SegGeneralist) other = letter_new ("b");
  int before;

  g_assert_false (holds (cache, self->generalist, 'x'));
  put (cache, self->generalist, 'x');
  before = n_encoded;
  g_assert_true (holds (cache, self->generalist, 'x'));
  g_assert_cmpint (n_encoded, ==, before);
  /* Other pictures and other weights are other embeddings. */
  g_assert_false (holds (cache, self->generalist, 'y'));
  g_assert_false (holds (cache, other, 'x'));
}

static void
test_least_recently_used_goes_first (Fixture *self, gconstpointer data)
{
  /* Room for three of about 1150 bytes. */
  g_autoptr (SegEmbeddingCache) cache = seg_embedding_cache_new (self->folder, 3600);

  put (cache, self->generalist, '1');
  g_usleep (20000);
  put (cache, self->generalist, '2');
  g_usleep (20000);
  put (cache, self->generalist, '3');
  g_usleep (20000);
  g_assert_true (holds (cache, self->generalist, '1')); /* used now */
  g_usleep (20000);
  put (cache, self->generalist, '4');
  g_assert_false (holds (cache, self->generalist, '2'));
  g_assert_true (holds (cache, self->generalist, '1'));
  g_assert_true (holds (cache, self->generalist, '3'));
  g_assert_true (holds (cache, self->generalist, '4'));
  g_assert_cmpuint (seg_embedding_cache_get_size (cache), <=, 3600);
}

static void
test_smaller_budget_than_one (Fixture *self, gconstpointer data)
{
  g_autoptr (SegEmbeddingCache) cache = seg_embedding_cache_new (self->folder, 500);

  put (cache, self->generalist, '1');
  g_assert_false (holds (cache, self->generalist, '1'));
  g_assert_cmpuint (seg_embedding_cache_get_size (cache), ==, 0);
}

/* Cut, of other weights under the right name, empty: removed, and absent. */
static void
test_damaged (Fixture *self, gconstpointer data)
{
  g_autoptr (SegEmbeddingCache) cache = seg_embedding_cache_new (self->folder, 1 << 20);
  const gssize lengths[] = { 0, 7, 100, 144 + BODY / 2, 144 + BODY + 9 };

  for (gsize l = 0; l < G_N_ELEMENTS (lengths); l++)
    {
      g_autoptr (GDir) dir = NULL;
      g_autofree char *path = NULL;
      g_autofree char *bytes = NULL;
      gsize size;

      put (cache, self->generalist, 'x');
      dir = g_dir_open (self->folder, 0, NULL);
      path = g_build_filename (self->folder, g_dir_read_name (dir), NULL);
      g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
      bytes = g_realloc (bytes, 4096);
      g_assert_true (g_file_set_contents (path, bytes, lengths[l], NULL));
      g_assert_false (holds (cache, self->generalist, 'x'));
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                                            \
  g_test_add ("/seg/generalist/cache/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("kept", test_kept);
  ADD ("least-recently-used", test_least_recently_used_goes_first);
  ADD ("small-budget", test_smaller_budget_than_one);
  ADD ("damaged", test_damaged);
  return g_test_run ();
}
