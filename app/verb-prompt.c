/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/flow-propagate.h"
#include "app/json-output.h"
#include "app/sources.h"
#include "app/verbs.h"
#include "volume/memory.h"
#include "volume/nifti-write.h"
#include "volume/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One prompt answer, on a slice of a scan or on a picture. */
typedef struct
{
  char *plane, *weights, *kind, *out, *mask_in, *box;
  char **points, **scribbles;
  int index;
  gboolean has_index, multimask, json;
  const char *file;
  /* What becomes of it. */
  VolumeScan *scan; /* NULL for a picture */
  VolumePlane slice_plane;
  SegPicture *picture;
  SegPrompt *prompt;
  SegAnswer *answer;
  int chosen;
  char *generalist;
  int propagate, first, last;
  gboolean vote;
  guint8 *voxels; /* of the scan, where slices were propagated */
} Asked;

static void
asked_clear (Asked *self)
{
  g_free (self->plane);
  g_free (self->weights);
  g_free (self->kind);
  g_free (self->out);
  g_free (self->mask_in);
  g_free (self->box);
  g_strfreev (self->points);
  g_strfreev (self->scribbles);
  g_clear_pointer (&self->scan, volume_scan_unref);
  seg_picture_free (self->picture);
  seg_prompt_free (self->prompt);
  seg_answer_free (self->answer);
  g_free (self->generalist);
  g_free (self->voxels);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Asked, asked_clear)

/* ---- words to numbers ------------------------------------------------------------------------ */

static gboolean
parse_numbers (const char *text, int n, double *values)
{
  for (int k = 0; k < n; k++)
    {
      char *end;

      values[k] = g_ascii_strtod (text, &end);
      if (end == text || !isfinite (values[k]) || *end != (k + 1 < n ? ',' : '\0'))
        return FALSE;
      text = end + 1;
    }
  return TRUE;
}

/* "1,2,3,+": @n numbers and a sign; without one a point is positive. */
static gboolean
parse_point (const char *text, int n, double *values, gboolean *positive)
{
  g_autofree char *numbers = g_strdup (text);
  const gsize length = strlen (numbers);

  *positive = TRUE;
  if (length > 2 && numbers[length - 2] == ',' && strchr ("+-", numbers[length - 1]) != NULL)
    {
      *positive = numbers[length - 1] == '+';
      numbers[length - 2] = '\0';
    }
  return parse_numbers (numbers, n, values);
}

static gboolean
wrong (GError **error, const char *option, const char *text, const char *form)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s %s: expected %s", option, text,
               form);
  return FALSE;
}

/* Points, boxes and scribbles are n-dimensional: 3 on a scan, 2 on a picture. */
static gboolean
parse_prompt (Asked *self, int n, VolumePrompt *voxels, GError **error)
{
  const char *point_form = n == 3 ? "i,j,k,+ or i,j,k,-" : "x,y,+ or x,y,-";
  double at[6];
  gboolean positive;

  for (char **p = self->points; p != NULL && *p != NULL; p++)
    {
      if (!parse_point (*p, n, at, &positive))
        return wrong (error, "--point", *p, point_form);
      if (n == 3)
        volume_prompt_add_point (voxels, at,
                                 positive ? VOLUME_PROMPT_POSITIVE : VOLUME_PROMPT_NEGATIVE);
      else
        seg_prompt_add_point (self->prompt, (float) at[0], (float) at[1], positive);
    }
  for (char **s = self->scribbles; s != NULL && *s != NULL; s++)
    {
      g_auto (GStrv) parts = NULL;
      g_autoptr (GArray) ijk = g_array_new (FALSE, FALSE, sizeof (double[3]));
      g_autoptr (GArray) xy = g_array_new (FALSE, FALSE, sizeof (float[2]));

      if (((*s)[0] != '+' && (*s)[0] != '-') || (*s)[1] != ':')
        return wrong (error, "--scribble", *s, n == 3 ? "+:i,j,k;i,j,k;…" : "+:x,y;x,y;…");
      positive = (*s)[0] == '+';
      parts = g_strsplit (*s + 2, ";", -1);
      for (char **part = parts; *part != NULL; part++)
        {
          if (!parse_numbers (*part, n, at))
            return wrong (error, "--scribble", *part, n == 3 ? "i,j,k" : "x,y");
          const float flat[2] = { (float) at[0], (float) at[1] };
          g_array_append_vals (ijk, at, 1);
          g_array_append_vals (xy, flat, 1);
        }
      if (n == 3)
        volume_prompt_add_scribble (voxels, (const double (*)[3]) (gpointer) ijk->data, ijk->len,
                                    positive ? VOLUME_PROMPT_POSITIVE : VOLUME_PROMPT_NEGATIVE);
      else
        seg_prompt_add_stroke (self->prompt, (const float (*)[2]) (gpointer) xy->data, xy->len,
                               positive);
    }
  if (self->box != NULL)
    {
      if (!parse_numbers (self->box, 2 * n, at))
        return wrong (error, "--box", self->box, n == 3 ? "i0,j0,k0,i1,j1,k1" : "x0,y0,x1,y1");
      if (n == 3)
        {
          VolumeBox box;
          for (int a = 0; a < 3; a++)
            {
              box.lo[a] = (int) lrint (CLAMP (MIN (at[a], at[a + 3]), -1e9, 1e9));
              box.hi[a] = (int) lrint (CLAMP (MAX (at[a], at[a + 3]), -1e9, 1e9)) + 1;
            }
          volume_prompt_set_box (voxels, &box);
        }
      else
        seg_prompt_set_box (self->prompt, (float) at[0], (float) at[1], (float) at[2],
                            (float) at[3]);
    }
  return TRUE;
}

