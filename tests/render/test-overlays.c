/* SPDX-License-Identifier: Apache-2.0 */
/* What lies over a slice: labels, hatch, provenance, differences, fields, marks, colour maps. */
#include "render/slice.h"

#include <math.h>
#include <string.h>

#include "tests/render/fixture.h"

/* A grid of 12 × 10 × 3 voxels, ten pixels each. The affine is the identity: both indices fall as
 * the screen's x and y grow. */
#define NX 12
#define NY 10
#define NZ 3
#define SLICE 1
#define PX 10

static const int size[3] = { NX, NY, NZ };
static const double identity[4][4] = {
  { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
};

typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
  RenderLabels *labels;
  RenderSliceParams params;
} Scene;

static double
grey_at (int i, int j)
{
  return (i * 7 + j * 13) % 100 / 100.0;
}

static void
scene_open (Scene *scene)
{
  gint16 values[NX * NY * NZ];

  memset (scene, 0, sizeof *scene);
  for (int v = 0; v < NX * NY * NZ; v++)
    values[v] = (gint16) floor (grey_at (v % NX, v / NX % NY) * 1000.0 + 0.5);
  scene->device = fixture_open (NULL);
  scene->volume = fixture_scan (size, identity, VOLUME_DTYPE_I16, values);
  scene->scan = render_scan_new (scene->device, scene->volume);
  scene->labels = render_labels_new (scene->device, size);
  scene->params = (RenderSliceParams){ .scan = scene->scan,
                                       .labels = scene->labels,
                                       .placement = { .index = SLICE },
                                       .width = NX * PX,
                                       .height = NY * PX,
                                       .window_centre = 500.0,
                                       .window_width = 1000.0 };
}

static void
scene_close (Scene *scene)
{
  render_labels_unref (scene->labels);
  render_scan_unref (scene->scan);
  volume_scan_unref (scene->volume);
  fixture_close (scene->device);
}

static RenderFrame *
scene_draw (Scene *scene)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame = render_slice_sync (scene->device, &scene->params, &error);

  g_assert_no_error (error);
  return frame;
}

static GBytes *
ids_bytes (guint16 (*label) (int i, int j))
{
  guint16 *ids = g_new0 (guint16, NX * NY * NZ);

  for (int v = 0; v < NX * NY * NZ; v++)
    ids[v] = label (v % NX, v / NX % NY);
  return g_bytes_new_take (ids, NX * NY * NZ * sizeof *ids);
}

static void
set_labels (RenderLabels *labels, guint16 (*label) (int i, int j))
{
  g_autoptr (GBytes) bytes = ids_bytes (label);

  render_labels_update_array (labels, bytes);
}

static const guint8 *
pixel (RenderFrame *frame, int x, int y)
{
  return fixture_pixel (frame, x, y);
}

/* The pixel in the middle of a voxel. */
static const guint8 *
voxel_pixel (RenderFrame *frame, int i, int j)
{
  return pixel (frame, (NX - 1 - i) * PX + PX / 2, (NY - 1 - j) * PX + PX / 2);
}

static void
assert_colour (const guint8 *rgba, const double base, const double ink[3], double opacity)
{
  for (int c = 0; c < 3; c++)
    {
      const double wanted = 255.0 * (base + (ink[c] - base) * opacity);

      g_assert_cmpfloat (fabs (rgba[c] - wanted), <=, 1.6); /* two roundings */
    }
}

static void
palette_ink (guint16 id, double ink[3])
{
  guint8 rgba[4];

  volume_label_palette ((gsize) id - 1, rgba);
  for (int c = 0; c < 3; c++)
    ink[c] = rgba[c] / 255.0;
}

static guint16
diagonal (int i, int j)
{
  return (guint16) ((i + j) % 4);
}

