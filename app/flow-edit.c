/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-edit.h"

#include "app/args.h"
#include "volume/slice-raster.h"
#include "volume/tool-brush.h"

#include <stdio.h>
#include <string.h>

/* A line has at most so many bytes: a brush's path of a hundred thousand points. */
#define MAX_LINE (4 << 20)

/* The script's own error: a line that says nothing we know. */
#define SYNTAX_ERROR DB_ERROR, DB_ERROR_NOT_FOUND

typedef struct
{
  DbStore *store;
  DbCase *row; /* the scan chosen, or NULL */
  DbLabels *labels; /* of it */
  GString *answer;
} Script;

static gboolean
need_scan (Script *self, GError **error)
{
  if (self->labels != NULL)
    return TRUE;
  g_set_error (error, SYNTAX_ERROR, "choose a scan first: scan ID");
  return FALSE;
}

static gboolean
parse_label (Script *self, const char *word, guint16 *label, GError **error)
{
  gint64 id;

  if (g_ascii_string_to_signed (word, 10, 0, 65535, &id, NULL)
      && (id == 0 || db_store_get_label (self->store, id) != NULL))
    {
      *label = id;
      return TRUE;
    }
  g_set_error (error, SYNTAX_ERROR, "“%s” is not a label of this project", word);
  return FALSE;
}

static gboolean
parse_voxel (const char *word, int ijk[3], GError **error)
{
  if (app_args_parse_ints (word, ijk, 3))
    return TRUE;
  g_set_error (error, SYNTAX_ERROR, "“%s” is not a voxel i,j,k", word);
  return FALSE;
}

static gboolean
parse_slice (Script *self, char **words, VolumePlane *plane, int *index, GError **error)
{
  VolumeGeometry geometry;
  int n_slices;

  if (!volume_plane_from_name (words[0], plane) || !app_args_parse_ints (words[1], index, 1))
    {
      g_set_error (error, SYNTAX_ERROR, "“%s %s” is not a slice; one is: axial 12", words[0],
                   words[1]);
      return FALSE;
    }
  db_case_get_geometry (self->row, &geometry);
  n_slices = geometry.size[geometry.axis_of_plane[*plane]];
  if (*index >= 0 && *index < n_slices)
    return TRUE;
  g_set_error (error, SYNTAX_ERROR, "%s slices are 0 to %d, not %d", volume_plane_get_name (*plane),
               n_slices - 1, *index);
  return FALSE;
}

static VolumeEditBuilder *
new_builder (Script *self)
{
  VolumeEditGuard guard;

  db_labels_init_guard (self->labels, VOLUME_PROVENANCE_HAND, FALSE, &guard); /* I4 */
  return volume_edit_builder_new (db_labels_get_map (self->labels), &guard);
}

static gboolean
commit (Script *self, VolumeEditBuilder *builder, const char *tool, GError **error)
{
  g_autoptr (VolumeEdit) edit = volume_edit_builder_end (
      builder, db_labels_reserve_id (self->labels), VOLUME_PROVENANCE_HAND, tool, error);
  gint64 id;

  if (edit == NULL)
    return FALSE;
  if (volume_edit_get_n_voxels (edit) == 0)
    {
      g_string_append (self->answer, "unchanged");
      return TRUE;
    }
  id = db_labels_commit (self->labels, edit, NULL, error);
  g_string_append_printf (self->answer, "edit %" G_GINT64_FORMAT " voxels %zu", id,
                          volume_edit_get_n_voxels (edit));
  return id >= 0;
}

static gboolean
run_scan (Script *self, char **words, int n_words, GError **error)
{
  DbCase *row = db_store_find_case (self->store, words[0]);

  if (row == NULL)
    {
      g_set_error (error, SYNTAX_ERROR, "there is no scan “%s”", words[0]);
      return FALSE;
    }
  g_clear_object (&self->labels);
  self->row = row;
  self->labels = db_labels_open (self->store, row->id, error);
  g_string_append_printf (self->answer, "scan %" G_GINT64_FORMAT " %s", row->id, row->name);
  return self->labels != NULL;
}

