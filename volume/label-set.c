/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/file-write.h"
#include "volume/label-set.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A label file of 65 535 lines is a few MiB. */
#define MAX_FILE_BYTES (16 * 1024 * 1024)
#define MAX_NAME_BYTES 255

struct _VolumeLabelSet
{
  GPtrArray *labels; /* VolumeLabel */
  GHashTable *by_id; /* id → VolumeLabel in labels */
};

static void
free_label (gpointer data)
{
  VolumeLabel *label = data;

  g_free (label->name);
  g_free (label);
}

VolumeLabelSet *
volume_label_set_new (void)
{
  VolumeLabelSet *self = g_new0 (VolumeLabelSet, 1);

  self->labels = g_ptr_array_new_with_free_func (free_label);
  self->by_id = g_hash_table_new (NULL, NULL);
  return self;
}

void
volume_label_set_free (VolumeLabelSet *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_ptr_array_unref (self->labels);
  g_free (self);
}

static VolumeLabel *
find (const VolumeLabelSet *self, guint16 id)
{
  return g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (id));
}

VolumeLabelSet *
volume_label_set_copy (const VolumeLabelSet *self)
{
  VolumeLabelSet *copy = volume_label_set_new ();

  for (guint l = 0; l < self->labels->len; l++)
    {
      const VolumeLabel *src = g_ptr_array_index (self->labels, l);
      VolumeLabel *dst = g_memdup2 (src, sizeof *src);

      dst->name = g_strdup (src->name);
      g_ptr_array_add (copy->labels, dst);
      g_hash_table_insert (copy->by_id, GUINT_TO_POINTER (dst->id), dst);
    }
  return copy;
}

gsize
volume_label_set_get_n (const VolumeLabelSet *self)
{
  return self->labels->len;
}

const VolumeLabel *
volume_label_set_get (const VolumeLabelSet *self, gsize position)
{
  g_return_val_if_fail (position < self->labels->len, NULL);
  return g_ptr_array_index (self->labels, position);
}

const VolumeLabel *
volume_label_set_find (const VolumeLabelSet *self, guint16 id)
{
  return find (self, id);
}

/* Okabe & Ito (2008), "Color Universal Design", without black. */
void
volume_label_palette (gsize n, guint8 rgba[4])
{
  static const guint8 colours[][3] = {
    { 230, 159, 0 }, { 86, 180, 233 }, { 0, 158, 115 },   { 240, 228, 66 },
    { 0, 114, 178 }, { 213, 94, 0 },   { 204, 121, 167 },
  };
  const guint8 *colour = colours[n % G_N_ELEMENTS (colours)];
  gsize round = n / G_N_ELEMENTS (colours);
  /* Later rounds: alternately darker and lighter, by ever other amounts. */
  double amount = round == 0 ? 0.0 : 0.25 + 0.35 * fmod ((double) (round - 1) * 0.618034, 1.0);

  for (int c = 0; c < 3; c++)
    {
      double target = round % 2 == 1 ? 0.0 : 255.0;

      rgba[c] = (guint8) (colour[c] + amount * (target - colour[c]) + 0.5);
    }
  rgba[3] = 255;
}

/* One line of UTF-8 without control characters. */
static char *
clean_name (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  g_autofree char *cut = NULL;
  const char *end;

  for (char *c = valid; *c != '\0'; c++)
    if ((guchar) *c < 0x20 || *c == 0x7f)
      *c = ' ';
  g_strstrip (valid);
  cut = g_strndup (valid, MAX_NAME_BYTES);
  if (!g_utf8_validate (cut, -1, &end))
    cut[end - cut] = '\0';
  return g_steal_pointer (&cut);
}

void
volume_label_set_put (VolumeLabelSet *self, guint16 id, const char *name, const guint8 rgba[4])
{
  VolumeLabel *label = find (self, id);
  gboolean is_new = label == NULL;

  g_return_if_fail (id != 0);

  if (is_new)
    {
      label = g_new0 (VolumeLabel, 1);
      label->id = id;
      label->visible = TRUE;
    }
  if (rgba != NULL)
    memcpy (label->rgba, rgba, sizeof label->rgba);
  else if (is_new)
    volume_label_palette (self->labels->len, label->rgba);
  g_free (label->name);
  label->name = clean_name (name);
  if (is_new)
    {
      g_ptr_array_add (self->labels, label);
      g_hash_table_insert (self->by_id, GUINT_TO_POINTER (id), label);
    }
}