static void
test_fill (void)
{
  Scene scene;

  scene_open (&scene);
  set_labels (scene.labels, diagonal);
  scene.params.label_style = RENDER_LABEL_STYLE_FILL;
  for (int round = 0; round < 2; round++)
    {
      g_autoptr (RenderFrame) frame = NULL;

      scene.params.label_opacity = round == 0 ? 0.35 : 1.0;
      frame = scene_draw (&scene);
      for (int j = 0; j < NY; j++)
        for (int i = 0; i < NX; i++)
          {
            double ink[3] = { 0 };

            if (diagonal (i, j) != 0)
              palette_ink (diagonal (i, j), ink);
            assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), ink,
                           diagonal (i, j) != 0 ? scene.params.label_opacity : 0.0);
          }
    }
  scene_close (&scene);
}

static void
test_look (void)
{
  static const guint8 blue[4] = { 10, 20, 250, 128 };
  g_autoptr (VolumeLabelSet) set = volume_label_set_new ();
  g_autoptr (RenderFrame) frame = NULL;
  const double ink[3] = { 10 / 255.0, 20 / 255.0, 250 / 255.0 };
  Scene scene;

  scene_open (&scene);
  set_labels (scene.labels, diagonal);
  volume_label_set_put (set, 1, "blue", blue);
  volume_label_set_put (set, 2, "hidden", NULL);
  volume_label_set_set_visible (set, 2, FALSE);
  render_labels_set_look (scene.labels, set);
  scene.params.label_style = RENDER_LABEL_STYLE_FILL_OUTLINE;
  scene.params.outline_px = 1.0;
  scene.params.label_opacity = 0.8;
  scene.params.highlight_label = 3;
  frame = scene_draw (&scene);
  for (int j = 0; j < NY; j++)
    for (int i = 0; i < NX; i++)
      {
        double third[3];

        palette_ink (3, third);
        if (diagonal (i, j) == 1) /* steps back behind the highlighted label */
          assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), ink, 0.8 * 128.0 / 255.0 * 0.3);
        else if (diagonal (i, j) == 3)
          assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), third, 0.8);
        else
          assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), ink, 0.0);
      }
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

static guint16
block (int i, int j)
{
  return i >= 3 && i < 8 && j >= 2 && j < 7 ? 2 : 0;
}

/* Outlines are as many pixels wide as asked for at any zoom, the last one in part, inside the
 * label, corners closed. */
static void
test_outline (void)
{
  static const double zooms[] = { 0.7, 1.0, 1.9 };
  Scene scene;

  scene_open (&scene);
  set_labels (scene.labels, block);
  scene.params.label_style = RENDER_LABEL_STYLE_OUTLINE;
  for (gsize z = 0; z < G_N_ELEMENTS (zooms); z++)
    for (double width_px = 1.0; width_px <= 3.0; width_px += 0.25)
      {
        g_autoptr (RenderFrame) frame = NULL;
        RenderSliceView view;
        double ink[3], x, y, x0, y0, n = 0.0;
        int first = -1, last = -1;

        scene.params.placement.zoom = zooms[z];
        scene.params.outline_px = width_px;
        frame = scene_draw (&scene);
        palette_ink (2, ink);
        render_slice_view_init (&view, volume_scan_get_geometry (scene.volume),
                                &scene.params.placement, NX * PX, NY * PX);
        render_slice_view_ijk_to_pixel (&view, (double[3]){ 5, 4, SLICE }, &x, &y, NULL);
        render_slice_view_ijk_to_pixel (&view, (double[3]){ 7.5, 6.5, SLICE }, &x0, &y0, NULL);
        for (int p = 0; p < NX * PX; p++)
          {
            const guint8 *rgba = pixel (frame, p, (int) y);

            /* Red is grey mixed with the ink's red, told from grey by blue: as much ink as that. */
            if (rgba[0] != rgba[2])
              {
                n += (rgba[0] - rgba[2]) / (255.0 * (ink[0] - ink[2]));
                first = first < 0 ? p : first;
                last = p;
              }
          }
        g_assert_cmpfloat_with_epsilon (n, 2.0 * width_px, 0.05);
        g_assert_cmpfloat (fabs (first - x0), <=, 1.0);
        g_assert_cmpint (last - first + 1, >, 2 * ceil (width_px));
        /* the corner itself */
        g_assert_cmpfloat (fabs (pixel (frame, (int) floor (x0 + 0.5), (int) floor (y0 + 0.5))[0]
                                 - 255.0 * ink[0]),
                           <, 2.0);
      }
  scene_close (&scene);
}