static gboolean
run_set (Script *self, char **words, int n_words, GError **error)
{
  g_autoptr (VolumeEditBuilder) builder = new_builder (self);
  guint16 label;

  if (!parse_label (self, words[0], &label, error))
    return FALSE;
  for (int w = 1; w < n_words; w++)
    {
      int ijk[3];

      if (!parse_voxel (words[w], ijk, error))
        return FALSE;
      volume_edit_builder_set (builder, ijk[0], ijk[1], ijk[2], label);
    }
  return commit (self, builder, "set", error);
}

static gboolean
run_box (Script *self, char **words, int n_words, GError **error)
{
  g_autoptr (VolumeEditBuilder) builder = new_builder (self);
  const int size[3] = { self->row->size_i, self->row->size_j, self->row->size_k };
  int lo[3], hi[3];
  guint16 label;

  if (!parse_label (self, words[0], &label, error) || !parse_voxel (words[1], lo, error)
      || !parse_voxel (words[2], hi, error))
    return FALSE;
  for (int a = 0; a < 3; a++)
    {
      lo[a] = MAX (lo[a], 0);
      hi[a] = MIN (hi[a], size[a] - 1);
    }
  for (int k = lo[2]; k <= hi[2]; k++)
    for (int j = lo[1]; j <= hi[1]; j++)
      if (hi[0] >= lo[0])
        volume_edit_builder_set_run (builder, lo[0], j, k, hi[0] - lo[0] + 1, label);
  return commit (self, builder, "box", error);
}

static gboolean
run_brush (Script *self, char **words, int n_words, GError **error)
{
  g_autoptr (VolumeEditBuilder) builder = new_builder (self);
  g_autofree double (*points)[2] = g_malloc0_n (n_words, sizeof *points);
  VolumeBrush brush = { .shape = VOLUME_BRUSH_ROUND };
  VolumeSliceRaster raster;
  VolumeGeometry geometry;
  VolumePlane plane;
  guint16 label;
  char *end;
  int index;

  if (!parse_label (self, words[0], &label, error)
      || !parse_slice (self, words + 1, &plane, &index, error))
    return FALSE;
  brush.diameter_mm = g_ascii_strtod (words[3], &end);
  if (*end != '\0' || !(brush.diameter_mm > 0) || brush.diameter_mm > 1000)
    {
      g_set_error (error, SYNTAX_ERROR, "“%s” is not a width in millimetres", words[3]);
      return FALSE;
    }
  for (int w = 4; w < n_words; w++)
    if (sscanf (words[w], "%lf,%lf", &points[w - 4][0], &points[w - 4][1]) != 2
        || !(ABS (points[w - 4][0]) < 1e6) || !(ABS (points[w - 4][1]) < 1e6))
      {
        g_set_error (error, SYNTAX_ERROR, "“%s” is not a place u,v", words[w]);
        return FALSE;
      }
  db_case_get_geometry (self->row, &geometry);
  volume_slice_raster_init (&raster, &geometry, plane, index);
  volume_tool_brush (builder, &raster, NULL, &brush, points, n_words - 4, label);
  return commit (self, builder, "brush", error);
}

static gboolean
parse_number (const char *word, gint64 *number, GError **error)
{
  if (g_ascii_string_to_signed (word, 10, 0, G_MAXINT64, number, NULL))
    return TRUE;
  g_set_error (error, SYNTAX_ERROR, "“%s” is not a number", word);
  return FALSE;
}

static gboolean
run_steps (Script *self, char **words, int n_words, gint64 (*step) (DbLabels *, GError **),
           GError **error)
{
  gint64 times = 1, head = 0;

  if (n_words > 0 && !parse_number (words[0], &times, error))
    return FALSE;
  for (gint64 t = 0; t < times; t++)
    {
      head = step (self->labels, error);
      if (head < 0)
        return FALSE;
    }
  g_string_append_printf (self->answer, "at %" G_GINT64_FORMAT, head);
  return TRUE;
}

static gboolean
run_undo (Script *self, char **words, int n_words, GError **error)
{
  return run_steps (self, words, n_words, db_labels_undo, error);
}

