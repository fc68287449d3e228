/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/json-output.h"
#include "app/sources.h"
#include "app/verbs.h"
#include "render/slice.h"
#include "render/volume-view.h"
#include "volume/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the command line said. */
typedef struct
{
  char *plane, *out, *labels, *window, *size, *interpolation, *device, *colour_map;
  char *style, *compare, *field, *field_range, *field_map, *crosshair, *prompt, *background;
  char *zoom, *centre, *oblique, *brush, *provenance, *camera, *mode, *cut;
  char **boxes, **lines;
  int index;
  double opacity, outline, field_opacity, surface_opacity;
  int highlight;
  gboolean hatch, neurological, json, volume, validate;
} Options;

static void
options_clear (Options *o)
{
  char **strings[] = { &o->plane,      &o->out,           &o->labels,  &o->window,
                       &o->size,       &o->interpolation, &o->device,  &o->colour_map,
                       &o->style,      &o->compare,       &o->field,   &o->field_range,
                       &o->field_map,  &o->crosshair,     &o->prompt,  &o->background,
                       &o->zoom,       &o->centre,        &o->oblique, &o->brush,
                       &o->provenance, &o->camera,        &o->mode,    &o->cut };

  for (gsize s = 0; s < G_N_ELEMENTS (strings); s++)
    g_clear_pointer (strings[s], g_free);
  g_clear_pointer (&o->boxes, g_strfreev);
  g_clear_pointer (&o->lines, g_strfreev);
}

/* Everything that must live until the picture is drawn. */
typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
  RenderLabels *labels, *compare;
  RenderField *field;
  RenderMarks *marks;
  VolumePlane plane;
} Scene;

static void
scene_clear (Scene *scene)
{
  render_marks_free (scene->marks);
  render_field_unref (scene->field);
  render_labels_unref (scene->compare);
  render_labels_unref (scene->labels);
  render_scan_unref (scene->scan);
  g_clear_pointer (&scene->volume, volume_scan_unref);
  render_device_unref (scene->device);
}

/* "a,b,…": exactly @n finite numbers. */
static gboolean
parse_numbers (const char *option, const char *text, double *numbers, int n, GError **error)
{
  const char *at = text;

  for (int v = 0; v < n; v++)
    {
      char *end = NULL;

      numbers[v] = g_ascii_strtod (at, &end);
      if (end == at || !isfinite (numbers[v]) || *end != (v + 1 < n ? ',' : '\0'))
        {
          g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       "--%s: \"%s\" is not %d number%s with commas between", option, text, n,
                       n == 1 ? "" : "s");
          return FALSE;
        }
      at = end + 1;
    }
  return TRUE;
}

static gboolean
check_above_0 (const char *option, const char *what, double value, GError **error)
{
  if (value > 0)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: %s is above 0, not %g",
               option, what, value);
  return FALSE;
}

/* Centre and width. */
static gboolean
parse_window (const char *text, double window[2], GError **error)
{
  return parse_numbers ("window", text, window, 2, error)
         && check_above_0 ("window", "the width", window[1], error);
}

static gboolean
parse_size (const char *text, int *width, int *height, GError **error)
{
  char *end = NULL;
  const guint64 w = g_ascii_strtoull (text, &end, 10);
  const guint64 h = *end == 'x' ? g_ascii_strtoull (end + 1, &end, 10) : 0;

  if (w > 0 && h > 0 && *end == '\0' && w <= 65536 && h <= 65536)
    {
      *width = (int) w;
      *height = (int) h;
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "--size: \"%s\" is not WIDTHxHEIGHT of 1 to 65536 pixels", text);
  return FALSE;
}

static gboolean
parse_choice (const char *option, const char *text, const char *const *names, int n, int *choice,
              GError **error)
{
  g_autofree char *list = NULL;

  for (int c = 0; c < n; c++)
    if (strcmp (text, names[c]) == 0)
      {
        *choice = c;
        return TRUE;
      }
  list = g_strjoinv (", ", (char **) names);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: \"%s\" is none of %s",
               option, text, list);
  return FALSE;
}