/* Whether the hatch changes a pixel; never by much: tissue is seen through it. */
static gboolean
hatch_changes (RenderFrame *hatched, RenderFrame *plain, int x, int y)
{
  const guint8 *a = pixel (hatched, x, y), *b = pixel (plain, x, y);
  const double weights[3] = { 0.2126, 0.7152, 0.0722 };
  double brightness = 0.0;

  for (int c = 0; c < 3; c++)
    {
      g_assert_cmpint (ABS (a[c] - b[c]), <, 50);
      brightness += weights[c] * (a[c] - b[c]);
    }
  g_assert_cmpfloat (fabs (brightness), <, 36.0);
  return memcmp (a, b, 3) != 0;
}

/* Lines of the hatch that a row of pixels crosses. */
static int
n_hatch_lines (Scene *scene, double zoom, double scale)
{
  g_autoptr (RenderFrame) plain = NULL;
  g_autoptr (RenderFrame) hatched = NULL;
  int n = 0;

  scene->params.placement.zoom = zoom;
  scene->params.hatch_unlabelled = FALSE;
  plain = scene_draw (scene);
  scene->params.hatch_unlabelled = TRUE;
  scene->params.hatch_scale = scale;
  hatched = scene_draw (scene);
  for (int x = 0; x < NX * PX; x++)
    n += hatch_changes (hatched, plain, x, PX)
         && (x == 0 || !hatch_changes (hatched, plain, x - 1, PX));
  return n;
}

/* Lines are as far from each other at every zoom, and twice as far where pixels are half as big. */
static void
test_hatch_width (void)
{
  Scene scene;

  scene_open (&scene);
  g_assert_cmpint (n_hatch_lines (&scene, 1.0, 0.0), ==, 5);
  g_assert_cmpint (n_hatch_lines (&scene, 3.0, 1.0), ==, 5);
  g_assert_cmpint (n_hatch_lines (&scene, 1.0, 2.0), ==, 3);
  scene_close (&scene);
}

typedef void (*SetBackground) (Scene *scene, int n_columns);

/* The first columns of voxels were set by hand, be it to background, by codes … */
static void
set_background_codes (Scene *scene, int n_columns)
{
  const VolumeBox box = { { 0, 0, 0 }, { NX, NY, NZ } };
  guint8 codes[NX * NY * NZ];
  g_autoptr (GBytes) bytes = NULL;

  for (int v = 0; v < NX * NY * NZ; v++)
    codes[v] = v % NX < n_columns ? VOLUME_PROVENANCE_HAND : VOLUME_PROVENANCE_NONE;
  bytes = g_bytes_new (codes, sizeof codes);
  render_labels_set_provenance (scene->labels, &box, bytes);
}

static void
apply_columns (VolumeLabelMap *map, int n_columns, guint16 label, guint32 id)
{
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;

  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      volume_edit_builder_set_run (builder, 0, j, k, n_columns, label);
  edit = volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "test", &error);
  g_assert_no_error (error);
  volume_label_map_apply_edit (map, edit, &error);
  g_assert_no_error (error);
}

/* … and by edits: drawn, then erased. */
static void
set_background_edits (Scene *scene, int n_columns)
{
  const guint32 pairs[4] = { 7, VOLUME_PROVENANCE_HAND, 70007, VOLUME_PROVENANCE_HAND };
  g_autoptr (GBytes) edits = g_bytes_new (pairs, sizeof pairs);
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, &error);
  g_autoptr (VolumeLabelSnapshot) snapshot = NULL;

  g_assert_no_error (error);
  if (n_columns > 0)
    {
      apply_columns (map, n_columns, 1, 7);
      apply_columns (map, n_columns, 0, 70007);
    }
  snapshot = volume_label_map_snapshot (map, &error);
  g_assert_no_error (error);
  render_labels_set_origins (scene->labels, snapshot, edits, NULL);
}

