/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-glib/json-glib.h>

#include "app/app-types.h"

G_BEGIN_DECLS

/* The one JSON object a verb prints with --json. Members by name; a number that is not finite
 * becomes null, which is what JSON has for it. */
void app_json_add_string (JsonBuilder *builder, const char *name, const char *value);
void app_json_add_int (JsonBuilder *builder, const char *name, gint64 value);
void app_json_add_number (JsonBuilder *builder, const char *name, double value);
void app_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value);
void app_json_add_numbers (JsonBuilder *builder, const char *name, const double *values, gsize n);
void app_json_add_ints (JsonBuilder *builder, const char *name, const int *values, gsize n);
void app_json_add_strings (JsonBuilder *builder, const char *name, const char *const *values);

/* Prints the finished object and a newline to standard output, and answers APP_EXIT_OK: whether it
 * could be written is looked at once, when the program ends. */
int app_json_print (JsonBuilder *builder);

G_END_DECLS