static gboolean
parse_colour_map (const char *option, const char *text, RenderColourMap *map, GError **error)
{
  if (text == NULL || render_colour_map_from_name (text, map))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "--%s: \"%s\" is none of grey, inverted, hot, ember, lagoon", option, text);
  return FALSE;
}

/* --- files --- */

static gboolean
check_grid (Scene *scene, VolumeScan *other, const char *path, GError **error)
{
  const VolumeGeometry *a = volume_scan_get_geometry (scene->volume);
  const VolumeGeometry *b = volume_scan_get_geometry (other);

  if (volume_geometry_equal (a, b, 0.01 * MAX (a->spacing_mm[0], 1.0)))
    return TRUE;
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
               "%s: its grid of %d × %d × %d voxels is not the scan's (%d × %d × %d, or elsewhere "
               "in space)",
               path, b->size[0], b->size[1], b->size[2], a->size[0], a->size[1], a->size[2]);
  return FALSE;
}

static RenderLabels *
load_labels (Scene *scene, const char *path, GError **error)
{
  g_autoptr (VolumeScan) file = volume_scan_load_labels (path, error);
  g_autoptr (GBytes) bytes = NULL;
  RenderLabels *labels;
  guint16 *ids;
  gsize n;

  if (file == NULL || !check_grid (scene, file, path, error))
    return NULL;
  n = volume_scan_get_n_voxels (file);
  ids = g_try_new (guint16, n);
  if (ids == NULL)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE, "%s: no memory for its labels",
                   path);
      return NULL;
    }
  if (!volume_scan_read_labels (file, ids, error))
    {
      g_free (ids);
      return NULL;
    }
  bytes = g_bytes_new_take (ids, n * sizeof *ids);
  labels = render_labels_new (scene->device, volume_scan_get_geometry (file)->size);
  render_labels_update_array (labels, bytes);
  return labels;
}

/* A scalar per voxel from a file on the scan's grid. */
static RenderField *
load_field (Scene *scene, const char *path, GError **error)
{
  g_autoptr (VolumeScan) file = volume_scan_load (path, 0, error);
  g_autoptr (GBytes) bytes = NULL;
  VolumeBox box = { { 0 } };
  float *values;
  gsize n;

  if (file == NULL || !check_grid (scene, file, path, error))
    return NULL;
  n = volume_scan_get_n_voxels (file);
  values = g_try_new (float, n);
  if (values == NULL)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE, "%s: no memory for its values",
                   path);
      return NULL;
    }
  memcpy (box.hi, volume_scan_get_geometry (file)->size, sizeof box.hi);
  volume_scan_read_box (file, &box, values);
  bytes = g_bytes_new_take (values, n * sizeof *values);
  return render_field_new (scene->device, &box, bytes);
}

/* Provenance codes 0…5 per voxel. */
static gboolean
load_provenance (Scene *scene, const char *path, GError **error)
{
  g_autoptr (VolumeScan) file = volume_scan_load_labels (path, error);
  g_autofree guint16 *ids = NULL;
  g_autoptr (GBytes) bytes = NULL;
  guint8 *codes;
  VolumeBox box = { { 0 } };
  gsize n;

  if (file == NULL || !check_grid (scene, file, path, error))
    return FALSE;
  n = volume_scan_get_n_voxels (file);
  ids = g_new (guint16, n);
  if (!volume_scan_read_labels (file, ids, error))
    return FALSE;
  codes = g_malloc (n);
  for (gsize v = 0; v < n; v++)
    codes[v] = (guint8) MIN (ids[v], VOLUME_PROVENANCE_MODEL);
  bytes = g_bytes_new_take (codes, n);
  memcpy (box.hi, volume_scan_get_geometry (file)->size, sizeof box.hi);
  render_labels_set_provenance (scene->labels, &box, bytes);
  return TRUE;
}

static char *
cache_folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "crosslabel", NULL);
}