static void
assert_hatch (RenderFrame *plain, RenderFrame *hatched, int n_columns)
{
  int n_pixels = 0, n_lines = 0;

  for (int y = 0; y < NY * PX; y++)
    for (int x = 0; x < NX * PX; x++)
      {
        const int i = NX - 1 - x / PX, j = NY - 1 - y / PX;
        const gboolean unlabelled = i >= n_columns && block (i, j) == 0;
        const gboolean is_line = hatch_changes (hatched, plain, x, y);

        if (!unlabelled)
          g_assert_false (is_line);
        n_pixels += unlabelled;
        n_lines += is_line;
      }
  g_assert_cmpint (n_lines, >, n_pixels / 14);
  g_assert_cmpint (n_lines, <, n_pixels / 7);
}

/* Unlabelled is hatched; background that somebody set, and labels, are not (I3). What was
 * unlabelled before and is not now is seen at once, and the other way round. */
static void
check_hatch (SetBackground set_background)
{
  g_autoptr (RenderFrame) plain = NULL;
  Scene scene;

  scene_open (&scene);
  set_labels (scene.labels, block);
  plain = scene_draw (&scene);
  scene.params.hatch_unlabelled = TRUE;
  for (int turn = 0; turn < 3; turn++)
    {
      const int n_columns = turn == 0 ? 2 : turn == 1 ? 4 : 0;
      g_autoptr (RenderFrame) hatched = NULL;

      set_background (&scene, n_columns);
      hatched = scene_draw (&scene);
      assert_hatch (plain, hatched, n_columns);
    }
  g_clear_pointer (&plain, render_frame_unref);
  scene_close (&scene);
}

static void
test_hatch (void)
{
  check_hatch (set_background_codes);
}

static void
test_hatch_of_edits (void)
{
  check_hatch (set_background_edits);
}

static void
test_provenance (void)
{
  const VolumeBox box = { { 2, 3, SLICE }, { 8, 4, SLICE + 1 } };
  const guint8 codes[6] = { 0, 1, 2, 3, 4, 5 };
  g_autoptr (GBytes) bytes = g_bytes_new (codes, sizeof codes);
  g_autoptr (RenderFrame) plain = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  Scene scene;

  scene_open (&scene);
  plain = scene_draw (&scene);
  render_labels_set_provenance (scene.labels, &box, bytes);
  scene.params.provenance_opacity = 1.0;
  frame = scene_draw (&scene);
  for (int a = 0; a < 6; a++)
    {
      const guint8 *rgba = voxel_pixel (frame, 2 + a, 3);

      if (a == 0)
        g_assert_cmpmem (rgba, 4, voxel_pixel (plain, 2, 3), 4);
      for (int b = 0; b < a; b++) /* told apart from one another */
        {
          const guint8 *other = voxel_pixel (frame, 2 + b, 3);

          g_assert_cmpint (ABS (rgba[0] - other[0]) + ABS (rgba[1] - other[1])
                               + ABS (rgba[2] - other[2]),
                           >, 60);
        }
    }
  g_assert_cmpmem (voxel_pixel (frame, 5, 5), 4, voxel_pixel (plain, 5, 5), 4);
  g_clear_pointer (&plain, render_frame_unref);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

static guint16
left_part (int i, int j)
{
  return i < 5 ? 1 : 0;
}

static guint16
right_part (int i, int j)
{
  return i >= 3 ? (j < 5 ? 1 : 2) : 0;
}

static void
test_comparison (void)
{
  static const double blue[3] = { 0.0, 0.45, 0.70 }, orange[3] = { 0.90, 0.62, 0.0 };
  static const double purple[3] = { 0.80, 0.47, 0.65 }, green[3] = { 0.0, 0.62, 0.45 };
  g_autoptr (RenderFrame) frame = NULL;
  RenderLabels *other;
  Scene scene;

  scene_open (&scene);
  other = render_labels_new (scene.device, size);
  set_labels (scene.labels, left_part);
  set_labels (other, right_part);
  scene.params.compare = other;
  scene.params.label_opacity = 1.0;
  frame = scene_draw (&scene);
  for (int j = 0; j < NY; j++)
    for (int i = 0; i < NX; i++)
      {
        const guint16 a = left_part (i, j), b = right_part (i, j);
        const double *ink = a == b ? green : b == 0 ? blue : a == 0 ? orange : purple;

        assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), ink,
                       a == b ? (a != 0 ? 0.35 : 0.0) : 1.0);
      }
  g_clear_pointer (&frame, render_frame_unref);
  render_labels_unref (other);
  scene_close (&scene);
}

