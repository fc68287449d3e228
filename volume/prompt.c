/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/prompt.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* More clicks than a hand gives; a bound for hostile text. */
#define MAX_POINTS 1000000

static void
clear_scribble (gpointer data)
{
  VolumePromptScribble *scribble = data;

  g_free (scribble->points);
  g_free (scribble);
}

VolumePrompt *
volume_prompt_new (VolumePlane plane, int slice_index)
{
  VolumePrompt *self = g_new0 (VolumePrompt, 1);

  self->plane = plane;
  self->slice_index = slice_index;
  self->points = g_array_new (FALSE, FALSE, sizeof (VolumePromptPoint));
  self->scribbles = g_ptr_array_new_with_free_func (clear_scribble);
  return self;
}

VolumePrompt *
volume_prompt_copy (const VolumePrompt *self)
{
  VolumePrompt *copy = volume_prompt_new (self->plane, self->slice_index);

  g_array_append_vals (copy->points, self->points->data, self->points->len);
  for (guint s = 0; s < self->scribbles->len; s++)
    {
      const VolumePromptScribble *src = g_ptr_array_index (self->scribbles, s);
      VolumePromptScribble *dst = g_new (VolumePromptScribble, 1);

      dst->n_points = src->n_points;
      dst->points = g_memdup2 (src->points, src->n_points * sizeof *src->points);
      g_ptr_array_add (copy->scribbles, dst);
    }
  copy->has_box = self->has_box;
  copy->box = self->box;
  return copy;
}

void
volume_prompt_free (VolumePrompt *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->points);
  g_ptr_array_unref (self->scribbles);
  g_free (self);
}

void
volume_prompt_add_point (VolumePrompt *self, const double ijk[3], VolumePromptSign sign)
{
  VolumePromptPoint point = { .ijk = { ijk[0], ijk[1], ijk[2] }, .sign = sign };

  g_array_append_val (self->points, point);
}

void
volume_prompt_add_scribble (VolumePrompt *self, const double (*ijk)[3], gsize n_points,
                            VolumePromptSign sign)
{
  VolumePromptScribble *scribble;

  if (n_points == 0)
    return;
  scribble = g_new (VolumePromptScribble, 1);
  scribble->n_points = n_points;
  scribble->points = g_new (VolumePromptPoint, n_points);
  for (gsize p = 0; p < n_points; p++)
    scribble->points[p] =
        (VolumePromptPoint){ .ijk = { ijk[p][0], ijk[p][1], ijk[p][2] }, .sign = sign };
  g_ptr_array_add (self->scribbles, scribble);
}

void
volume_prompt_set_box (VolumePrompt *self, const VolumeBox *box)
{
  self->has_box = box != NULL;
  if (box != NULL)
    self->box = *box;
}

gboolean
volume_prompt_is_empty (const VolumePrompt *self)
{
  return self->points->len == 0 && self->scribbles->len == 0 && !self->has_box;
}

/* JSON:
 *
 *   { "plane": "axial", "slice": 12, "box": [i0, j0, k0, i1, j1, k1],
 *     "points": [ { "ijk": [i, j, k], "sign": 1 } … ],
 *     "scribbles": [ { "ijk": [ [i, j, k] … ], "sign": 0 } … ] }
 *
 * box, points and scribbles may be missing. */

static void
build_ijk (JsonBuilder *builder, const double ijk[3])
{
  json_builder_begin_array (builder);
  for (int a = 0; a < 3; a++)
    json_builder_add_double_value (builder, isfinite (ijk[a]) ? ijk[a] : 0.0);
  json_builder_end_array (builder);
}

static void
build_sign (JsonBuilder *builder, VolumePromptSign sign)
{
  json_builder_set_member_name (builder, "sign");
  json_builder_add_int_value (builder, sign == VOLUME_PROMPT_POSITIVE);
}

