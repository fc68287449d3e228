/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MAX_DEPTH 32
#define MAX_VALUES 2000000 /* bounds memory: a value takes some 60 times its two bytes of text */

typedef struct
{
  const char *start, *at, *end;
  const char *what;
  guint n_values;
  GError **error;
} Reader;

static gboolean
fail (Reader *reader, const char *message)
{
  g_set_error (reader->error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: JSON: %s at byte %" G_GSIZE_FORMAT,
               reader->what, message, (gsize) (reader->at - reader->start));
  return FALSE;
}

static void
skip_space (Reader *reader)
{
  while (
      reader->at < reader->end
      && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
    reader->at++;
}

static gboolean
read_hex4 (Reader *reader, gunichar *out)
{
  gunichar value = 0;

  if (reader->end - reader->at < 4)
    return fail (reader, "a cut-off escape");
  for (int i = 0; i < 4; i++)
    {
      int digit = g_ascii_xdigit_value (reader->at[i]);

      if (digit < 0)
        return fail (reader, "a bad escape");
      value = value << 4 | (gunichar) digit;
    }
  reader->at += 4;
  *out = value;
  return TRUE;
}

static gboolean
read_escape (Reader *reader, GString *out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *found;
  gunichar c, low;

  if (reader->at >= reader->end)
    return fail (reader, "an unfinished string");
  if (*reader->at != 'u')
    {
      found = *reader->at ? strchr (from, *reader->at) : NULL;
      if (found == NULL)
        return fail (reader, "a bad escape");
      g_string_append_c (out, to[found - from]);
      reader->at++;
      return TRUE;
    }
  reader->at++;
  if (!read_hex4 (reader, &c))
    return FALSE;
  if (c >= 0xd800 && c < 0xdc00)
    {
      if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
        return fail (reader, "half a surrogate pair");
      reader->at += 2;
      if (!read_hex4 (reader, &low))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return fail (reader, "half a surrogate pair");
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
  else if (c >= 0xdc00 && c < 0xe000)
    return fail (reader, "half a surrogate pair");
  if (c == 0)
    return fail (reader, "a NUL character");
  g_string_append_unichar (out, c);
  return TRUE;
}

static char *
read_string (Reader *reader)
{
  g_autoptr (GString) out = g_string_new (NULL);

  if (reader->at >= reader->end || *reader->at != '"')
    {
      fail (reader, "a string was expected");
      return NULL;
    }
  reader->at++;
  for (;;)
    {
      unsigned char c;

      if (reader->at >= reader->end)
        {
          fail (reader, "an unfinished string");
          return NULL;
        }
      c = (unsigned char) *reader->at++;
      if (c == '"')
        break;
      if (c < 0x20)
        {
          fail (reader, "a control character in a string");
          return NULL;
        }
      if (c != '\\')
        g_string_append_c (out, (char) c);
      else if (!read_escape (reader, out))
        return NULL;
    }
  if (!g_utf8_validate (out->str, (gssize) out->len, NULL))
    {
      fail (reader, "a string that is not UTF-8");
      return NULL;
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gsize
skip_digits (Reader *reader)
{
  const char *from = reader->at;

  while (reader->at < reader->end && g_ascii_isdigit (*reader->at))
    reader->at++;
  return (gsize) (reader->at - from);
}

static char *
read_number (Reader *reader)
{
  const char *from = reader->at;
  const char *first;

  if (reader->at < reader->end && *reader->at == '-')
    reader->at++;
  first = reader->at;
  if (skip_digits (reader) == 0 || (*first == '0' && reader->at - first > 1))
    goto bad;
  if (reader->at < reader->end && *reader->at == '.')
    {
      reader->at++;
      if (skip_digits (reader) == 0)
        goto bad;
    }
  if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E'))
    {
      reader->at++;
      if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
        reader->at++;
      if (skip_digits (reader) == 0)
        goto bad;
    }
  return g_strndup (from, (gsize) (reader->at - from));
bad:
  fail (reader, "a bad number");
  return NULL;
}

static SegJson *read_value (Reader *reader, int depth);

static gboolean
read_members (Reader *reader, SegJson *self, int depth)
{
  gboolean is_object = self->kind == SEG_JSON_OBJECT;
  char close = is_object ? '}' : ']';
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) seg_json_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  reader->at++;
  skip_space (reader);
  if (reader->at < reader->end && *reader->at == close)
    {
      reader->at++;
      return TRUE;
    }
  for (;;)
    {
      SegJson *value;

      if (is_object)
        {
          char *key;

          skip_space (reader);
          key = read_string (reader);
          if (key == NULL)
            return FALSE;
          g_ptr_array_add (keys, key);
          if (!g_hash_table_add (seen, key))
            return fail (reader, "a key given twice");
          skip_space (reader);
          if (reader->at >= reader->end || *reader->at != ':')
            return fail (reader, "':' was expected");
          reader->at++;
        }
      value = read_value (reader, depth + 1);
      if (value == NULL)
        return FALSE;
      g_ptr_array_add (values, value);
      skip_space (reader);
      if (reader->at >= reader->end || (*reader->at != ',' && *reader->at != close))
        return fail (reader, "',' or a closing bracket was expected");
      if (*reader->at++ == close)
        break;
    }
  self->n = values->len;
  if (is_object)
    self->keys = (char **) g_ptr_array_steal (keys, NULL);
  self->values = (SegJson **) g_ptr_array_steal (values, NULL);
  return TRUE;
}

static gboolean
read_word (Reader *reader, const char *word)
{
  gsize length = strlen (word);

  if ((gsize) (reader->end - reader->at) < length || memcmp (reader->at, word, length) != 0)
    return fail (reader, "an unknown word");
  reader->at += length;
  return TRUE;
}

static SegJson *
read_value (Reader *reader, int depth)
{
  g_autoptr (SegJson) self = g_new0 (SegJson, 1);
  gboolean ok;

  skip_space (reader);
  if (depth > MAX_DEPTH || ++reader->n_values > MAX_VALUES)
    {
      fail (reader, depth > MAX_DEPTH ? "nesting too deep" : "too many values");
      return NULL;
    }
  if (reader->at >= reader->end)
    {
      fail (reader, "the text ends early");
      return NULL;
    }
  switch (*reader->at)
    {
    case '{':
    case '[':
      self->kind = *reader->at == '{' ? SEG_JSON_OBJECT : SEG_JSON_ARRAY;
      ok = read_members (reader, self, depth);
      break;
    case '"':
      self->kind = SEG_JSON_STRING;
      ok = (self->text = read_string (reader)) != NULL;
      break;
    case 't':
      self->kind = SEG_JSON_TRUE;
      ok = read_word (reader, "true");
      break;
    case 'f':
      self->kind = SEG_JSON_FALSE;
      ok = read_word (reader, "false");
      break;
    case 'n':
      self->kind = SEG_JSON_NULL;
      ok = read_word (reader, "null");
      break;
    default:
      self->kind = SEG_JSON_NUMBER;
      ok = (self->text = read_number (reader)) != NULL;
    }
  return ok ? g_steal_pointer (&self) : NULL;
}

SegJson *
seg_json_parse (const char *text, gsize length, const char *what, GError **error)
{
  Reader reader = { .start = text, .at = text, .end = text + length, .what = what, .error = error };
  g_autoptr (SegJson) self = read_value (&reader, 0);

  if (self == NULL)
    return NULL;
  skip_space (&reader);
  if (reader.at != reader.end)
    {
      fail (&reader, "text after the end");
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
seg_json_free (SegJson *self)
{
  if (self == NULL)
    return;
  for (gsize i = 0; i < self->n; i++)
    {
      if (self->keys != NULL)
        g_free (self->keys[i]);
      seg_json_free (self->values[i]);
    }
  g_free (self->keys);
  g_free (self->values);
  g_free (self->text);
  g_free (self);
}

const SegJson *
seg_json_get (const SegJson *object, const char *key)
{
  if (object == NULL || object->kind != SEG_JSON_OBJECT)
    return NULL;
  for (gsize i = 0; i < object->n; i++)
    if (strcmp (object->keys[i], key) == 0)
      return object->values[i];
  return NULL;
}

gboolean
seg_json_get_i64 (const SegJson *value, gint64 *out)
{
  return value != NULL && value->kind == SEG_JSON_NUMBER
         && g_ascii_string_to_signed (value->text, 10, G_MININT64, G_MAXINT64, out, NULL);
}

gboolean
seg_json_get_u64 (const SegJson *value, guint64 *out)
{
  return value != NULL && value->kind == SEG_JSON_NUMBER
         && g_ascii_string_to_unsigned (value->text, 10, 0, G_MAXUINT64, out, NULL);
}

gboolean
seg_json_get_double (const SegJson *value, double *out)
{
  if (value == NULL || value->kind != SEG_JSON_NUMBER)
    return FALSE;
  *out = g_ascii_strtod (value->text, NULL);
  return isfinite (*out);
}

const char *
seg_json_get_string (const SegJson *value)
{
  return value != NULL && value->kind == SEG_JSON_STRING ? value->text : NULL;
}

void
seg_json_append_string (GString *out, const char *value)
{
  g_string_append_c (out, '"');
  for (const char *c = value; *c != '\0'; c++)
    {
      if (*c == '"' || *c == '\\')
        g_string_append_printf (out, "\\%c", *c);
      else if ((unsigned char) *c < 0x20)
        g_string_append_printf (out, "\\u%04x", (unsigned char) *c);
      else
        g_string_append_c (out, *c);
    }
  g_string_append_c (out, '"');
}

void
seg_json_append_double (GString *out, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (out, g_ascii_dtostr (buffer, sizeof buffer, value));
}
