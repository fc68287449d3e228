/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/prompt.h"

#include <string.h>

static VolumePrompt *
make_prompt (void)
{
  VolumePrompt *prompt = volume_prompt_new (VOLUME_PLANE_CORONAL, 41);
  const VolumeBox box = { { 3, 41, 5 }, { 30, 42, 50 } };
  const double path[3][3] = { { 1, 41, 2 }, { 2.5, 41, 3.25 }, { 1.0 / 3, 41, 4 } };

  volume_prompt_add_point (prompt, (double[]){ 10.1, 41, 20 }, VOLUME_PROMPT_POSITIVE);
  volume_prompt_add_point (prompt, (double[]){ 1e-7, 41, 1e6 }, VOLUME_PROMPT_NEGATIVE);
  volume_prompt_add_scribble (prompt, path, 3, VOLUME_PROMPT_NEGATIVE);
  volume_prompt_set_box (prompt, &box);
  return prompt;
}

static void
assert_same (const VolumePrompt *a, const VolumePrompt *b)
{
  g_assert_cmpint (a->plane, ==, b->plane);
  g_assert_cmpint (a->slice_index, ==, b->slice_index);
  g_assert_cmpint (a->has_box, ==, b->has_box);
  g_assert_cmpmem (&a->box, sizeof a->box, &b->box, sizeof b->box);
  g_assert_cmpuint (a->points->len, ==, b->points->len);
  for (guint p = 0; p < a->points->len; p++)
    {
      const VolumePromptPoint *pa = &g_array_index (a->points, VolumePromptPoint, p);
      const VolumePromptPoint *pb = &g_array_index (b->points, VolumePromptPoint, p);

      g_assert_cmpint (pa->sign, ==, pb->sign);
      g_assert_cmpmem (pa->ijk, sizeof pa->ijk, pb->ijk, sizeof pb->ijk);
    }
  g_assert_cmpuint (a->scribbles->len, ==, b->scribbles->len);
  for (guint s = 0; s < a->scribbles->len; s++)
    {
      const VolumePromptScribble *sa = a->scribbles->pdata[s], *sb = b->scribbles->pdata[s];

      g_assert_cmpuint (sa->n_points, ==, sb->n_points);
      for (gsize p = 0; p < sa->n_points; p++)
        {
          g_assert_cmpint (sa->points[p].sign, ==, sb->points[p].sign);
          g_assert_cmpmem (sa->points[p].ijk, sizeof sa->points[p].ijk, sb->points[p].ijk,
                           sizeof sb->points[p].ijk);
        }
    }
}

static void
test_json_round_trip (void)
{
  g_autoptr (VolumePrompt) prompt = make_prompt ();
  g_autoptr (VolumePrompt) copy = volume_prompt_copy (prompt);
  g_autoptr (VolumePrompt) bare = volume_prompt_new (VOLUME_PLANE_AXIAL, 0);
  g_autofree char *json = volume_prompt_to_json (prompt);
  g_autofree char *bare_json = volume_prompt_to_json (bare);
  g_autoptr (VolumePrompt) read = NULL;
  g_autoptr (VolumePrompt) bare_read = NULL;
  g_autoptr (GError) error = NULL;

  read = volume_prompt_from_json (json, &error);
  g_assert_no_error (error);
  assert_same (read, prompt);
  assert_same (copy, prompt);
  g_assert_false (volume_prompt_is_empty (prompt));
  bare_read = volume_prompt_from_json (bare_json, &error);
  g_assert_no_error (error);
  assert_same (bare_read, bare);
  g_assert_true (volume_prompt_is_empty (bare_read));
  volume_prompt_set_box (copy, NULL);
  g_assert_false (copy->has_box);
}

static void
test_refusals (void)
{
  static const char *const bad[] = {
    "",
    "null",
    "[]",
    "{}",
    "{\"plane\":\"axial\"}",
    "{\"plane\":\"oblique\",\"slice\":1}",
    "{\"plane\":1,\"slice\":1}",
    "{\"plane\":\"axial\",\"slice\":1.5}",
    "{\"plane\":\"axial\",\"slice\":1e300}",
    "{\"plane\":\"axial\",\"slice\":\"1\"}",
    "{\"plane\":\"axial\",\"slice\":1,\"box\":[1,2,3]}",
    "{\"plane\":\"axial\",\"slice\":1,\"box\":{\"a\":1}}",
    "{\"plane\":\"axial\",\"slice\":1,\"box\":[1,2,3,4,5,null]}",
    "{\"plane\":\"axial\",\"slice\":1,\"points\":[{\"ijk\":[1,2],\"sign\":1}]}",
    "{\"plane\":\"axial\",\"slice\":1,\"points\":[{\"ijk\":[1,2,3]}]}",
    "{\"plane\":\"axial\",\"slice\":1,\"points\":[{\"ijk\":[1,2,3],\"sign\":2}]}",
    "{\"plane\":\"axial\",\"slice\":1,\"points\":[[1,2,3]]}",
    "{\"plane\":\"axial\",\"slice\":1,\"points\":3}",
    "{\"plane\":\"axial\",\"slice\":1,\"scribbles\":[{\"ijk\":[],\"sign\":1}]}",
    "{\"plane\":\"axial\",\"slice\":1,\"scribbles\":[{\"ijk\":[[1,2]],\"sign\":1}]}",
    "{\"plane\":\"axial\",\"slice\":1",
    "\xff\xfe",
  };
  g_autofree char *deep = g_strnfill (200000, '[');
  g_autoptr (GError) error = NULL;

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++)
    {
      g_assert_null (volume_prompt_from_json (bad[b], &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
      g_clear_error (&error);
    }
  g_assert_null (volume_prompt_from_json (deep, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/prompt/json-round-trip", test_json_round_trip);
  g_test_add_func ("/volume/prompt/refusals", test_refusals);
  return g_test_run ();
}