void
volume_label_set_set_visible (VolumeLabelSet *self, guint16 id, gboolean visible)
{
  VolumeLabel *label = find (self, id);

  if (label != NULL)
    label->visible = visible;
}

void
volume_label_set_set_locked (VolumeLabelSet *self, guint16 id, gboolean locked)
{
  VolumeLabel *label = find (self, id);

  if (label != NULL)
    label->locked = locked;
}

gboolean
volume_label_set_remove (VolumeLabelSet *self, guint16 id)
{
  VolumeLabel *label = find (self, id);

  g_hash_table_remove (self->by_id, GUINT_TO_POINTER (id));
  return label != NULL && g_ptr_array_remove (self->labels, label);
}

/* Loading */

typedef enum
{
  FORMAT_ITK_SNAP,
  FORMAT_CTBL,
  FORMAT_CSV
} Format;

/* A whole number from 0 to @max at the start of *text, which then moves behind it. */
static gboolean
take_number (const char **text, double max, double *value)
{
  char *end;

  *value = g_ascii_strtod (*text, &end);
  if (end == *text || !(*value >= 0.0 && *value <= max))
    return FALSE;
  *text = end;
  return TRUE;
}

static void
add_loaded (VolumeLabelSet *self, double id, const char *name, const double rgb[3], double alpha,
            gboolean visible)
{
  guint8 rgba[4];

  for (int c = 0; c < 3; c++)
    rgba[c] = (guint8) rgb[c];
  rgba[3] = (guint8) (alpha + 0.5);
  if (id < 1.0) /* background is never in a set */
    return;
  volume_label_set_put (self, (guint16) id, name, rgba);
  volume_label_set_set_visible (self, (guint16) id, visible);
}

/* ITK-SNAP: id r g b alpha(0…1) visible mesh "name" */
static gboolean
parse_itk_snap_line (VolumeLabelSet *self, const char *line)
{
  double id, rgb[3], alpha, visible, mesh;
  const char *open, *close;
  g_autofree char *name = NULL;

  if (!take_number (&line, G_MAXUINT16, &id) || !take_number (&line, 255, &rgb[0])
      || !take_number (&line, 255, &rgb[1]) || !take_number (&line, 255, &rgb[2])
      || !take_number (&line, 1, &alpha) || !take_number (&line, 1, &visible)
      || !take_number (&line, 1, &mesh))
    return FALSE;
  open = strchr (line, '"');
  close = strrchr (line, '"');
  if (open == NULL || close == open)
    return FALSE;
  name = g_strndup (open + 1, (gsize) (close - open - 1));
  add_loaded (self, id, name, rgb, alpha * 255.0, visible != 0.0);
  return TRUE;
}

/* Slicer: id name r g b alpha(0…255), spaces in the name written as underscores */
static gboolean
parse_ctbl_line (VolumeLabelSet *self, const char *line)
{
  double id, rgb[3], alpha = 255.0;
  const char *end;
  g_autofree char *name = NULL;

  if (!take_number (&line, G_MAXUINT16, &id))
    return FALSE;
  line += strspn (line, " \t");
  end = line + strcspn (line, " \t");
  name = g_strndup (line, (gsize) (end - line));
  line = end;
  if (name[0] == '\0' || !take_number (&line, 255, &rgb[0]) || !take_number (&line, 255, &rgb[1])
      || !take_number (&line, 255, &rgb[2]))
    return FALSE;
  line += strspn (line, " \t");
  if (*line != '\0' && !take_number (&line, 255, &alpha))
    return FALSE;
  if (line[strspn (line, " \t")] != '\0')
    return FALSE;
  g_strdelimit (name, "_", ' ');
  add_loaded (self, id, name, rgb, alpha, TRUE);
  return TRUE;
}

/* The fields of a CSV line (RFC 4180, on one line). */
static GPtrArray *
split_csv (const char *line)
{
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);
  GString *field = g_string_new (NULL);
  gboolean quoted = FALSE;

  for (;; line++)
    {
      if (quoted && line[0] == '"' && line[1] == '"')
        g_string_append_c (field, *line++);
      else if (*line == '"')
        quoted = !quoted;
      else if (*line == '\0' || (*line == ',' && !quoted))
        {
          g_ptr_array_add (fields, g_strstrip (g_string_free (field, FALSE)));
          if (*line == '\0')
            return fields;
          field = g_string_new (NULL);
        }
      else
        g_string_append_c (field, *line);
    }
}