static void
test_field (void)
{
  const VolumeBox box = { { 1, 1, SLICE }, { 9, 8, SLICE + 1 } };
  float values[8 * 7];
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (RenderFrame) plain = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  RenderField *field;
  Scene scene;

  for (int v = 0; v < 8 * 7; v++)
    values[v] = 0.3f + (float) v * 0.01f;
  values[3 * 8 + 4] = NAN;
  bytes = g_bytes_new (values, sizeof values);
  scene_open (&scene);
  scene.params.labels = NULL;
  plain = scene_draw (&scene);
  field = render_field_new (scene.device, &box, bytes);
  scene.params.field = field;
  scene.params.field_max = 1.0;
  scene.params.field_opacity = 0.6;
  scene.params.field_colour_map = RENDER_COLOUR_MAP_LAGOON;
  scene.params.width = NX * 11; /* odd: a pixel's centre is the voxel's */
  scene.params.height = NY * 11;
  frame = scene_draw (&scene);
  for (int j = 0; j < NY; j++)
    for (int i = 0; i < NX; i++)
      {
        const guint8 *rgba = pixel (frame, (NX - 1 - i) * 11 + 5, (NY - 1 - j) * 11 + 5);
        const gboolean inside = i >= 1 && i < 9 && j >= 1 && j < 8;
        const float value = inside ? values[(j - 1) * 8 + i - 1] : NAN;
        float rgb[3] = { 0 };
        double ink[3];

        if (isfinite (value))
          render_colour_map_get (RENDER_COLOUR_MAP_LAGOON, value, rgb);
        for (int c = 0; c < 3; c++)
          ink[c] = rgb[c];
        assert_colour (rgba, grey_at (i, j), ink, isfinite (value) ? 0.6 : 0.0);
      }
  g_clear_pointer (&plain, render_frame_unref);
  g_clear_pointer (&frame, render_frame_unref);
  render_field_unref (field);
  scene_close (&scene);
}

/* --- edits --- */

/* After every one of many strokes the very next frame shows it, from a dirty box alone. */
static void
test_never_stale (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  VolumeLabelMap *map = volume_label_map_new (size, NULL);
  Scene scene;

  scene_open (&scene);
  scene.params.label_style = RENDER_LABEL_STYLE_FILL;
  scene.params.label_opacity = 1.0;
  for (guint32 stroke = 1; stroke <= 60; stroke++)
    {
      const guint64 version = volume_label_map_get_version (map);
      g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
      g_autoptr (VolumeEdit) edit = NULL;
      g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
      g_autoptr (RenderFrame) frame = NULL;
      g_autoptr (GError) error = NULL;
      const guint16 ids[] = { 0, 1, 2, 255, 256, 300, 65535 };
      /* the wide ones come late: the texture grows under way */
      const guint16 id = ids[g_rand_int_range (rand, 0, stroke < 30 ? 4 : 7)];
      VolumeBox dirty;

      for (int v = 0; v < 6; v++)
        volume_edit_builder_set (builder, g_rand_int_range (rand, 0, NX),
                                 g_rand_int_range (rand, 0, NY), SLICE, id);
      edit = volume_edit_builder_end (builder, stroke, VOLUME_PROVENANCE_HAND, "brush", NULL);
      g_assert_true (volume_label_map_apply_edit (map, edit, &error));
      dirty = volume_label_map_get_dirty_box (map, version);
      snapshot = volume_label_map_snapshot (map, NULL);
      render_labels_update (scene.labels, snapshot, stroke == 1 ? NULL : &dirty);
      frame = scene_draw (&scene);
      for (int j = 0; j < NY; j++)
        for (int i = 0; i < NX; i++)
          {
            const guint16 label = volume_label_map_get (map, i, j, SLICE);
            double ink[3] = { 0 };

            if (label != 0)
              palette_ink (label, ink);
            assert_colour (voxel_pixel (frame, i, j), grey_at (i, j), ink, label != 0);
          }
    }
  volume_label_map_unref (map);
  scene_close (&scene);
}

