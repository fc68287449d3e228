/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "seg/tensor/context.h"

static void
device_free (gpointer data)
{
  seg_device_unref (data);
}

/* Closed when the engine thread ends, on that thread. */
static GPrivate current_device = G_PRIVATE_INIT (device_free);

SegDevice *
app_engine_get_device (GError **error)
{
  SegDevice *device = g_private_get (&current_device);

  if (device == NULL)
    {
      device = seg_device_open (g_getenv ("CROSSLABEL_DEVICE"), 0, error);
      g_private_set (&current_device, device);
    }
  return device;
}

static gboolean
yield_cb (SegContext *context, gpointer data)
{
  return app_engine_yield ();
}

SegContext *
app_engine_new_context (guint64 seed, GError **error)
{
  SegDevice *device = app_engine_get_device (error);
  SegContext *context;

  if (device == NULL)
    return NULL;
  context = seg_context_new (device, seed);
  seg_context_set_yield (context, yield_cb, NULL);
  return context;
}
