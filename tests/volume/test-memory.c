/* SPDX-License-Identifier: Apache-2.0 */

/* Each part of volume/ that asks for memory of a size data decide does its work while the n-th
 * request is refused, for n = 1, 2, … until none is left to refuse: every time one clear error,
 * nothing changed, nothing leaked (under the sanitizers), and once more with all memory the work is
 * done. */

#include "volume/components.h"
#include "volume/distance.h"
#include "volume/label-map.h"
#include "volume/memory.h"
#include "volume/metrics.h"
#include "volume/nifti-write.h"
#include "volume/phantom.h"
#include "volume/picture.h"
#include "volume/scan.h"
#include "volume/statistics.h"
#include "volume/tool-livewire.h"
#include "volume/tool-polygon.h"
#include "volume/tool-region.h"
#include "volume/tool-shape.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIDE 40

/* TRUE and no error, or FALSE and an error. */
typedef gboolean (*Work) (gpointer data, GError **error);

/* Returns how many requests the work makes. */
static int
drill (Work work, gpointer data)
{
  for (int n = 1;; n++)
    {
      g_autoptr (GError) error = NULL;
      gboolean done;
      int n_refused;

      volume_memory_refuse (n, 1);
      done = work (data, &error);
      n_refused = volume_memory_get_n_refused ();
      volume_memory_refuse (0, 0);
      if (n_refused == 0)
        {
          g_assert_no_error (error);
          g_assert_true (done);
          return n - 1;
        }
      g_assert_false (done);
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE);
      g_assert_nonnull (strstr (error->message, "memory"));
      g_assert_null (strchr (error->message, '\n'));
      g_assert_cmpint (n, <, 100000);
    }
}

/* Something with memory of its own, lots of labels and edits, and both widths of tiles. */
static VolumeLabelMap *
make_map (int seed)
{
  const int size[3] = { SIDE, SIDE, SIDE };
  VolumeLabelMap *map = volume_label_map_new (size, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (guint32 id = 1; id < 300; id++)
    {
      g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
      g_autoptr (VolumeEdit) edit = NULL;

      for (int n = 0; n < 4; n++)
        volume_edit_builder_set_run (
            builder, g_rand_int_range (rand, 0, SIDE), g_rand_int_range (rand, 0, SIDE),
            g_rand_int_range (rand, 0, SIDE), 9, g_rand_int_range (rand, 0, id < 200 ? 9 : 400));
      edit = volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "test", NULL);
      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
    }
  return map;
}

static GBytes *
bytes_of (const VolumeLabelMap *map)
{
  g_autoptr (VolumeEdit) content = volume_edit_new_from_map (map, NULL);

  return volume_edit_serialize (content, NULL);
}

static VolumeScan *
make_scan (void)
{
  const VolumePhantomParams params = { .seed = 3, .size = { SIDE, SIDE, SIDE }, .n_organs = 2 };

  return volume_phantom_create (&params, NULL, NULL);
}

static VolumeSliceRaster
make_raster (const VolumeGeometry *geometry)
{
  VolumeSliceRaster raster;

  g_assert_true (volume_slice_raster_init (&raster, geometry, VOLUME_PLANE_AXIAL, SIDE / 2));
  return raster;
}

/* Label maps */

typedef struct
{
  VolumeLabelMap *map;
  VolumeLabelSnapshot *snapshot; /* so that every tile has to be copied */
  VolumeEdit *edit;
  gboolean back;
} Change;

static gboolean
change_map (gpointer data, GError **error)
{
  Change *change = data;
  gsize counts_before[G_MAXUINT16 + 1];
  guint64 version = volume_label_map_get_version (change->map);
  gboolean done;

  memcpy (counts_before, volume_label_map_get_counts (change->map), sizeof counts_before);
  if (change->back)
    done = volume_label_map_revert_edit (change->map, change->edit, error);
  else
    done = volume_label_map_apply_edit (change->map, change->edit, error);
  if (!done)
    {
      volume_memory_refuse (0, 0);
      g_assert_cmpmem (counts_before, sizeof counts_before,
                       volume_label_map_get_counts (change->map), sizeof counts_before);
      g_assert_cmpuint (volume_label_map_get_version (change->map), ==, version);
    }
  return done;
}

/* Returns how many requests were refused before it went through. Tiles that were made for a change
 * that failed stay, empty, so that the next try asks for fewer. */