static guint16
many (int i, int j)
{
  return (guint16) (j * 5461 + i * 455 + 1);
}

static void
test_many_labels (void)
{
  g_autoptr (RenderFrame) frame = NULL;
  Scene scene;

  scene_open (&scene);
  set_labels (scene.labels, many);
  scene.params.label_style = RENDER_LABEL_STYLE_FILL;
  scene.params.label_opacity = 1.0;
  frame = scene_draw (&scene);
  for (int j = 0; j < NY; j++)
    for (int i = 0; i < NX; i++)
      {
        double ink[3];

        palette_ink (many (i, j), ink);
        assert_colour (voxel_pixel (frame, i, j), 0.0, ink, 1.0);
      }
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

/* --- marks --- */

/* How far the picture with marks differs from the one without, at a point in voxels. */
static int
marked (Scene *scene, RenderFrame *plain, RenderFrame *frame, double i, double j)
{
  RenderSliceView view;
  double x, y;
  const guint8 *a, *b;

  render_slice_view_init (&view, volume_scan_get_geometry (scene->volume), &scene->params.placement,
                          scene->params.width, scene->params.height);
  render_slice_view_ijk_to_pixel (&view, (double[3]){ i, j, SLICE }, &x, &y, NULL);
  a = pixel (plain, (int) floor (x), (int) floor (y));
  b = pixel (frame, (int) floor (x), (int) floor (y));
  return ABS (a[0] - b[0]) + ABS (a[1] - b[1]) + ABS (a[2] - b[2]);
}

static void
test_marks (void)
{
  g_autoptr (RenderMarks) marks = render_marks_new ();
  g_autoptr (VolumePrompt) prompt = volume_prompt_new (VOLUME_PLANE_AXIAL, SLICE);
  const VolumeBox box = { { 2, 5, 0 }, { 6, 9, 3 } };
  const VolumeBox elsewhere = { { 7, 0, 2 }, { 11, 3, 3 } };
  const RenderPen pen = { .rgba = { 1.0f, 0.0f, 1.0f, 1.0f }, .width_px = 3.0f };
  g_autoptr (RenderFrame) plain = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  Scene scene;

  scene_open (&scene);
  scene.params.width = NX * 41;
  scene.params.height = NY * 41;
  plain = scene_draw (&scene);
  render_marks_add_crosshair (marks, (double[3]){ 9, 2, SLICE }, 8.0, (RenderPen[2]){ pen, pen });
  render_marks_add_box (marks, &box, &pen);
  render_marks_add_box (marks, &elsewhere, &pen);
  render_marks_add_brush (marks, (double[3]){ 4, 2, SLICE }, 1.5, &pen);
  volume_prompt_add_point (prompt, (double[3]){ 10, 8, SLICE }, VOLUME_PROMPT_POSITIVE);
  volume_prompt_add_point (prompt, (double[3]){ 7.5, 8, SLICE }, VOLUME_PROMPT_NEGATIVE);
  volume_prompt_add_point (prompt, (double[3]){ 1, 7, SLICE + 1 }, VOLUME_PROMPT_NEGATIVE);
  render_marks_add_prompt (marks, prompt);
  scene.params.marks = marks;
  frame = scene_draw (&scene);

  g_assert_cmpint (marked (&scene, plain, frame, 9, 5), >, 60); /* crosshair up and down */
  g_assert_cmpint (marked (&scene, plain, frame, 7, 2), >, 60); /* and left and right */
  g_assert_cmpint (marked (&scene, plain, frame, 9, 2), ==, 0); /* its open middle */
  g_assert_cmpint (marked (&scene, plain, frame, 9.3, 5), ==, 0); /* beside it */
  g_assert_cmpint (marked (&scene, plain, frame, 1.5, 7), >, 60); /* the box's edges */
  g_assert_cmpint (marked (&scene, plain, frame, 5.5, 7), >, 60);
  g_assert_cmpint (marked (&scene, plain, frame, 3, 4.5), >, 60);
  g_assert_cmpint (marked (&scene, plain, frame, 3, 8.5), >, 60);
  g_assert_cmpint (marked (&scene, plain, frame, 3, 7), ==, 0);
  g_assert_cmpint (marked (&scene, plain, frame, 7, 1), ==, 0); /* a box of another slice */
  g_assert_cmpint (marked (&scene, plain, frame, 4, 0.5), >, 60); /* the brush */
  g_assert_cmpint (marked (&scene, plain, frame, 4 + 1.0607, 2 + 1.0607), >, 60);
  g_assert_cmpint (marked (&scene, plain, frame, 4.5, 1.5), ==, 0);
  g_assert_cmpint (marked (&scene, plain, frame, 10, 8), >, 60); /* prompt points */
  g_assert_cmpint (marked (&scene, plain, frame, 7.5, 8), >, 60);
  g_assert_cmpint (marked (&scene, plain, frame, 1, 7), ==, 0); /* of another slice */
  g_clear_pointer (&plain, render_frame_unref);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

/* A box cut along the diagonal of its base, and through the corner that cuts a hexagon. */
static void
test_oblique_box (void)
{
  static const struct
  {
    double right[3], down[3];
  } planes[] = { { { -M_SQRT1_2, -M_SQRT1_2, 0 }, { 0, 0, -1 } },
                 { { -M_SQRT1_2, M_SQRT1_2, 0 }, { -0.408248, -0.408248, 0.816497 } } };
  const RenderPen pen = { .rgba = { 1.0f, 0.0f, 1.0f, 1.0f }, .width_px = 2.0f };
  const VolumeBox box = { { 3, 3, -4 }, { 9, 9, 2 } }; /* a cube of 6 voxels about 5.5, 5.5, −1.5 */
  Scene scene;

  scene_open (&scene);
  for (gsize p = 0; p < G_N_ELEMENTS (planes); p++)
    {
      g_autoptr (RenderMarks) marks = render_marks_new ();
      g_autoptr (RenderFrame) plain = NULL, frame = NULL;
      RenderSlicePlacement *placement = &scene.params.placement;
      RenderSliceView view;

      *placement = (RenderSlicePlacement){ .oblique = TRUE, .centre_ras = { 5.5, 5.5, -1.5 } };
      memcpy (placement->right_ras, planes[p].right, sizeof planes[p].right);
      memcpy (placement->down_ras, planes[p].down, sizeof planes[p].down);
      scene.params.width = scene.params.height = 200;
      scene.params.marks = NULL;
      plain = scene_draw (&scene);
      render_marks_add_box (marks, &box, &pen);
      scene.params.marks = marks;
      frame = scene_draw (&scene);
      render_slice_view_init (&view, volume_scan_get_geometry (scene.volume), placement, 200, 200);
      for (int y = 0; y < 200; y++)
        for (int x = 0; x < 200; x++)
          {
            const double dx = (x + 0.5 - 100.0) / view.px_per_mm;
            const double dy = (y + 0.5 - 100.0) / view.px_per_mm;
            const guint8 *a = pixel (plain, x, y), *b = pixel (frame, x, y);
            double reach = 0.0; /* of the point in the cube: 3 on its faces */

            for (int c = 0; c < 3; c++)
              reach = fmax (reach, fabs (dx * planes[p].right[c] + dy * planes[p].down[c]));
            if (fabs (reach - 3.0) * view.px_per_mm < 0.4)
              g_assert_cmpint (ABS (a[0] - b[0]) + ABS (a[1] - b[1]) + ABS (a[2] - b[2]), >, 60);
            if (fabs (reach - 3.0) * view.px_per_mm > 4.5)
              g_assert_cmpmem (a, 4, b, 4);
          }
    }
  scene_close (&scene);
}

static void
test_plane_lines (void)
{
  g_autoptr (RenderMarks) marks = render_marks_new ();
  const RenderPen pen = { .rgba = { 1.0f, 0.0f, 1.0f, 1.0f }, .width_px = 3.0f };
  g_autoptr (RenderFrame) plain = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  Scene scene;

  scene_open (&scene);
  plain = scene_draw (&scene);
  render_marks_add_plane_line (marks, VOLUME_PLANE_CORONAL, 6, &pen);
  render_marks_add_plane_line (marks, VOLUME_PLANE_SAGITTAL, 2, &pen);
  render_marks_add_plane_line (marks, VOLUME_PLANE_AXIAL, 1, &pen);
  scene.params.marks = marks;
  frame = scene_draw (&scene);
  for (int n = 0; n < NX; n++)
    if (n != 2)
      {
        g_assert_cmpint (marked (&scene, plain, frame, n, 6), >, 60);
        g_assert_cmpint (marked (&scene, plain, frame, n, 4), ==, 0);
      }
  for (int n = 0; n < NY; n++)
    g_assert_cmpint (marked (&scene, plain, frame, 2, n), >, 60);
  g_clear_pointer (&plain, render_frame_unref);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

/* --- colour maps --- */

static double
to_linear (double v)
{
  return v <= 0.04045 ? v / 12.92 : pow ((v + 0.055) / 1.055, 2.4);
}

/* Oklab's lightness of an sRGB colour, by the paper's forward matrices. */
static double
lightness (const float rgb[3])
{
  const double r = to_linear (rgb[0]), g = to_linear (rgb[1]), b = to_linear (rgb[2]);

  return 0.2104542553 * cbrt (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
         + 0.7936177850 * cbrt (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
         - 0.0040720468 * cbrt (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

static void
test_colour_maps (void)
{
  static const RenderColourMap uniform[] = { RENDER_COLOUR_MAP_EMBER, RENDER_COLOUR_MAP_LAGOON };
  Scene scene;

  for (gsize m = 0; m < G_N_ELEMENTS (uniform); m++)
    {
      float first[3], last[3];
      double step;

      render_colour_map_get (uniform[m], 0.0, first);
      render_colour_map_get (uniform[m], 1.0, last);
      step = (lightness (last) - lightness (first)) / 64.0;
      g_assert_cmpfloat (step * 64.0, >, 0.6);
      for (int n = 1; n <= 64; n++)
        {
          float a[3], b[3];

          render_colour_map_get (uniform[m], (n - 1) / 64.0, a);
          render_colour_map_get (uniform[m], n / 64.0, b);
          g_assert_cmpfloat_with_epsilon (lightness (b) - lightness (a), step, 0.08 * step);
        }
    }
  scene_open (&scene);
  for (int map = 0; map < RENDER_N_COLOUR_MAPS; map++)
    {
      g_autoptr (RenderFrame) frame = NULL;
      RenderColourMap found;

      g_assert_true (
          render_colour_map_from_name (render_colour_map_get_name ((RenderColourMap) map), &found));
      g_assert_cmpint (found, ==, map);
      scene.params.colour_map = (RenderColourMap) map;
      frame = scene_draw (&scene);
      for (int j = 0; j < NY; j++)
        for (int i = 0; i < NX; i++)
          {
            float rgb[3];

            render_colour_map_get ((RenderColourMap) map, grey_at (i, j), rgb);
            for (int c = 0; c < 3; c++)
              g_assert_cmpfloat (fabs (voxel_pixel (frame, i, j)[c] - 255.0 * rgb[c]), <=, 2.0);
          }
    }
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!fixture_is_possible ())
    return 77;
  fixture_add ("/render/overlays/fill", test_fill);
  fixture_add ("/render/overlays/look", test_look);
  fixture_add ("/render/overlays/outline", test_outline);
  fixture_add ("/render/overlays/hatch", test_hatch);
  fixture_add ("/render/overlays/hatch-of-edits", test_hatch_of_edits);
  fixture_add ("/render/overlays/hatch-width", test_hatch_width);
  fixture_add ("/render/overlays/provenance", test_provenance);
  fixture_add ("/render/overlays/comparison", test_comparison);
  fixture_add ("/render/overlays/field", test_field);
  fixture_add ("/render/overlays/never-stale", test_never_stale);
  fixture_add ("/render/overlays/many-labels", test_many_labels);
  fixture_add ("/render/overlays/marks", test_marks);
  fixture_add ("/render/overlays/oblique-box", test_oblique_box);
  fixture_add ("/render/overlays/plane-lines", test_plane_lines);
  fixture_add ("/render/overlays/colour-maps", test_colour_maps);
  return g_test_run ();
}