static gboolean
load_scene (Scene *scene, const Options *options, const char *path, GError **error)
{
  g_autofree char *cache = cache_folder ();

  scene->volume = volume_scan_load (path, 0, error);
  if (scene->volume == NULL)
    return FALSE;
  scene->device = render_device_new (&(RenderDeviceParams){ .name = options->device,
                                                            .validate = options->validate,
                                                            .cache_dir = cache },
                                     error);
  if (scene->device == NULL)
    return FALSE;
  scene->scan = render_scan_new (scene->device, scene->volume);
  if (options->labels != NULL
      && (scene->labels = load_labels (scene, options->labels, error)) == NULL)
    return FALSE;
  if (options->compare != NULL
      && (scene->compare = load_labels (scene, options->compare, error)) == NULL)
    return FALSE;
  if (options->provenance != NULL && !load_provenance (scene, options->provenance, error))
    return FALSE;
  return options->field == NULL
         || (scene->field = load_field (scene, options->field, error)) != NULL;
}

/* --- marks --- */

static gboolean
add_crosshair_and_brush (Scene *scene, const Options *options, GError **error)
{
  double numbers[4];

  if (options->crosshair != NULL)
    {
      if (!parse_numbers ("crosshair", options->crosshair, numbers, 3, error))
        return FALSE;
      render_marks_add_crosshair (scene->marks, numbers, 8.0, NULL);
    }
  if (options->brush != NULL)
    {
      if (!parse_numbers ("brush", options->brush, numbers, 4, error)
          || !check_above_0 ("brush", "the radius", numbers[3], error))
        return FALSE;
      render_marks_add_brush (scene->marks, numbers, numbers[3], NULL);
    }
  return TRUE;
}

static gboolean
add_boxes (Scene *scene, const Options *options, GError **error)
{
  for (char **text = options->boxes; text != NULL && *text != NULL; text++)
    {
      double numbers[6];
      VolumeBox box;

      if (!parse_numbers ("box", *text, numbers, 6, error))
        return FALSE;
      for (int c = 0; c < 3; c++)
        {
          box.lo[c] = (int) CLAMP (numbers[c], -1e6, 1e6);
          box.hi[c] = (int) CLAMP (numbers[c + 3], -1e6, 1e6);
        }
      render_marks_add_box (scene->marks, &box, NULL);
    }
  return TRUE;
}

/* "plane:index", as the three-slice cases name their slices. */
static gboolean
add_lines (Scene *scene, const Options *options, GError **error)
{
  for (char **text = options->lines; text != NULL && *text != NULL; text++)
    {
      const char *colon = strchr (*text, ':');
      g_autofree char *name = colon != NULL ? g_strndup (*text, (gsize) (colon - *text)) : NULL;
      VolumePlane plane;
      double index;

      if (name == NULL || !volume_plane_from_name (name, &plane))
        {
          g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       "--line: \"%s\" is not PLANE:INDEX", *text);
          return FALSE;
        }
      if (!parse_numbers ("line", colon + 1, &index, 1, error))
        return FALSE;
      render_marks_add_plane_line (scene->marks, plane, (int) CLAMP (index, -1e6, 1e6), NULL);
    }
  return TRUE;
}

static gboolean
add_marks (Scene *scene, const Options *options, GError **error)
{
  scene->marks = render_marks_new ();
  if (!add_boxes (scene, options, error) || !add_lines (scene, options, error))
    return FALSE;
  if (options->prompt != NULL)
    {
      g_autoptr (VolumePrompt) prompt = volume_prompt_from_json (options->prompt, error);

      if (prompt == NULL)
        return FALSE;
      render_marks_add_prompt (scene->marks, prompt);
    }
  return add_crosshair_and_brush (scene, options, error);
}

static gboolean
set_background (const Options *options, float background[3], GError **error)
{
  double rgb[3] = { 0.0, 0.0, 0.0 };

  if (options->background != NULL
      && !parse_numbers ("background", options->background, rgb, 3, error))
    return FALSE;
  for (int c = 0; c < 3; c++)
    background[c] = (float) CLAMP (rgb[c], 0.0, 1.0);
  return TRUE;
}

/* --- slices --- */

