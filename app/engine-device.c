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

static char *preferred; /* set before the engine thread starts its first job */

void
app_engine_prefer_backend (const char *name)
{
  g_free (preferred);
  preferred = name != NULL && *name != '\0' ? g_strdup (name) : NULL;
}

SegDevice *
app_engine_get_device (GError **error)
{
  SegDevice *device = g_private_get (&current_device);

  if (device == NULL)
    {
      const char *named = g_getenv ("CROSSLABEL_DEVICE");

      device = seg_device_open (named != NULL ? named : preferred, 0, error);
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
  const char *limit = g_getenv ("CROSSLABEL_MEMORY_MIB");
  SegContext *context;

  if (device == NULL)
    return NULL;
  context = seg_context_new (device, seed);
  /* For tests, and for a machine that is to be shared. */
  if (limit != NULL)
    seg_context_set_memory_limit (context, g_ascii_strtoull (limit, NULL, 10) << 20);
  seg_context_set_yield (context, yield_cb, NULL);
  return context;
}