/* ---- files ----------------------------------------------------------------------------------- */

static gboolean
is_picture (const char *path)
{
  g_autofree char *lower = g_ascii_strdown (path, -1);

  return g_str_has_suffix (lower, ".png") || g_str_has_suffix (lower, ".jpg")
         || g_str_has_suffix (lower, ".jpeg");
}

static gboolean
read_picture (Asked *self, GError **error)
{
  int width, height;
  g_autoptr (GBytes) rgb = volume_picture_load_rgb (self->file, &width, &height, error);
  const guint8 *bytes;

  if (rgb == NULL)
    return FALSE;
  if ((gint64) width * height > SEG_PICTURE_MAX_PIXELS)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                   "%s: %d × %d pixels, more than the %d million a prompt may cover", self->file,
                   width, height, SEG_PICTURE_MAX_PIXELS / 1000000);
      return FALSE;
    }
  bytes = g_bytes_get_data (rgb, NULL);
  self->picture = seg_picture_new (width, height, 3);
  for (gsize p = 0; p < (gsize) width * (gsize) height * 3; p++)
    self->picture->pixels[p] = bytes[p];
  self->picture->low = 0;
  self->picture->high = 255;
  self->prompt = seg_prompt_new ();
  return parse_prompt (self, 2, NULL, error);
}

/* The slice: --index, or where the first point (or the box) lies on the plane. */
static int
find_index (const Asked *self, const VolumePrompt *prompt, int across)
{
  if (self->has_index)
    return self->index;
  if (prompt->points->len > 0)
    return (int) lrint (g_array_index (prompt->points, VolumePromptPoint, 0).ijk[across]);
  if (prompt->has_box)
    return prompt->box.lo[across];
  if (prompt->scribbles->len > 0)
    {
      const VolumePromptScribble *scribble = g_ptr_array_index (prompt->scribbles, 0);
      return (int) lrint (scribble->points[0].ijk[across]);
    }
  return 0;
}

static gboolean
read_scan (Asked *self, GError **error)
{
  g_autoptr (VolumePrompt) voxels = volume_prompt_new (self->slice_plane, 0);
  const VolumeGeometry *geometry;
  VolumeSliceFrame frame;

  self->scan = volume_scan_load (self->file, 0, error);
  if (self->scan == NULL || !parse_prompt (self, 3, voxels, error))
    return FALSE;
  geometry = volume_scan_get_geometry (self->scan);
  volume_geometry_get_slice_frame (geometry, self->slice_plane, &frame);
  self->index = voxels->slice_index = find_index (self, voxels, frame.axis_normal);
  if (self->index < 0 || self->index >= frame.n_slices)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "%s: slice %d is none of the %s plane's, 0 to %d", self->file, self->index,
                   volume_plane_get_name (self->slice_plane), frame.n_slices - 1);
      return FALSE;
    }
  self->prompt = app_flow_prompt_translate (geometry, voxels, error);
  if (self->prompt == NULL)
    return FALSE;
  self->picture = app_flow_prompt_cut (self->scan, self->slice_plane, self->index);
  return TRUE;
}