static gboolean
set_label_style (const Scene *scene, const Options *options, RenderSliceParams *params,
                 GError **error)
{
  static const char *const styles[] = { "none", "fill", "outline", "both", NULL };
  int style = RENDER_LABEL_STYLE_FILL_OUTLINE;

  if (options->style != NULL && !parse_choice ("style", options->style, styles, 4, &style, error))
    return FALSE;
  params->labels = scene->labels;
  params->compare = scene->compare;
  params->label_style = (RenderLabelStyle) style;
  params->label_opacity = CLAMP (options->opacity, 0.0, 1.0);
  params->outline_px = options->outline;
  params->highlight_label = (guint16) CLAMP (options->highlight, 0, 65535);
  params->hatch_unlabelled = options->hatch;
  params->provenance_opacity = options->provenance != NULL ? 0.5 : 0.0;
  return TRUE;
}

static gboolean
set_field (const Scene *scene, const Options *options, RenderSliceParams *params, GError **error)
{
  double range[2] = { 0.0, 1.0 };

  if (options->field_range != NULL
      && !parse_numbers ("field-range", options->field_range, range, 2, error))
    return FALSE;
  params->field = scene->field;
  params->field_min = range[0];
  params->field_max = range[1];
  params->field_opacity = CLAMP (options->field_opacity, 0.0, 1.0);
  params->field_colour_map = RENDER_COLOUR_MAP_EMBER;
  return parse_colour_map ("field-map", options->field_map, &params->field_colour_map, error);
}

static gboolean
set_plane (const Scene *scene, const Options *options, RenderSlicePlacement *placement,
           GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scene->volume);
  const int size = geometry->size[geometry->axis_of_plane[scene->plane]];

  if (options->index < 0 || options->index >= size)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "There is no %s slice %d: this scan has slices 0 to %d.",
                   volume_plane_get_name (scene->plane), options->index, size - 1);
      return FALSE;
    }
  placement->plane = scene->plane;
  placement->index = options->index;
  placement->neurological = options->neurological;
  return TRUE;
}

/* "x,y,z,rx,ry,rz,dx,dy,dz": a point and the directions of the frame's right and down, RAS mm. */
static gboolean
set_oblique (const Options *options, RenderSlicePlacement *placement, GError **error)
{
  double n[9], right = 0.0, down = 0.0, along = 0.0;

  if (!parse_numbers ("oblique", options->oblique, n, 9, error))
    return FALSE;
  for (int c = 0; c < 3; c++)
    right += n[3 + c] * n[3 + c];
  for (int c = 0; c < 3 && right > 0.0; c++)
    along += n[3 + c] * n[6 + c] / right;
  for (int c = 0; c < 3; c++)
    {
      n[6 + c] -= along * n[3 + c];
      down += n[6 + c] * n[6 + c];
    }
  if (!(right > 1e-12) || !(down > 1e-12))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--oblique: right and down do not span a plane");
      return FALSE;
    }
  placement->oblique = TRUE;
  for (int c = 0; c < 3; c++)
    {
      placement->centre_ras[c] = n[c];
      placement->right_ras[c] = n[3 + c] / sqrt (right);
      placement->down_ras[c] = n[6 + c] / sqrt (down);
    }
  return TRUE;
}

static gboolean
set_placement (const Scene *scene, const Options *options, RenderSliceParams *params,
               GError **error)
{
  RenderSlicePlacement *placement = &params->placement;
  double zoom = 1.0, centre[3];

  if (!(options->oblique != NULL ? set_oblique (options, placement, error)
                                 : set_plane (scene, options, placement, error)))
    return FALSE;
  if (options->zoom != NULL
      && (!parse_numbers ("zoom", options->zoom, &zoom, 1, error)
          || !check_above_0 ("zoom", "the factor", zoom, error)))
    return FALSE;
  placement->zoom = CLAMP (zoom, 0.01, 1000.0);
  if (options->centre != NULL)
    {
      RenderSliceView view;
      RenderSlicePlacement moved;

      if (!parse_numbers ("centre", options->centre, centre, 3, error))
        return FALSE;
      render_slice_view_init (&view, volume_scan_get_geometry (scene->volume), placement,
                              params->width, params->height);
      render_slice_view_centre_on (&view, centre, &moved);
      *placement = moved;
    }
  return TRUE;
}