static gboolean
run_redo (Script *self, char **words, int n_words, GError **error)
{
  return run_steps (self, words, n_words, db_labels_redo, error);
}

static gboolean
run_jump (Script *self, char **words, int n_words, GError **error)
{
  gint64 id;

  if (!parse_number (words[0], &id, error) || db_labels_jump (self->labels, id, error) < 0)
    return FALSE;
  g_string_append_printf (self->answer, "at %" G_GINT64_FORMAT, id);
  return TRUE;
}

static gboolean
run_revert (Script *self, char **words, int n_words, GError **error)
{
  g_autoptr (GError) local = NULL;
  gint64 id, made;

  if (!parse_number (words[0], &id, error))
    return FALSE;
  made = db_labels_revert (self->labels, id, &local);
  if (made >= 0)
    g_string_append_printf (self->answer, "edit %" G_GINT64_FORMAT, made);
  else if (g_error_matches (local, DB_ERROR, DB_ERROR_NOTHING))
    g_string_append (self->answer, "unchanged");
  else
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return TRUE;
}

static gboolean
submit (Script *self, DbWrite *write, const char *answer, GError **error)
{
  g_string_append (self->answer, answer);
  return db_store_write (self->store, write, error) >= 0;
}

static gboolean
run_propose (Script *self, char **words, int n_words, GError **error)
{
  VolumePlane plane;
  int index;

  return parse_slice (self, words, &plane, &index, error)
         && submit (self, db_write_propose_slice (self->row->id, plane, index, "person"),
                    "proposed", error);
}

static gboolean
run_sign (Script *self, char **words, int n_words, GError **error)
{
  VolumePlane plane;
  int index;

  return parse_slice (self, words, &plane, &index, error)
         && submit (self, db_write_sign_slice (self->row->id, plane, index, "person", NULL),
                    "signed", error);
}

static gboolean
run_unsign (Script *self, char **words, int n_words, GError **error)
{
  GListModel *tasks = db_store_get_tasks (self->store, self->row->id);
  VolumePlane plane;
  int index;

  if (!parse_slice (self, words, &plane, &index, error))
    return FALSE;
  for (guint n = 0; n < g_list_model_get_n_items (tasks); n++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, n);

      if (task->plane == (int) plane && task->index == index)
        return submit (self, db_write_unsign_task (task->id), "unsigned", error);
    }
  g_set_error (error, SYNTAX_ERROR, "the slice is not signed");
  return FALSE;
}

static gboolean
run_complete (Script *self, char **words, int n_words, GError **error)
{
  return submit (self, db_write_set_case_complete (self->row->id, TRUE), "complete", error);
}

static gboolean
run_reopen (Script *self, char **words, int n_words, GError **error)
{
  return submit (self, db_write_set_case_complete (self->row->id, FALSE), "reopened", error);
}

static gboolean
run_lock (Script *self, char **words, int n_words, GError **error)
{
  guint16 label;

  return parse_label (self, words[0], &label, error)
         && submit (self, db_write_set_label_locked (label, TRUE), "locked", error);
}

static gboolean
run_unlock (Script *self, char **words, int n_words, GError **error)
{
  guint16 label;

  return parse_label (self, words[0], &label, error)
         && submit (self, db_write_set_label_locked (label, FALSE), "unlocked", error);
}

/* @least, @most: words after the command. */
static const struct
{
  const char *name;
  int least, most;
  gboolean needs_scan;
  gboolean (*run) (Script *, char **, int, GError **);
} commands[] = {
  { "scan", 1, 1, FALSE, run_scan },      { "set", 2, G_MAXINT, TRUE, run_set },
  { "box", 3, 3, TRUE, run_box },         { "brush", 5, G_MAXINT, TRUE, run_brush },
  { "undo", 0, 1, TRUE, run_undo },       { "redo", 0, 1, TRUE, run_redo },
  { "jump", 1, 1, TRUE, run_jump },       { "revert", 1, 1, TRUE, run_revert },
  { "propose", 2, 2, TRUE, run_propose }, { "sign", 2, 2, TRUE, run_sign },
  { "unsign", 2, 2, TRUE, run_unsign },   { "complete", 0, 0, TRUE, run_complete },
  { "reopen", 0, 0, TRUE, run_reopen },   { "lock", 1, 1, FALSE, run_lock },
  { "unlock", 1, 1, FALSE, run_unlock },
};