static gboolean
read_mask (Asked *self, GError **error)
{
  const int width = self->picture->width, height = self->picture->height;
  g_autofree guint8 *mask = g_new0 (guint8, (gsize) width * (gsize) height);

  if (self->mask_in == NULL)
    return TRUE;
  if (self->scan == NULL)
    {
      int w, h;
      g_autoptr (GBytes) rgb = volume_picture_load_rgb (self->mask_in, &w, &h, error);

      if (rgb == NULL)
        return FALSE;
      if (w != width || h != height)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                       "%s: %d × %d pixels, %s has %d × %d", self->mask_in, w, h, self->file, width,
                       height);
          return FALSE;
        }
      for (gsize p = 0; p < (gsize) w * (gsize) h; p++)
        mask[p] = ((const guint8 *) g_bytes_get_data (rgb, NULL))[3 * p] > 127;
    }
  else
    {
      g_autoptr (VolumeScan) labels = volume_scan_load_labels (self->mask_in, error);
      g_autofree float *values = NULL;

      if (labels == NULL)
        return FALSE;
      if (!volume_geometry_equal (volume_scan_get_geometry (labels),
                                  volume_scan_get_geometry (self->scan), 1e-2))
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH, "%s: not on the grid of %s",
                       self->mask_in, self->file);
          return FALSE;
        }
      values = g_new (float, (gsize) width *(gsize) height);
      volume_scan_read_slice (labels, self->slice_plane, self->index, values);
      for (gsize p = 0; p < (gsize) width * (gsize) height; p++)
        mask[p] = values[p] > 0;
    }
  seg_prompt_set_mask (self->prompt, mask, width, height);
  return TRUE;
}

static gboolean
write_mask (Asked *self, gsize *n_pixels, GError **error)
{
  const gsize n = (gsize) self->picture->width * (gsize) self->picture->height;
  g_autofree guint8 *mask = g_new (guint8, n);

  *n_pixels = seg_answer_get_mask (self->answer, self->chosen, mask);
  if (self->scan == NULL)
    {
      for (gsize p = 0; p < n; p++)
        mask[p] = mask[p] ? 255 : 0;
      return volume_picture_write_png (self->out, mask, self->picture->width, self->picture->height,
                                       1, error);
    }
  else
    {
      const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
      g_autofree guint16 *labels =
          volume_memory_try0 (volume_scan_get_n_voxels (self->scan), sizeof *labels, error);
      VolumeSliceFrame frame;

      if (labels == NULL)
        return FALSE;
      volume_geometry_get_slice_frame (geometry, self->slice_plane, &frame);
      for (gsize v = 0; self->voxels != NULL && v < volume_scan_get_n_voxels (self->scan); v++)
        labels[v] = self->voxels[v];
      for (int v = 0; v < frame.n_v && self->voxels == NULL; v++)
        for (int u = 0; u < frame.n_u; u++)
          if (mask[(gsize) v * (gsize) frame.n_u + (gsize) u])
            {
              double ijk[3];

              volume_slice_frame_to_ijk (&frame, u, v, self->index, ijk);
              labels[((gsize) lrint (ijk[2]) * (gsize) geometry->size[1] + (gsize) lrint (ijk[1]))
                         * (gsize) geometry->size[0]
                     + (gsize) lrint (ijk[0])] = 1;
            }
      return volume_nifti_write_labels (self->out, self->scan, labels, error);
    }
}

/* ---- neighbouring slices --------------------------------------------------------------------- */

static SegEmbedding *
embed_cb (VolumeScan *scan, VolumePlane plane, int index, gpointer user_data, GError **error)
{
  g_autoptr (SegPicture) picture = app_flow_prompt_cut (scan, plane, index);

  return seg_generalist_encode (user_data, picture, error);
}

/* The slice's mask carried on to its neighbours; with a vote, then asked anew on all three planes.
 */