typedef struct
{
  int id, name, rgb[3], alpha; /* columns, −1 where the file has none */
} CsvColumns;

static gboolean
find_csv_columns (const char *line, CsvColumns *columns)
{
  static const char *const names[] = { "LabelValue", "Name",    "Color_R",
                                       "Color_G",    "Color_B", "Color_A" };
  int *places[] = { &columns->id,     &columns->name,   &columns->rgb[0],
                    &columns->rgb[1], &columns->rgb[2], &columns->alpha };
  g_autoptr (GPtrArray) fields = split_csv (line);

  for (gsize n = 0; n < G_N_ELEMENTS (names); n++)
    {
      *places[n] = -1;
      for (guint f = 0; f < fields->len; f++)
        if (g_ascii_strcasecmp (fields->pdata[f], names[n]) == 0)
          *places[n] = (int) f;
    }
  return columns->id >= 0 && columns->name >= 0 && columns->rgb[0] >= 0 && columns->rgb[1] >= 0
         && columns->rgb[2] >= 0;
}

static gboolean
parse_csv_line (VolumeLabelSet *self, const char *line, const CsvColumns *columns)
{
  g_autoptr (GPtrArray) fields = split_csv (line);
  const int wanted[] = { columns->id, columns->rgb[0], columns->rgb[1], columns->rgb[2],
                         columns->alpha };
  double numbers[] = { 0, 0, 0, 0, 255 };

  for (gsize w = 0; w < G_N_ELEMENTS (wanted); w++)
    {
      const char *text;

      if (wanted[w] < 0 || (w == 4 && wanted[w] >= (int) fields->len))
        continue;
      if (wanted[w] >= (int) fields->len)
        return FALSE;
      text = fields->pdata[wanted[w]];
      if (!take_number (&text, w == 0 ? G_MAXUINT16 : 255, &numbers[w]) || *text != '\0')
        return FALSE;
    }
  if (columns->name >= (int) fields->len)
    return FALSE;
  add_loaded (self, numbers[0], fields->pdata[columns->name], numbers + 1, numbers[4], TRUE);
  return TRUE;
}

static Format
guess_format (const char *first_line)
{
  CsvColumns columns;
  const char *at = first_line;
  double number;

  if (find_csv_columns (first_line, &columns))
    return FORMAT_CSV;
  /* ITK-SNAP has a number in the second place, Slicer a name. A name of digits is rare and then
   * has five numbers in its line, not seven. */
  if (take_number (&at, G_MAXUINT16, &number) && take_number (&at, 255, &number)
      && strchr (at, '"') != NULL)
    return FORMAT_ITK_SNAP;
  return FORMAT_CTBL;
}

static VolumeLabelSet *
parse (char **lines, int *bad_line)
{
  g_autoptr (VolumeLabelSet) self = volume_label_set_new ();
  Format format = FORMAT_CTBL;
  CsvColumns columns = { 0 };
  gboolean started = FALSE;

  for (int l = 0; lines[l] != NULL; l++)
    {
      const char *line = g_strstrip (lines[l]);
      gboolean good = TRUE;

      if (line[0] == '\0' || line[0] == '#')
        continue;
      if (!started)
        {
          started = TRUE;
          format = guess_format (line);
          if (format == FORMAT_CSV)
            {
              find_csv_columns (line, &columns);
              continue;
            }
        }
      if (format == FORMAT_ITK_SNAP)
        good = parse_itk_snap_line (self, line);
      else if (format == FORMAT_CTBL)
        good = parse_ctbl_line (self, line);
      else
        good = parse_csv_line (self, line, &columns);
      if (!good)
        {
          *bad_line = l + 1;
          return NULL;
        }
    }
  *bad_line = 0;
  return started ? g_steal_pointer (&self) : NULL;
}