static void
build_points (JsonBuilder *builder, const VolumePrompt *self)
{
  json_builder_set_member_name (builder, "points");
  json_builder_begin_array (builder);
  for (guint p = 0; p < self->points->len; p++)
    {
      const VolumePromptPoint *point = &g_array_index (self->points, VolumePromptPoint, p);

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "ijk");
      build_ijk (builder, point->ijk);
      build_sign (builder, point->sign);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
build_scribbles (JsonBuilder *builder, const VolumePrompt *self)
{
  json_builder_set_member_name (builder, "scribbles");
  json_builder_begin_array (builder);
  for (guint s = 0; s < self->scribbles->len; s++)
    {
      const VolumePromptScribble *scribble = g_ptr_array_index (self->scribbles, s);

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "ijk");
      json_builder_begin_array (builder);
      for (gsize p = 0; p < scribble->n_points; p++)
        build_ijk (builder, scribble->points[p].ijk);
      json_builder_end_array (builder);
      build_sign (builder, scribble->points[0].sign);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

char *
volume_prompt_to_json (const VolumePrompt *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "plane");
  json_builder_add_string_value (builder, volume_plane_get_name (self->plane));
  json_builder_set_member_name (builder, "slice");
  json_builder_add_int_value (builder, self->slice_index);
  if (self->has_box)
    {
      json_builder_set_member_name (builder, "box");
      json_builder_begin_array (builder);
      for (int c = 0; c < 6; c++)
        json_builder_add_int_value (builder, c < 3 ? self->box.lo[c] : self->box.hi[c - 3]);
      json_builder_end_array (builder);
    }
  if (self->points->len > 0)
    build_points (builder, self);
  if (self->scribbles->len > 0)
    build_scribbles (builder, self);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

/* Reading: every node's type is asked before it is used; json-glib only warns. */

static gboolean
get_number (JsonNode *node, double *value)
{
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

  if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
    return FALSE;
  *value = json_node_get_double (node);
  return isfinite (*value);
}

static gboolean
get_int (JsonNode *node, int *value)
{
  double number;

  if (!get_number (node, &number) || number != rint (number) || fabs (number) > G_MAXINT32)
    return FALSE;
  *value = (int) number;
  return TRUE;
}

static JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static gboolean
get_ijk (JsonArray *array, double ijk[3])
{
  if (array == NULL || json_array_get_length (array) != 3)
    return FALSE;
  for (int a = 0; a < 3; a++)
    if (!get_number (json_array_get_element (array, a), &ijk[a]))
      return FALSE;
  return TRUE;
}

static gboolean
get_sign (JsonObject *object, VolumePromptSign *sign)
{
  JsonNode *node = json_object_get_member (object, "sign");
  int value;

  if (node == NULL || !get_int (node, &value) || (value != 0 && value != 1))
    return FALSE;
  *sign = value;
  return TRUE;
}

static gboolean
read_box (VolumePrompt *self, JsonObject *object)
{
  JsonArray *array = get_array (object, "box");
  VolumeBox box;

  if (!json_object_has_member (object, "box"))
    return TRUE;
  if (array == NULL || json_array_get_length (array) != 6)
    return FALSE;
  for (int c = 0; c < 6; c++)
    if (!get_int (json_array_get_element (array, c), c < 3 ? &box.lo[c] : &box.hi[c - 3]))
      return FALSE;
  volume_prompt_set_box (self, &box);
  return TRUE;
}

static gboolean
read_points (VolumePrompt *self, JsonObject *object)
{
  JsonArray *array = get_array (object, "points");

  if (!json_object_has_member (object, "points"))
    return TRUE;
  if (array == NULL || json_array_get_length (array) > MAX_POINTS)
    return FALSE;
  for (guint p = 0; p < json_array_get_length (array); p++)
    {
      JsonNode *node = json_array_get_element (array, p);
      JsonObject *point;
      VolumePromptSign sign;
      double ijk[3];

      if (!JSON_NODE_HOLDS_OBJECT (node))
        return FALSE;
      point = json_node_get_object (node);
      if (!get_ijk (get_array (point, "ijk"), ijk) || !get_sign (point, &sign))
        return FALSE;
      volume_prompt_add_point (self, ijk, sign);
    }
  return TRUE;
}

static gboolean
read_scribble (VolumePrompt *self, JsonObject *object)
{
  JsonArray *array = get_array (object, "ijk");
  g_autofree double (*ijk)[3] = NULL;
  VolumePromptSign sign;
  guint n;

  if (array == NULL || !get_sign (object, &sign))
    return FALSE;
  n = json_array_get_length (array);
  if (n == 0 || n > MAX_POINTS)
    return FALSE;
  ijk = g_malloc_n (n, sizeof *ijk);
  for (guint p = 0; p < n; p++)
    {
      JsonNode *node = json_array_get_element (array, p);

      if (!JSON_NODE_HOLDS_ARRAY (node) || !get_ijk (json_node_get_array (node), ijk[p]))
        return FALSE;
    }
  volume_prompt_add_scribble (self, (const double (*)[3]) ijk, n, sign);
  return TRUE;
}

static gboolean
read_scribbles (VolumePrompt *self, JsonObject *object)
{
  JsonArray *array = get_array (object, "scribbles");

  if (!json_object_has_member (object, "scribbles"))
    return TRUE;
  if (array == NULL || json_array_get_length (array) > MAX_POINTS)
    return FALSE;
  for (guint s = 0; s < json_array_get_length (array); s++)
    {
      JsonNode *node = json_array_get_element (array, s);

      if (!JSON_NODE_HOLDS_OBJECT (node) || !read_scribble (self, json_node_get_object (node)))
        return FALSE;
    }
  return TRUE;
}

static VolumePrompt *
read_prompt (JsonNode *root)
{
  g_autoptr (VolumePrompt) self = NULL;
  JsonObject *object;
  JsonNode *plane_node, *slice_node;
  VolumePlane plane;
  int slice;

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return NULL;
  object = json_node_get_object (root);
  plane_node = json_object_get_member (object, "plane");
  slice_node = json_object_get_member (object, "slice");
  if (plane_node == NULL || slice_node == NULL || !JSON_NODE_HOLDS_VALUE (plane_node)
      || json_node_get_value_type (plane_node) != G_TYPE_STRING
      || !volume_plane_from_name (json_node_get_string (plane_node), &plane)
      || !get_int (slice_node, &slice))
    return NULL;
  self = volume_prompt_new (plane, slice);
  if (!read_box (self, object) || !read_points (self, object) || !read_scribbles (self, object))
    return NULL;
  return g_steal_pointer (&self);
}

/* One object, and not nested deeper than any prompt: json-glib parses by recursion, and loses
 * memory where something stands before the object. */
static gboolean
is_shallow_object (const char *json)
{
  int depth = 0;

  if (json[strspn (json, " \t\r\n")] != '{')
    return FALSE;
  for (; *json != '\0'; json++)
    {
      if (*json == '[' || *json == '{')
        depth++;
      else if (*json == ']' || *json == '}')
        depth--;
      if (depth > 32)
        return FALSE;
    }
  return TRUE;
}

VolumePrompt *
volume_prompt_from_json (const char *json, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) parse_error = NULL;
  VolumePrompt *self = NULL;

  if (!is_shallow_object (json) || !g_utf8_validate (json, -1, NULL)
      || !json_parser_load_from_data (parser, json, -1, &parse_error))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "a prompt that is not JSON: %s",
                   parse_error != NULL ? parse_error->message
                                       : "not one object, or nested too deeply, or not UTF-8");
      return NULL;
    }
  self = read_prompt (json_parser_get_root (parser));
  if (self == NULL)
    g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                         "not a prompt: it needs plane and slice, and box, points and scribbles "
                         "that are made of numbers");
  return self;
}