static RenderFrame *
draw_slice (Scene *scene, const Options *options, int width, int height, GError **error)
{
  static const char *const interpolations[] = { "nearest", "linear", "cubic", NULL };
  RenderSliceParams params = { .scan = scene->scan, .width = width, .height = height };
  int interpolation = RENDER_INTERPOLATION_LINEAR;
  double window[2] = { 0.0, 0.0 };

  if (options->interpolation != NULL
      && !parse_choice ("interpolation", options->interpolation, interpolations, 3, &interpolation,
                        error))
    return NULL;
  params.interpolation = (RenderInterpolation) interpolation;
  if (options->window != NULL && !parse_window (options->window, window, error))
    return NULL;
  params.window_centre = window[0];
  params.window_width = window[1];
  if (!parse_colour_map ("colour-map", options->colour_map, &params.colour_map, error)
      || !set_label_style (scene, options, &params, error)
      || !set_field (scene, options, &params, error)
      || !set_background (options, params.background, error)
      || !set_placement (scene, options, &params, error) || !add_marks (scene, options, error))
    return NULL;
  params.marks = scene->marks;
  return render_slice_sync (scene->device, &params, error);
}

/* --- the 3-D view --- */

static RenderFrame *
draw_volume (Scene *scene, const Options *options, int width, int height, GError **error)
{
  static const char *const modes[] = { "composite", "mip", "labels", "planes", NULL };
  RenderVolumeParams params = { .scan = scene->scan,
                                .labels = scene->labels,
                                .width = width,
                                .height = height,
                                .label_opacity = CLAMP (options->surface_opacity, 0.0, 1.0) };
  double camera[3] = { 30.0, 20.0, 1.0 }, window[2] = { 0.0, 0.0 };
  int mode = RENDER_VOLUME_MODE_COMPOSITE;

  if ((options->camera != NULL && !parse_numbers ("camera", options->camera, camera, 3, error))
      || (options->window != NULL && !parse_window (options->window, window, error))
      || (options->mode != NULL
          && !parse_choice ("mode", options->mode, modes, G_N_ELEMENTS (modes) - 1, &mode, error))
      || (options->cut != NULL && !parse_numbers ("cut", options->cut, params.cut_ijk, 3, error))
      || !parse_colour_map ("colour-map", options->colour_map, &params.colour_map, error)
      || !set_background (options, params.background, error))
    return NULL;
  params.mode = (RenderVolumeMode) mode;
  params.azimuth_deg = camera[0];
  params.elevation_deg = camera[1];
  params.zoom = camera[2];
  params.window_centre = window[0];
  params.window_width = window[1];
  params.highlight_label = (guint16) CLAMP (options->highlight, 0, 65535);
  if (params.mode == RENDER_VOLUME_MODE_PLANES)
    {
      const VolumeGeometry *geometry = render_scan_get_geometry (scene->scan);

      for (int axis = 0; options->cut == NULL && axis < 3; axis++)
        params.cut_ijk[axis] = geometry->size[axis] / 2;
    }
  else
    params.cut = options->cut != NULL ? RENDER_VOLUME_CUT_OCTANT : RENDER_VOLUME_CUT_NONE;
  return render_volume_sync (scene->device, &params, error);
}

/* --- the verb --- */