static gboolean
carry_on (Asked *self, SegGeneralist *generalist, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->scan);
  const gsize n_voxels = volume_scan_get_n_voxels (self->scan);
  const int across = geometry->axis_of_plane[self->slice_plane];
  g_autofree guint8 *start =
      g_new (guint8, (gsize) self->picture->width * (gsize) self->picture->height);
  g_autofree guint8 *thick = NULL;
  AppFlowPropagation result;
  int low[3] = { 0, 0, 0 }, side[3] = { geometry->size[0], geometry->size[1], geometry->size[2] };
  const guint8 *from;

  seg_answer_get_mask (self->answer, 0, start);
  if (!app_flow_propagate (generalist, self->scan, self->slice_plane, self->index, start,
                           self->propagate, embed_cb, generalist, NULL, NULL, &result, error))
    return FALSE;
  self->first = low[across] = result.first;
  self->last = result.last;
  side[across] = result.last - result.first + 1;
  thick = volume_memory_try ((gsize) side[0] * (gsize) side[1] * (gsize) side[2], 1, error);
  if (thick != NULL)
    app_flow_propagation_place (&result, geometry, self->slice_plane, thick);
  app_flow_propagation_clear (&result);
  self->voxels = thick != NULL ? volume_memory_try0 (n_voxels, 1, error) : NULL;
  if (self->voxels == NULL)
    return FALSE;
  from = thick;
  for (int k = 0; k < side[2]; k++)
    for (int j = 0; j < side[1]; j++)
      for (int i = 0; i < side[0]; i++)
        self->voxels[((gsize) (k + low[2]) * (gsize) geometry->size[1] + (gsize) (j + low[1]))
                         * (gsize) geometry->size[0]
                     + (gsize) (i + low[0])] = *from++ != 0;
  if (self->vote)
    {
      g_autofree guint8 *rough = g_steal_pointer (&self->voxels);

      self->voxels = volume_memory_try (n_voxels, 1, error);
      return self->voxels != NULL
             && app_flow_vote (generalist, self->scan, rough, 2, embed_cb, generalist, NULL, NULL,
                               self->voxels, error);
    }
  return TRUE;
}

/* The mask may replace the mask it refines, but not the scan it is of (I1). */
static gboolean
check_out (const Asked *self, GError **error)
{
  g_autoptr (AppSources) sources = app_sources_new ();

  app_sources_add (sources, self->file);
  app_sources_add (sources, self->weights);
  return app_sources_check (sources, self->out, error);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* On the engine thread, as in the window. */
static gboolean
answer_run (AppJob *job, gpointer data, GError **error)
{
  Asked *self = data;
  g_autoptr (SegGeneralist) generalist = app_flow_prompt_open (self->weights, self->kind, error);
  g_autoptr (SegEmbedding) embedding = NULL;

  if (generalist == NULL)
    return FALSE;
  self->generalist = g_strdup (seg_generalist_get_info (generalist)->name);
  embedding = seg_generalist_encode (generalist, self->picture, error);
  if (embedding == NULL)
    return FALSE;
  self->answer =
      seg_generalist_answer (generalist, embedding, self->prompt, self->multimask, error);
  if (self->answer == NULL)
    return FALSE;
  return self->propagate == 0 || carry_on (self, generalist, error);
}

static void
report (const Asked *self, gsize n_pixels)
{
  const SegAnswer *answer = self->answer;
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!self->json)
    {
      g_print ("%s: %" G_GSIZE_FORMAT
               " pixels, estimated IoU %.3f, stability %.3f, %.0f + %.0f ms\n",
               self->generalist, n_pixels, (double) answer->iou[self->chosen],
               (double) answer->stability[self->chosen], answer->encode_ms, answer->decode_ms);
      return;
    }
  json_builder_begin_object (builder);
  app_json_add_string (builder, "generalist", self->generalist);
  if (self->scan != NULL)
    {
      app_json_add_string (builder, "plane", volume_plane_get_name (self->slice_plane));
      app_json_add_int (builder, "index", self->index);
    }
  if (self->voxels != NULL)
    {
      app_json_add_int (builder, "first", self->first);
      app_json_add_int (builder, "last", self->last);
    }
  app_json_add_number (builder, "iou", (double) answer->iou[self->chosen]);
  app_json_add_number (builder, "stability", (double) answer->stability[self->chosen]);
  app_json_add_int (builder, "pixels", (gint64) n_pixels);
  app_json_add_number (builder, "encode_ms", answer->encode_ms);
  app_json_add_number (builder, "decode_ms", answer->decode_ms);
  if (self->multimask)
    {
      double all[SEG_MAX_MASKS];
      for (int m = 0; m < answer->n_masks; m++)
        all[m] = (double) answer->iou[m];
      app_json_add_numbers (builder, "all_iou", all, (gsize) answer->n_masks);
    }
  json_builder_end_object (builder);
  app_json_print (builder);
}