/* The file's text, read no further than a label file goes. */
static char *
read_text (const char *path, const char *name, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  g_autofree char *text = NULL;
  struct stat st;
  gsize n = 0;
  gssize got = 1;

  if (fd < 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_NOT_FOUND, "%s: cannot be opened: %s", name,
                   g_strerror (errno));
      return NULL;
    }
  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode) || st.st_size > MAX_FILE_BYTES)
    {
      close (fd);
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "%s: not an ordinary file of at most %d MiB, so not a label file", name,
                   MAX_FILE_BYTES >> 20);
      return NULL;
    }
  text = g_malloc ((gsize) st.st_size + 1);
  while (n < (gsize) st.st_size && got > 0)
    {
      got = read (fd, text + n, (gsize) st.st_size - n);
      if (got < 0 && errno == EINTR)
        got = 1;
      else if (got > 0)
        n += (gsize) got;
    }
  close (fd);
  text[n] = '\0';
  if (got < 0 || memchr (text, '\0', n) != NULL)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: not a text file", name);
      return NULL;
    }
  return g_steal_pointer (&text);
}

VolumeLabelSet *
volume_label_set_load (const char *path, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *text = read_text (path, name, error);
  g_auto (GStrv) lines = NULL;
  const char *start;
  VolumeLabelSet *self;
  int bad_line;

  if (text == NULL)
    return NULL;
  start = g_str_has_prefix (text, "\xef\xbb\xbf") ? text + 3 : text;
  lines = g_strsplit (start, "\n", -1);
  self = parse (lines, &bad_line);
  if (self == NULL && bad_line > 0)
    g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                 "%s: line %d is not a label of an ITK-SNAP or 3D Slicer label file", name,
                 bad_line);
  else if (self == NULL)
    g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: no labels in this file", name);
  return self;
}

/* Saving */

static void
append_itk_snap (GString *text, const VolumeLabel *label)
{
  g_autofree char *name = g_strdup (label->name);
  char alpha[G_ASCII_DTOSTR_BUF_SIZE];

  g_strdelimit (name, "\"", '\'');
  g_ascii_formatd (alpha, sizeof alpha, "%.6g", label->rgba[3] / 255.0);
  g_string_append_printf (text, "%5d  %3d  %3d  %3d  %8s  %d  %d    \"%s\"\n", label->id,
                          label->rgba[0], label->rgba[1], label->rgba[2], alpha, label->visible,
                          label->visible, name);
}

static void
append_ctbl (GString *text, const VolumeLabel *label)
{
  g_autofree char *name = g_strdup (label->name[0] != '\0' ? label->name : "_");

  g_strdelimit (name, " ", '_');
  g_string_append_printf (text, "%d %s %d %d %d %d\n", label->id, name, label->rgba[0],
                          label->rgba[1], label->rgba[2], label->rgba[3]);
}

static void
append_csv (GString *text, const VolumeLabel *label)
{
  g_auto (GStrv) pieces = g_strsplit (label->name, "\"", -1);
  g_autofree char *name = g_strjoinv ("\"\"", pieces);

  g_string_append_printf (text, "%d,\"%s\",%d,%d,%d,%d\n", label->id, name, label->rgba[0],
                          label->rgba[1], label->rgba[2], label->rgba[3]);
}

gboolean
volume_label_set_save (const VolumeLabelSet *self, const char *path, GError **error)
{
  static const struct
  {
    const char *suffix, *head;
    void (*append) (GString *text, const VolumeLabel *label);
  } formats[] = {
    { ".label",
      "################################################\n"
      "# ITK-SnAP Label Description File\n"
      "# Fields: IDX  R  G  B  A  VIS  MSH  LABEL\n"
      "################################################\n"
      "    0    0    0    0         0  0  0    \"Clear Label\"\n",
      append_itk_snap },
    { ".ctbl", "# Color table file: id name r g b a\n0 Background 0 0 0 0\n", append_ctbl },
    { ".csv", "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n", append_csv },
  };
  g_autoptr (GString) text = NULL;

  for (gsize f = 0; f < G_N_ELEMENTS (formats); f++)
    {
      if (!g_str_has_suffix (path, formats[f].suffix))
        continue;
      text = g_string_new (formats[f].head);
      for (guint l = 0; l < self->labels->len; l++)
        formats[f].append (text, g_ptr_array_index (self->labels, l));
      return volume_file_write (path, text->str, text->len, error);
    }
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED,
               "%s: label files end with .label, .ctbl or .csv", path);
  return FALSE;
}
