/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/thumbnails.h"

#include "app/flow-open.h"
#include "volume/picture.h"
#include "volume/slice-raster.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE_PX 52 /* as the list shows them */
#define FIRST_DELAY_MS 1500

struct _AppThumbnails
{
  DbStore *store;
  UiCaseList *list;
  GCancellable *cancellable;
  GQueue wanted; /* gint64 *, first come first served */
  guint source_id;
  gboolean busy;
};

/* What goes round the threads. @self is looked at on the main thread alone, and only while the
 * cancellable says that it is still there. */
typedef struct
{
  AppThumbnails *self;
  GCancellable *cancellable;
  DbCase *row;
  char *path;
  GdkTexture *texture;
} Errand;

static void next_errand (AppThumbnails *self);

static void
errand_free (gpointer data)
{
  Errand *errand = data;

  g_clear_object (&errand->texture);
  g_object_unref (errand->row);
  g_object_unref (errand->cancellable);
  g_free (errand->path);
  g_free (errand);
}

/* The middle axial slice, box-averaged into a square at its aspect in mm, black around. */
static guint8 *
draw (VolumeScan *scan)
{
  VolumeSliceRaster raster;
  g_autofree float *values = NULL;
  guint8 *grey = g_malloc0 (SIDE_PX * SIDE_PX);
  double centre, width, mm_per_px;
  int n_u, n_v;

  volume_slice_raster_init (&raster, volume_scan_get_geometry (scan), VOLUME_PLANE_AXIAL, 0);
  raster.index = raster.frame.n_slices / 2;
  n_u = raster.frame.n_u;
  n_v = raster.frame.n_v;
  values = g_new (float, (gsize) n_u *n_v);
  volume_scan_read_slice (scan, VOLUME_PLANE_AXIAL, raster.index, values);
  volume_scan_get_default_window (scan, &centre, &width);
  mm_per_px = MAX (n_u * raster.frame.du_mm, n_v * raster.frame.dv_mm) / SIDE_PX;

  for (int y = 0; y < SIDE_PX; y++)
    for (int x = 0; x < SIDE_PX; x++)
      {
        /* The pixel's borders in slice pixels, the slice's middle in the middle. */
        const double step_u = mm_per_px / raster.frame.du_mm;
        const double step_v = mm_per_px / raster.frame.dv_mm;
        const double u0 = n_u / 2.0 + (x - SIDE_PX / 2.0) * step_u;
        const double v0 = n_v / 2.0 + (y - SIDE_PX / 2.0) * step_v;
        const int first_u = (int) floor (u0), end_u = MAX ((int) floor (u0 + step_u), first_u + 1);
        const int first_v = (int) floor (v0), end_v = MAX ((int) floor (v0 + step_v), first_v + 1);
        double sum = 0;
        int n = 0;

        for (int v = MAX (first_v, 0); v < MIN (end_v, n_v); v++)
          for (int u = MAX (first_u, 0); u < MIN (end_u, n_u); u++)
            if (isfinite (values[u + (gsize) n_u * v]))
              {
                sum += values[u + (gsize) n_u * v];
                n++;
              }
        if (n > 0)
          grey[y * SIDE_PX + x] =
              (guint8) (255 * CLAMP ((sum / n - centre) / width + 0.5, 0, 1) + 0.5);
      }
  return grey;
}

static void
draw_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Errand *errand = data;
  VolumeScan *scan = g_object_get_data (G_OBJECT (task), "scan");
  g_autofree guint8 *grey = draw (scan);
  g_autoptr (GBytes) png = volume_picture_encode_png (grey, SIDE_PX, SIDE_PX, 1);
  g_autofree char *folder = g_path_get_dirname (errand->path);

  /* The cache is a convenience: a picture that cannot be kept is shown all the same. */
  if (png != NULL && g_mkdir_with_parents (folder, 0755) == 0)
    volume_picture_write_png (errand->path, grey, SIDE_PX, SIDE_PX, 1, NULL);
  g_task_return_pointer (task, png != NULL ? gdk_texture_new_from_bytes (png, NULL) : NULL,
                         g_object_unref);
}

/* On the main thread: hands the picture over, if anybody is still there, and goes on. */
static void
finish_errand (Errand *errand, GdkTexture *texture)
{
  AppThumbnails *self = errand->self;

  if (g_cancellable_is_cancelled (errand->cancellable))
    return;
  if (texture != NULL)
    ui_case_list_set_thumbnail (self->list, errand->row->id, GDK_PAINTABLE (texture));
  self->busy = FALSE;
  next_errand (self);
}