int
app_verb_prompt (int argc, char **argv)
{
  g_auto (Asked) asked = { .index = G_MININT };
  const GOptionEntry entries[] = {
    { "plane", 0, 0, G_OPTION_ARG_STRING, &asked.plane, "axial, coronal or sagittal (axial)", "P" },
    { "index", 0, 0, G_OPTION_ARG_INT, &asked.index, "slice (where the first point lies)", "N" },
    { "weights", 0, 0, G_OPTION_ARG_FILENAME, &asked.weights, ".pth or .safetensors", "FILE" },
    { "kind", 0, 0, G_OPTION_ARG_STRING, &asked.kind, "where the keys cannot tell: medsam, sam",
      "K" },
    { "point", 0, 0, G_OPTION_ARG_STRING_ARRAY, &asked.points, "i,j,k,+ or x,y,- (repeats)", "P" },
    { "box", 0, 0, G_OPTION_ARG_STRING, &asked.box, "i0,j0,k0,i1,j1,k1 or x0,y0,x1,y1", "B" },
    { "scribble", 0, 0, G_OPTION_ARG_STRING_ARRAY, &asked.scribbles, "+:i,j,k;i,j,k;… (repeats)",
      "S" },
    { "mask-in", 0, 0, G_OPTION_ARG_FILENAME, &asked.mask_in, "a mask to refine", "MASK" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &asked.out,
      "the mask: NIfTI for a scan, PNG for a picture", "MASK" },
    { "multimask", 0, 0, G_OPTION_ARG_NONE, &asked.multimask, "the best of three masks", NULL },
    { "propagate", 0, 0, G_OPTION_ARG_INT, &asked.propagate,
      "on to at most N slices each way, while it looks right", "N" },
    { "vote", 0, 0, G_OPTION_ARG_NONE, &asked.vote,
      "then ask on all three planes, two of which decide", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &asked.json, "one JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE — one prompt answer");
  g_autoptr (GError) error = NULL;
  gsize n_pixels;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("%s", error->message);
  if (argc != 2 || asked.out == NULL)
    return app_usage ("prompt FILE --point … --out MASK; see --help");
  if (asked.propagate < 0 || (asked.vote && asked.propagate == 0)
      || (asked.propagate > 0 && is_picture (argv[1])))
    return app_usage ("--propagate N: at least 1, on a scan; --vote goes with it");
  if (asked.points == NULL && asked.box == NULL && asked.scribbles == NULL)
    return app_usage ("prompt needs a --point, a --box or a --scribble");
  if (asked.kind != NULL && strcmp (asked.kind, "medsam") != 0 && strcmp (asked.kind, "sam") != 0)
    return app_usage ("prompt: --kind is medsam or sam");
  asked.file = argv[1];
  if (!check_out (&asked, &error))
    return app_fail (error);
  asked.has_index = asked.index != G_MININT;
  asked.slice_plane = VOLUME_PLANE_AXIAL;
  if (asked.plane != NULL && !volume_plane_from_name (asked.plane, &asked.slice_plane))
    return app_usage ("--plane %s: axial, coronal or sagittal", asked.plane);
  if (!(is_picture (asked.file) ? read_picture (&asked, &error) : read_scan (&asked, &error)))
    return g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE)
               ? app_usage ("%s", error->message)
               : app_fail (error);
  if (!read_mask (&asked, &error))
    return app_fail (error);
  if (!app_engine_run (
          app_engine_get_default (),
          &(AppJobParams){
              .kind = APP_JOB_PROMPT, .title = "prompt", .run = answer_run, .data = &asked },
          &error))
    return app_fail (error);
  for (int m = 1; m < asked.answer->n_masks; m++)
    if (asked.answer->iou[m] > asked.answer->iou[asked.chosen])
      asked.chosen = m;
  if (!write_mask (&asked, &n_pixels, &error))
    return app_fail (error);
  report (&asked, n_pixels);
  return APP_EXIT_OK;
}
