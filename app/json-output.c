/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/json-output.h"

#include "app/verbs.h"

#include <math.h>
#include <stdio.h>

static void
add_number (JsonBuilder *builder, double value)
{
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
app_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL)
    {
      /* File names need not be UTF-8; JSON must be. */
      g_autofree char *text = g_utf8_make_valid (value, -1);

      json_builder_add_string_value (builder, text);
    }
  else
    json_builder_add_null_value (builder);
}

void
app_json_add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

void
app_json_add_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  add_number (builder, value);
}

void
app_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
app_json_add_numbers (JsonBuilder *builder, const char *name, const double *values, gsize n)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (gsize v = 0; v < n; v++)
    add_number (builder, values[v]);
  json_builder_end_array (builder);
}

void
app_json_add_ints (JsonBuilder *builder, const char *name, const int *values, gsize n)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (gsize v = 0; v < n; v++)
    json_builder_add_int_value (builder, values[v]);
  json_builder_end_array (builder);
}

void
app_json_add_strings (JsonBuilder *builder, const char *name, const char *const *values)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (; *values != NULL; values++)
    {
      g_autofree char *text = g_utf8_make_valid (*values, -1);

      json_builder_add_string_value (builder, text);
    }
  json_builder_end_array (builder);
}

int
app_json_print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);

  puts (text);
  return APP_EXIT_OK;
}