static void
drawn_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GdkTexture) texture = g_task_propagate_pointer (G_TASK (result), NULL);

  finish_errand (g_task_get_task_data (G_TASK (result)), texture);
}

static void
scan_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Errand *errand = user_data;
  VolumeScan *scan = app_flow_load_scan_finish (result, NULL);
  g_autoptr (GTask) task = NULL;

  if (scan == NULL || g_cancellable_is_cancelled (errand->cancellable))
    {
      finish_errand (errand, NULL);
      g_clear_pointer (&scan, volume_scan_unref);
      errand_free (errand);
      return;
    }
  task = g_task_new (NULL, NULL, drawn_cb, NULL);
  g_object_set_data_full (G_OBJECT (task), "scan", scan, (GDestroyNotify) volume_scan_unref);
  g_task_set_task_data (task, errand, errand_free);
  g_task_set_priority (task, G_PRIORITY_LOW);
  g_task_run_in_thread (task, draw_in_thread);
}

static void
look_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Errand *errand = data;

  g_task_return_pointer (task, gdk_texture_new_from_filename (errand->path, NULL), g_object_unref);
}

/* Kept from before, or to be made. */
static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Errand *errand = user_data;
  g_autoptr (GdkTexture) texture = g_task_propagate_pointer (G_TASK (result), NULL);

  if (texture != NULL || g_cancellable_is_cancelled (errand->cancellable))
    {
      finish_errand (errand, texture);
      errand_free (errand);
      return;
    }
  app_flow_load_scan_async (errand->self->store, errand->row, errand->cancellable, scan_loaded_cb,
                            errand);
}

static void
next_errand (AppThumbnails *self)
{
  g_autofree gint64 *id = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GTask) task = NULL;
  DbCase *row;
  Errand *errand;

  if (self->busy || self->source_id != 0)
    return;
  do
    {
      g_clear_pointer (&id, g_free);
      id = g_queue_pop_head (&self->wanted);
      row = id != NULL ? db_store_get_case (self->store, *id) : NULL;
    }
  while (id != NULL && (row == NULL || row->sha256 == NULL));
  if (id == NULL)
    return;

  errand = g_new0 (Errand, 1);
  errand->self = self;
  errand->cancellable = g_object_ref (self->cancellable);
  errand->row = g_object_ref (row);
  name = g_strdup_printf ("%s-%d.png", row->sha256, row->volume_index);
  errand->path =
      g_build_filename (db_store_get_path (self->store), "cache", "thumbnails", name, NULL);
  self->busy = TRUE;
  task = g_task_new (NULL, NULL, looked_cb, errand);
  g_task_set_task_data (task, errand, NULL);
  g_task_set_priority (task, G_PRIORITY_LOW);
  g_task_run_in_thread (task, look_in_thread);
}

static gboolean
begin_cb (gpointer data)
{
  AppThumbnails *self = data;

  self->source_id = 0;
  next_errand (self);
  return G_SOURCE_REMOVE;
}

static void
wanted_cb (AppThumbnails *self, gint64 id)
{
  g_queue_push_tail (&self->wanted, g_memdup2 (&id, sizeof id));
  next_errand (self);
}

AppThumbnails *
app_thumbnails_new (DbStore *store, UiCaseList *list)
{
  AppThumbnails *self = g_new0 (AppThumbnails, 1);

  self->store = g_object_ref (store);
  self->list = g_object_ref (list);
  self->cancellable = g_cancellable_new ();
  g_queue_init (&self->wanted);
  g_signal_connect_swapped (list, "thumbnail-wanted", G_CALLBACK (wanted_cb), self);
  self->source_id = g_timeout_add_full (G_PRIORITY_LOW, FIRST_DELAY_MS, begin_cb, self, NULL);
  return self;
}

void
app_thumbnails_free (AppThumbnails *self)
{
  if (self == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  g_signal_handlers_disconnect_by_data (self->list, self);
  g_clear_handle_id (&self->source_id, g_source_remove);
  g_queue_clear_full (&self->wanted, g_free);
  g_object_unref (self->cancellable);
  g_object_unref (self->list);
  g_object_unref (self->store);
  g_free (self);
}