static int
report (Scene *scene, const Options *options, RenderFrame *frame, double ms)
{
  g_autoptr (JsonBuilder) builder = NULL;
  guint64 now, peak;

  if (!options->json)
    return APP_EXIT_OK;
  render_device_get_memory (scene->device, &now, &peak);
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  app_json_add_string (builder, "out", options->out);
  app_json_add_int (builder, "width", render_frame_get_width (frame));
  app_json_add_int (builder, "height", render_frame_get_height (frame));
  app_json_add_string (builder, "device", render_device_get_info (scene->device)->name);
  app_json_add_number (builder, "draw_ms", ms);
  app_json_add_boolean (builder, "exact", render_frame_is_exact (frame));
  app_json_add_int (builder, "device_peak_bytes", (gint64) peak);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

/* I1: the picture replaces nothing that is drawn. */
static gboolean
check_out (const Options *options, const char *path, GError **error)
{
  g_autoptr (AppSources) sources = app_sources_new ();

  app_sources_add (sources, path);
  app_sources_add (sources, options->labels);
  app_sources_add (sources, options->compare);
  app_sources_add (sources, options->provenance);
  app_sources_add (sources, options->field);
  return app_sources_check (sources, options->out, error);
}

static int
run (const Options *options, Scene *scene, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  int width = 800, height = 800;
  gint64 start;

  if (!check_out (options, path, &error))
    return app_fail (error);
  if (options->size != NULL && !parse_size (options->size, &width, &height, &error))
    return app_usage ("render: %s", error->message);
  if (!load_scene (scene, options, path, &error))
    return app_fail (error);
  start = g_get_monotonic_time ();
  frame = options->volume ? draw_volume (scene, options, width, height, &error)
                          : draw_slice (scene, options, width, height, &error);
  if (frame == NULL)
    return g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE)
               ? app_usage ("render: %s", error->message)
               : app_fail (error);
  if (!render_frame_save_png (frame, options->out, &error))
    return app_fail (error);
  if (options->validate && render_validation_get_n_messages () > 0)
    {
      g_set_error (&error, RENDER_ERROR, RENDER_ERROR_FAILED, "%u Vulkan validation messages",
                   render_validation_get_n_messages ());
      return app_fail (error);
    }
  return report (scene, options, frame, (double) (g_get_monotonic_time () - start) / 1000.0);
}

static gboolean
is_share (double value)
{
  return value >= 0 && value <= 1;
}

