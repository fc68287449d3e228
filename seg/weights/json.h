/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* A small strict JSON reader (RFC 8259) for headers and manifests: no comments, no duplicate keys,
 * no trailing text, valid UTF-8, nesting to 32. Numbers keep their text, so integers are exact. */
typedef enum
{
  SEG_JSON_NULL,
  SEG_JSON_FALSE,
  SEG_JSON_TRUE,
  SEG_JSON_NUMBER,
  SEG_JSON_STRING,
  SEG_JSON_ARRAY,
  SEG_JSON_OBJECT,
} SegJsonKind;

typedef struct _SegJson SegJson;
struct _SegJson
{
  SegJsonKind kind;
  char *text; /* of a number or a string */
  gsize n; /* members or elements */
  char **keys; /* of an object, in file order */
  SegJson **values;
};

/* @what names the file in messages. */
SegJson *seg_json_parse (const char *text, gsize length, const char *what,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
void seg_json_free (SegJson *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegJson, seg_json_free)

const SegJson *seg_json_get (const SegJson *object, const char *key); /* or NULL */
gboolean seg_json_get_i64 (const SegJson *value, gint64 *out);
/* A whole number from 0 to 2⁶⁴ − 1, written without sign, fraction or exponent. */
gboolean seg_json_get_u64 (const SegJson *value, guint64 *out);
gboolean seg_json_get_double (const SegJson *value, double *out);
const char *seg_json_get_string (const SegJson *value); /* or NULL */

/* Appends @value in quotes. */
void seg_json_append_string (GString *out, const char *value);
/* Appends a finite number so that it reads back bit for bit. */
void seg_json_append_double (GString *out, double value);

G_END_DECLS