static int
drill_change (Change *change)
{
  for (int n = 1;; n++)
    {
      g_autoptr (GBytes) before = bytes_of (change->map);
      g_autoptr (GBytes) after = NULL;
      g_autoptr (GError) error = NULL;
      gboolean done;
      int n_refused;

      /* From the n-th on nothing more is given: taking back needs none. */
      volume_memory_refuse (n, G_MAXINT);
      done = change_map (change, &error);
      n_refused = volume_memory_get_n_refused ();
      volume_memory_refuse (0, 0);
      after = bytes_of (change->map);
      if (done)
        {
          g_assert_false (g_bytes_equal (before, after));
          return n - 1;
        }
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE);
      g_assert_cmpint (n_refused, ==, 0); /* reset when the failure was looked at */
      g_assert_true (g_bytes_equal (before, after));
    }
}

static void
test_label_map (void)
{
  g_autoptr (VolumeLabelMap) map = make_map (1);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
  g_autoptr (VolumeLabelSnapshot) another = NULL;
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GBytes) start = bytes_of (map);
  g_autoptr (GBytes) end = NULL;
  Change change = { .map = map };

  for (int k = 0; k < SIDE; k++)
    for (int j = 0; j < SIDE; j += 3)
      volume_edit_builder_set_run (builder, 0, j, k, SIDE, j < 20 ? 7 : 300 + j);
  change.edit = edit = volume_edit_builder_end (builder, 1000, VOLUME_PROVENANCE_HAND, "t", NULL);
  snapshot = volume_label_map_snapshot (map, NULL);
  g_assert_cmpint (drill_change (&change), >, 3);
  another = volume_label_map_snapshot (map, NULL);
  change.back = TRUE;
  g_assert_cmpint (drill_change (&change), >, 3);
  end = bytes_of (map);
  g_assert_true (g_bytes_equal (start, end));
}

/* On a map that has nothing yet, with labels and ids that fill a tile's palette while it is
 * written.
 */
static void
test_new_tiles (void)
{
  const int size[3] = { 70, 33, 5 };
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  VolumeEditRun runs[600];
  Change change = { .map = map };

  for (int r = 0; r < 600; r++)
    runs[r] = (VolumeEditRun){ .i = r % 60,
                               .j = r / 60 * 2,
                               .k = 2,
                               .length = 1,
                               .after = 1 + r % 280,
                               .after_edit_id = 10 + r };
  change.edit = edit =
      volume_edit_new_from_runs (0, VOLUME_PROVENANCE_NONE, "test", runs, 600, NULL);
  g_assert_cmpint (drill_change (&change), >, 3);
  for (int r = 0; r < 600; r++)
    {
      g_assert_cmpint (volume_label_map_get (map, runs[r].i, runs[r].j, 2), ==, runs[r].after);
      g_assert_cmpint (volume_label_map_get_edit_id (map, runs[r].i, runs[r].j, 2), ==, 10 + r);
    }
  change.back = TRUE;
  g_assert_cmpint (drill_change (&change), ==, 0); /* the tiles are the map's own and wide */
  g_assert_cmpuint (volume_label_map_get_counts (map)[0], ==, 70 * 33 * 5);
}

static gboolean
make_and_snapshot (gpointer data, GError **error)
{
  const int size[3] = { 100, 100, 100 };
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, error);
  g_autoptr (VolumeLabelSnapshot) snapshot =
      map != NULL ? volume_label_map_snapshot (map, error) : NULL;

  return snapshot != NULL;
}

/* Edits */

static gboolean
go_round (gpointer data, GError **error)
{
  VolumeLabelMap *map = data;
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) drawn = NULL;
  g_autoptr (VolumeEdit) content = NULL;
  g_autoptr (VolumeEdit) again = NULL;
  g_autoptr (VolumeEdit) opposite = NULL;
  g_autoptr (GBytes) bytes = NULL;
  const int size[3] = { SIDE, SIDE, SIDE };

  for (int k = 0; k < SIDE; k++)
    volume_edit_builder_set_run (builder, 3, k, k, 20, 4);
  drawn = volume_edit_builder_end (builder, 2000, VOLUME_PROVENANCE_HAND, "test", error);
  if (drawn == NULL)
    return FALSE;
  content = volume_edit_new_from_map (map, error);
  if (content == NULL)
    return FALSE;
  bytes = volume_edit_serialize (content, error);
  if (bytes == NULL)
    return FALSE;
  again = volume_edit_deserialize (bytes, size, error);
  if (again == NULL)
    return FALSE;
  opposite = volume_edit_new_selective_revert (map, again, 2001, error);
  return opposite != NULL;
}

