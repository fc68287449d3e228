/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/args.h"

#include <string.h>

static gboolean
is_one_of (const char *word, const char *const *names)
{
  for (; *names != NULL; names++)
    if (g_str_has_prefix (word, "--") && strcmp (word + 2, *names) == 0)
      return TRUE;
  return FALSE;
}

void
app_args_spread (int *argc, char ***argv, const char *const *names)
{
  GPtrArray *words = g_ptr_array_new ();
  const char *current = NULL;
  gboolean first = FALSE;

  for (int a = 0; a < *argc; a++)
    {
      char *word = (*argv)[a];

      if (word[0] == '-' && word[1] != '\0')
        {
          current = is_one_of (word, names) ? word : NULL;
          first = current != NULL;
        }
      else if (current != NULL)
        {
          if (!first)
            g_ptr_array_add (words, g_strdup (current));
          first = FALSE;
        }
      g_ptr_array_add (words, g_strdup (word));
    }
  g_strfreev (*argv);
  *argc = words->len;
  g_ptr_array_add (words, NULL);
  *argv = (char **) g_ptr_array_free (words, FALSE);
}

gboolean
app_args_parse_ints (const char *text, int *values, gsize n)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  if (g_strv_length (parts) != n)
    return FALSE;
  for (gsize p = 0; p < n; p++)
    {
      gint64 value;

      if (!g_ascii_string_to_signed (parts[p], 10, -1000000000, 1000000000, &value, NULL))
        return FALSE;
      values[p] = value;
    }
  return TRUE;
}

gboolean
app_args_parse_slice (const char *text, VolumePlane *plane, int *index)
{
  const char *colon = strchr (text, ':');
  g_autofree char *name = NULL;

  if (colon == NULL)
    return FALSE;
  name = g_strndup (text, colon - text);
  return volume_plane_from_name (name, plane) && app_args_parse_ints (colon + 1, index, 1);
}