int
app_verb_render (int argc, char **argv)
{
  Options o = {
    .index = -1, .opacity = 0.4, .outline = 0.0, .field_opacity = 0.6, .surface_opacity = 1.0
  };
  const GOptionEntry entries[] = {
    { "plane", 0, 0, G_OPTION_ARG_STRING, &o.plane, "axial, coronal or sagittal", "PLANE" },
    { "index", 0, 0, G_OPTION_ARG_INT, &o.index, "Slice along that plane's voxel axis", "N" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &o.out, "PNG to write", "PNG" },
    { "labels", 0, 0, G_OPTION_ARG_FILENAME, &o.labels, "Labels on the scan's grid", "FILE" },
    { "window", 0, 0, G_OPTION_ARG_STRING, &o.window, "Window centre and width", "C,W" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &o.size, "Pixels, 800x800 if not given", "WxH" },
    { "interpolation", 0, 0, G_OPTION_ARG_STRING, &o.interpolation,
      "nearest, linear (if not given) or cubic", "KIND" },
    { "colour-map", 0, 0, G_OPTION_ARG_STRING, &o.colour_map,
      "grey, inverted, hot, ember or lagoon", "MAP" },
    { "background", 0, 0, G_OPTION_ARG_STRING, &o.background, "r,g,b beside the scan, 0 to 1",
      "RGB" },
    { "style", 0, 0, G_OPTION_ARG_STRING, &o.style, "Labels: none, fill, outline or both",
      "STYLE" },
    { "opacity", 0, 0, G_OPTION_ARG_DOUBLE, &o.opacity, "Of label fills, 0 to 1", "X" },
    { "outline", 0, 0, G_OPTION_ARG_DOUBLE, &o.outline, "Width of label outlines", "PIXELS" },
    { "highlight", 0, 0, G_OPTION_ARG_INT, &o.highlight, "Label to stand out", "ID" },
    { "hatch", 0, 0, G_OPTION_ARG_NONE, &o.hatch, "Hatch what is not labelled yet", NULL },
    { "provenance", 0, 0, G_OPTION_ARG_FILENAME, &o.provenance,
      "Colour by provenance codes 0 to 5 of a file", "FILE" },
    { "compare", 0, 0, G_OPTION_ARG_FILENAME, &o.compare, "Show differences to these labels",
      "FILE" },
    { "field", 0, 0, G_OPTION_ARG_FILENAME, &o.field, "Scalar overlay, e.g. uncertainty", "FILE" },
    { "field-range", 0, 0, G_OPTION_ARG_STRING, &o.field_range, "Its range, 0,1 if not given",
      "MIN,MAX" },
    { "field-map", 0, 0, G_OPTION_ARG_STRING, &o.field_map, "Its colour map", "MAP" },
    { "field-opacity", 0, 0, G_OPTION_ARG_DOUBLE, &o.field_opacity, "0 to 1", "X" },
    { "crosshair", 0, 0, G_OPTION_ARG_STRING, &o.crosshair, "Crosshair through a voxel", "I,J,K" },
    { "line", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.lines, "Line of another slice; repeat",
      "PLANE:N" },
    { "box", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.boxes, "Box of voxels, half-open; repeat",
      "I0,J0,K0,I1,J1,K1" },
    { "prompt", 0, 0, G_OPTION_ARG_STRING, &o.prompt, "Prompt as the project stores it", "JSON" },
    { "brush", 0, 0, G_OPTION_ARG_STRING, &o.brush, "Brush outline about a voxel",
      "I,J,K,RADIUS_MM" },
    { "zoom", 0, 0, G_OPTION_ARG_STRING, &o.zoom, "1 fits the slice into the frame", "FACTOR" },
    { "centre", 0, 0, G_OPTION_ARG_STRING, &o.centre, "Voxel in the middle of the frame", "I,J,K" },
    { "oblique", 0, 0, G_OPTION_ARG_STRING, &o.oblique,
      "Instead of a plane: a point, right and down in RAS mm", "X,Y,Z,RX,RY,RZ,DX,DY,DZ" },
    { "neurological", 0, 0, G_OPTION_ARG_NONE, &o.neurological, "Patient right on screen right",
      NULL },
    { "volume", 0, 0, G_OPTION_ARG_NONE, &o.volume, "The 3-D view instead of a slice", NULL },
    { "camera", 0, 0, G_OPTION_ARG_STRING, &o.camera, "3-D: azimuth and elevation in degrees, zoom",
      "AZ,EL,ZOOM" },
    { "mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "3-D: composite, mip, labels or planes", "MODE" },
    { "cut", 0, 0, G_OPTION_ARG_STRING, &o.cut,
      "3-D: cut an octant away at a voxel; where planes cross", "I,J,K" },
    { "surface-opacity", 0, 0, G_OPTION_ARG_DOUBLE, &o.surface_opacity,
      "3-D: of the labels' surfaces, 0 to 1", "X" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &o.device, "Part of the Vulkan device's name", "NAME" },
    { "validate", 0, 0, G_OPTION_ARG_NONE, &o.validate, "Fail on Vulkan validation messages",
      NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE");
  g_autoptr (GError) error = NULL;
  Scene scene = { 0 };
  int status;

  g_option_context_set_summary (context, "Draws a slice, or the 3-D view, of a scan to a PNG.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    status = app_usage ("render: %s", error->message);
  else if (argc != 2)
    status = app_usage ("render needs one scan");
  else if (o.out == NULL)
    status = app_usage ("render needs --out PNG");
  else if (!o.volume && o.oblique == NULL && (o.plane == NULL || o.index < 0))
    status = app_usage ("render needs --plane and --index");
  else if (!is_share (o.opacity) || !is_share (o.field_opacity) || !is_share (o.surface_opacity))
    status = app_usage ("render: an opacity is from 0 to 1");
  else if (o.highlight < 0 || o.highlight > 65535)
    status = app_usage ("render: --highlight is a label, 0 to 65535");
  else if (!(o.outline >= 0 && isfinite (o.outline)))
    status = app_usage ("render: --outline is 0 or more");
  else if (o.plane != NULL && !volume_plane_from_name (o.plane, &scene.plane))
    status = app_usage ("render: \"%s\" is none of axial, coronal, sagittal", o.plane);
  else
    status = run (&o, &scene, argv[1]);
  scene_clear (&scene);
  options_clear (&o);
  return status;
}