static gboolean
run_words (Script *self, char **words, int n_words, GError **error)
{
  for (gsize c = 0; c < G_N_ELEMENTS (commands); c++)
    if (strcmp (words[0], commands[c].name) == 0)
      {
        if (n_words - 1 < commands[c].least || n_words - 1 > commands[c].most)
          {
            g_set_error (error, SYNTAX_ERROR, "“%s” takes other words than these", words[0]);
            return FALSE;
          }
        if (commands[c].needs_scan && !need_scan (self, error))
          return FALSE;
        return commands[c].run (self, words + 1, n_words - 1, error);
      }
  g_set_error (error, SYNTAX_ERROR, "“%s” is not a command of edit scripts", words[0]);
  return FALSE;
}

/* Words between blanks; "#" ends the line. */
static char **
split (char *line, int *n_words)
{
  g_auto (GStrv) all = NULL;
  GPtrArray *words = g_ptr_array_new ();
  char *comment = strchr (line, '#');

  if (comment != NULL)
    *comment = '\0';
  all = g_strsplit_set (line, " \t\r", -1);
  for (char **word = all; *word != NULL; word++)
    if (**word != '\0')
      g_ptr_array_add (words, g_strdup (*word));
  *n_words = words->len;
  g_ptr_array_add (words, NULL);
  return (char **) g_ptr_array_free (words, FALSE);
}

/* Reads until a whole line, or the end, lies in the buffer, so that the line is read out of it; a
 * stream without line ends is not read into memory without limit. */
static gboolean
fill_line (GDataInputStream *input, GError **error)
{
  GBufferedInputStream *buffered = G_BUFFERED_INPUT_STREAM (input);
  gsize seen = 0;

  for (;;)
    {
      gsize n;
      const char *bytes = g_buffered_input_stream_peek_buffer (buffered, &n);
      gssize more;

      if (n > seen && memchr (bytes + seen, '\n', n - seen) != NULL)
        return TRUE;
      seen = n;
      if (n >= MAX_LINE)
        {
          g_set_error (error, SYNTAX_ERROR, "a line of more than %d bytes", MAX_LINE);
          return FALSE;
        }
      if (n == g_buffered_input_stream_get_buffer_size (buffered))
        g_buffered_input_stream_set_buffer_size (buffered, 2 * n);
      more = g_buffered_input_stream_fill (buffered, -1, NULL, error);
      if (more <= 0)
        return more == 0;
    }
}

static char *
read_line (GDataInputStream *input, GError **error)
{
  return fill_line (input, error) ? g_data_input_stream_read_line_utf8 (input, NULL, NULL, error)
                                  : NULL;
}

gboolean
app_flow_edit (DbStore *store, GInputStream *stream, const char *name,
               AppEditAcknowledge acknowledge, gpointer user_data, GError **error)
{
  g_autoptr (GDataInputStream) input = g_data_input_stream_new (stream);
  Script self = { .store = store, .answer = g_string_new (NULL) };
  g_autoptr (GError) unread = NULL;
  gboolean good = TRUE;
  int number = 0;
  char *line;

  while (good && (line = read_line (input, &unread)) != NULL)
    {
      g_auto (GStrv) words = NULL;
      int n_words;

      number++;
      words = split (line, &n_words);
      g_free (line);
      if (n_words == 0)
        continue;
      g_string_truncate (self.answer, 0);
      good = run_words (&self, words, n_words, error);
      good = good && acknowledge (number, self.answer->str, user_data, error);
      if (!good)
        g_prefix_error (error, "%s:%d: ", name, number);
    }
  if (unread != NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&unread), "%s:%d: ", name, number + 1);
      good = FALSE;
    }
  g_clear_object (&self.labels);
  g_string_free (self.answer, TRUE);
  return good;
}