/* A builder that was refused once gives no half edit later. */
static void
test_half_gesture (void)
{
  g_autoptr (VolumeLabelMap) map = make_map (2);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;

  volume_edit_builder_set (builder, 1, 1, 1, 5);
  volume_memory_refuse (1, 1);
  volume_edit_builder_set (builder, 39, 39, 39, 5);
  volume_memory_refuse (0, 0);
  volume_edit_builder_set (builder, 2, 1, 1, 5);
  edit = volume_edit_builder_end (builder, 3000, VOLUME_PROVENANCE_HAND, "test", &error);
  g_assert_null (edit);
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE);
}

/* Numbers */

static gboolean
measure (gpointer data, GError **error)
{
  static guint8 pred[SIDE * SIDE * SIDE], truth[SIDE * SIDE * SIDE];
  static guint32 components[SIDE * SIDE * SIDE];
  static float squared[SIDE * SIDE * SIDE];
  const int size[3] = { SIDE, SIDE, SIDE };
  const double spacing[3] = { 1, 1, 2 };
  g_autofree gsize *counts = NULL;
  VolumeMetrics metrics;
  gsize n_filled;
  guint32 n;

  for (gsize v = 0; v < G_N_ELEMENTS (pred); v++)
    {
      pred[v] = v % 7 < 3;
      truth[v] = v % 11 < 4;
    }
  return volume_metrics_compute (pred, truth, size, spacing, &metrics, error)
         && volume_components_label (pred, size, VOLUME_CONNECT_FACES, components, &counts, &n,
                                     error)
         && volume_components_fill_holes (pred, size, &n_filled, error)
         && volume_distance_squared (truth, size, spacing, squared, error);
}

typedef struct
{
  VolumeScan *scan;
  VolumeLabelMap *map;
  VolumeLabelSnapshot *snapshot;
  const char *folder;
} World;

static gboolean
count_statistics (gpointer data, GError **error)
{
  World *world = data;
  g_autoptr (GArray) results = volume_statistics_compute (world->scan, world->snapshot, error);

  return results != NULL;
}

/* Tools */

static gboolean
look_at_scan (gpointer data, GError **error)
{
  World *world = data;
  const VolumeGeometry *geometry = volume_scan_get_geometry (world->scan);
  const VolumeSliceRaster raster = make_raster (geometry);
  const VolumeBox all = volume_box_of_grid (geometry->size);
  const int seed[3] = { SIDE / 2, SIDE / 2, SIDE / 2 };
  g_autoptr (VolumeMask) flooded = NULL;
  g_autoptr (VolumeMask) level = NULL;
  g_autoptr (VolumeLivewire) wire = NULL;

  level = volume_tool_threshold (world->scan, 0, 500, &all, error);
  if (level == NULL)
    return FALSE;
  flooded = volume_tool_flood (world->scan, seed, 0, 32000, &all, NULL, error);
  if (flooded == NULL)
    return FALSE;
  wire = volume_livewire_new (world->scan, &raster, error);
  return wire != NULL;
}

typedef void (*Tool) (VolumeEditBuilder *builder, World *world);

static void
use_polygon (VolumeEditBuilder *builder, World *world)
{
  const VolumeSliceRaster raster = make_raster (volume_scan_get_geometry (world->scan));
  const double points[3][2] = { { 2, 2 }, { 30, 5 }, { 8, 33 } };

  volume_tool_polygon (builder, &raster, points, 3, 5);
}

static void
use_bucket (VolumeEditBuilder *builder, World *world)
{
  const VolumeSliceRaster raster = make_raster (volume_scan_get_geometry (world->scan));

  g_assert_true (volume_tool_bucket (builder, &raster, world->map, 20, 20, 5));
}

static void
use_smooth (VolumeEditBuilder *builder, World *world)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (world->scan);
  const VolumeBox all = volume_box_of_grid (geometry->size);

  volume_tool_smooth (builder, geometry, world->map, &all, 2, 3);
}

static void
use_islands (VolumeEditBuilder *builder, World *world)
{
  const VolumeBox all = volume_box_of_grid (volume_scan_get_geometry (world->scan)->size);

  volume_tool_remove_islands (builder, world->map, &all, VOLUME_CONNECT_FACES, G_MAXSIZE, 3);
}

static void
use_holes (VolumeEditBuilder *builder, World *world)
{
  const VolumeBox all = volume_box_of_grid (volume_scan_get_geometry (world->scan)->size);

  volume_tool_fill_holes (builder, world->map, &all, 3);
}

static void
use_interpolate (VolumeEditBuilder *builder, World *world)
{
  g_assert_true (volume_tool_interpolate (builder, volume_scan_get_geometry (world->scan),
                                          world->map, VOLUME_PLANE_AXIAL, 4, 12, 3));
}

static void
use_copy (VolumeEditBuilder *builder, World *world)
{
  const VolumeSliceRaster raster = make_raster (volume_scan_get_geometry (world->scan));

  g_assert_true (volume_tool_copy_slice (builder, &raster, world->map, 3, 0));
}

static const struct
{
  const char *name;
  Tool use;
  int least; /* requests */
} tools[] = {
  { "polygon", use_polygon, 3 },         { "bucket", use_bucket, 5 }, { "smooth", use_smooth, 8 },
  { "islands", use_islands, 8 },         { "holes", use_holes, 8 },   { "copy", use_copy, 3 },
  { "interpolate", use_interpolate, 20 }
};

typedef struct
{
  World *world;
  Tool use;
} Use;

static gboolean
use_tool (gpointer data, GError **error)
{
  Use *use = data;
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (use->world->map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;

  use->use (builder, use->world);
  edit = volume_edit_builder_end (builder, 4000, VOLUME_PROVENANCE_HAND, "tool", error);
  return edit != NULL;
}

/* Files */

static gboolean
write_and_read (gpointer data, GError **error)
{
  World *world = data;
  g_autofree char *scan_path = NULL;
  g_autofree char *label_path = NULL;
  g_autofree char *path = g_build_filename (world->folder, "labels.nii.gz", NULL);
  g_autofree char *picture = g_build_filename (world->folder, "picture.png", NULL);
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (VolumeScan) again = NULL;
  g_autoptr (GBytes) rgb = NULL;
  const VolumePhantomParams params = { .seed = 3, .size = { 30, 20, 10 }, .n_organs = 1 };
  static const guint8 pixels[100 * 100 * 3];
  int width, height;

  if (!volume_phantom_write (&params, world->folder, &scan_path, &label_path, error)
      || !volume_nifti_write_snapshot (path, world->scan, world->snapshot, error)
      || !volume_picture_write_png (picture, pixels, 100, 100, 3, error))
    return FALSE;
  scan = volume_scan_load (scan_path, 0, error);
  if (scan == NULL)
    return FALSE;
  again = volume_scan_load (path, 0, error);
  if (again == NULL)
    return FALSE;
  rgb = volume_picture_load_rgb (picture, &width, &height, error);
  return rgb != NULL;
}

static gboolean
read_file (gpointer data, GError **error)
{
  g_autoptr (VolumeScan) scan = volume_scan_load (data, 0, error);

  return scan != NULL;
}

static void
test_files (gconstpointer data)
{
  static const char *const names[] = { "scan-1-int16.nii", "scan-1-int16.nii.gz",
                                       "scan-members.nii.gz", "scan.h5", "scan.png" };

  for (gsize n = 0; n < G_N_ELEMENTS (names); n++)
    {
      g_autofree char *path = g_build_filename (data, names[n], NULL);

      g_assert_cmpint (drill (read_file, path), >=, 1);
    }
}

static void
test_works (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-memory-XXXXXX", &error);
  g_autoptr (VolumeScan) scan = make_scan ();
  g_autoptr (VolumeLabelMap) map = make_map (3);
  g_autoptr (VolumeLabelSnapshot) snapshot = volume_label_map_snapshot (map, NULL);
  World world = { scan, map, snapshot, folder };
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_assert_no_error (error);
  g_assert_cmpint (drill (make_and_snapshot, NULL), ==, 2);
  g_assert_cmpint (drill (go_round, map), >, 8);
  g_assert_cmpint (drill (measure, NULL), >, 24);
  g_assert_cmpint (drill (count_statistics, &world), ==, 2);
  g_assert_cmpint (drill (look_at_scan, &world), >, 8);
  for (gsize t = 0; t < G_N_ELEMENTS (tools); t++)
    {
      Use use = { &world, tools[t].use };
      int n = drill (use_tool, &use);

      g_test_message ("%s: %d requests", tools[t].name, n);
      g_assert_cmpint (n, >=, tools[t].least);
    }
  g_assert_cmpint (drill (write_and_read, &world), >, 10);

  /* The failures left nothing behind. */
  dir = g_dir_open (folder, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_assert_true (g_str_has_suffix (name, ".nii.gz") || g_str_has_suffix (name, ".png"));
      g_remove (path);
    }
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/memory/label-map", test_label_map);
  g_test_add_func ("/volume/memory/new-tiles", test_new_tiles);
  g_test_add_func ("/volume/memory/half-gesture", test_half_gesture);
  g_test_add_func ("/volume/memory/works", test_works);
  g_test_add_data_func ("/volume/memory/files", g_getenv ("CROSSLABEL_CORPUS"), test_files);
  return g_test_run ();
}
