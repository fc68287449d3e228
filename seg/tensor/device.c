/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/pieces.h"

#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

static const char *const backend_names[] = { "cuda", "cpu", "ref" };

static struct
{
  const SegBackend *backend;
  SegBackendDivide divide;
} divides[G_N_ELEMENTS (backend_names)]; /* of the modules opened so far */

SegBackendDivide
seg_backend_get_divide (const SegBackend *backend)
{
  for (gsize d = 0; d < G_N_ELEMENTS (divides); d++)
    if (divides[d].backend == backend)
      return divides[d].divide;
  return NULL;
}

static void
keep_divide (GModule *module, const SegBackend *backend)
{
  gpointer symbol = NULL;
  gsize d = 0;

  if (!g_module_symbol (module, SEG_DIVISION_SYMBOL, &symbol))
    return;
  while (d < G_N_ELEMENTS (divides) && divides[d].backend != NULL && divides[d].backend != backend)
    d++;
  if (d == G_N_ELEMENTS (divides))
    return;
  divides[d].backend = backend;
  divides[d].divide = (SegBackendDivide) symbol;
}

/* A module, once opened, stays: libgomp and CUDA do not like to be unloaded. */
static const SegBackend *
get_backend_of_module (GModule *module, const char *path, GError **error)
{
  gpointer symbol = NULL;
  const SegBackend *backend;

  if (!g_module_symbol (module, SEG_BACKEND_SYMBOL, &symbol) || symbol == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s: no %s", path, SEG_BACKEND_SYMBOL);
      return NULL;
    }
  backend = ((SegBackendGet) symbol) ();
  if (backend->abi != SEG_BACKEND_ABI || backend->struct_size != sizeof (SegBackend))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND,
                   "%s: made for interface %u (%u bytes), this program has %u (%u bytes)", path,
                   backend->abi, backend->struct_size, SEG_BACKEND_ABI,
                   (guint) sizeof (SegBackend));
      return NULL;
    }
  keep_divide (module, backend);
  return backend;
}

/* Asking the driver takes 0.2 ms; opening the CUDA module in vain up to a second. */
static int
count_cuda_devices (const char **why)
{
  GModule *driver = g_module_open ("libcuda.so.1", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  gpointer init = NULL, get_count = NULL;
  int n = 0;

  *why = "no NVIDIA driver (libcuda.so.1)";
  if (driver == NULL)
    return 0;
  if (g_module_symbol (driver, "cuInit", &init)
      && g_module_symbol (driver, "cuDeviceGetCount", &get_count)
      && ((int (*) (unsigned)) init) (0) == 0 && ((int (*) (int *)) get_count) (&n) == 0 && n > 0)
    {
      g_module_make_resident (driver);
      return n;
    }
  *why = "the NVIDIA driver knows no device";
  return 0;
}

static const SegBackend *
open_module (const char *name, GError **error)
{
  g_autofree char *file = g_strdup_printf ("crosslabel-seg-%s.so", name);
  const char *folder = g_getenv ("CROSSLABEL_MODULE_PATH");
  const char *folders[] = { folder != NULL ? folder : BUILD_MODULEDIR,
                            folder != NULL ? NULL : MODULEDIR, NULL };

  /* libgomp reads them when the module brings it in; the program has set them long before. */
  if (g_getenv ("OMP_WAIT_POLICY") == NULL)
    {
      g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
      g_setenv ("GOMP_SPINCOUNT", "1000", FALSE);
    }
  for (int f = 0; folders[f] != NULL; f++)
    {
      g_autofree char *path = g_build_filename (folders[f], file, NULL);
      GModule *module;

      if (!g_file_test (path, G_FILE_TEST_EXISTS))
        continue;
      module = g_module_open (path, G_MODULE_BIND_LOCAL);
      if (module == NULL)
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s", g_module_error ());
          return NULL;
        }
      g_module_make_resident (module);
      return get_backend_of_module (module, path, error);
    }
  g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s: not installed", file);
  return NULL;
}

static const SegBackend *
get_backend (const char *name, GError **error)
{
  const char *why = NULL;

  if (strcmp (name, "ref") == 0)
    return &seg_backend_ref;
  if (strcmp (name, "cuda") == 0 && count_cuda_devices (&why) == 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "cuda: %s", why);
      return NULL;
    }
  return open_module (name, error);
}

static int
get_score (const char *name, const SegBackend **backend, char **reason)
{
  g_autoptr (GError) error = NULL;
  const char *why = NULL;
  int score;

  *backend = get_backend (name, &error);
  if (*backend == NULL)
    {
      *reason = g_strdup (error->message);
      return -1;
    }
  score = (*backend)->score (&why);
  if (score < 0)
    *reason = g_strdup (why != NULL ? why : "it cannot run here");
  return score;
}

static const SegBackend *
get_best_backend (void)
{
  const SegBackend *best = &seg_backend_ref;
  int best_score = -1;

  for (gsize b = 0; b < G_N_ELEMENTS (backend_names); b++)
    {
      const SegBackend *backend;
      g_autofree char *reason = NULL;
      int score = get_score (backend_names[b], &backend, &reason);

      if (score > best_score)
        {
          best = backend;
          best_score = score;
        }
    }
  return best;
}

SegDevice *
seg_device_open (const char *name, int n_threads, GError **error)
{
  const SegBackendOptions options = { .n_threads = n_threads };
  const char *colon = name != NULL ? strchr (name, ':') : NULL;
  g_autofree char *word = colon != NULL ? g_strndup (name, colon - name) : g_strdup (name);
  const int index = colon != NULL ? atoi (colon + 1) : 0;
  const SegBackend *backend;
  const char *why = "it cannot run here";
  SegDevice *self;

  if (word == NULL || strcmp (word, "auto") == 0)
    backend = get_best_backend ();
  else
    backend = get_backend (word, error);
  if (backend == NULL)
    return NULL;
  if (backend->score (&why) < 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s: %s", backend->name, why);
      return NULL;
    }
  if (index < 0 || index >= backend->n_devices ())
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s: no device %d, there are %d",
                   backend->name, index, backend->n_devices ());
      return NULL;
    }
  self = g_new0 (SegDevice, 1);
  self->ref_count = 1;
  self->backend = backend;
  if (backend->device_open (index, &options, &self->handle) != SEG_STATUS_OK)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s: device %d cannot be opened",
                   backend->name, index);
      g_free (self);
      return NULL;
    }
  backend->device_info (self->handle, &self->info);
  return self;
}

SegDevice *
seg_device_ref (SegDevice *self)
{
  self->ref_count++;
  return self;
}

void
seg_device_unref (SegDevice *self)
{
  if (self == NULL || --self->ref_count > 0)
    return;
  self->backend->device_close (self->handle);
  g_free (self);
}

const SegBackend *
seg_device_get_backend (SegDevice *self)
{
  return self->backend;
}

const SegBackendDeviceInfo *
seg_device_get_info (SegDevice *self)
{
  return &self->info;
}

double
seg_device_get_peak_gflops (SegDevice *self, SegDtype dtype)
{
  if (self->backend->peak_gflops == NULL)
    return 0;
  if (!self->peak_known[dtype])
    {
      self->peak_gflops[dtype] = self->backend->peak_gflops (self->handle, dtype);
      self->peak_known[dtype] = TRUE;
    }
  return self->peak_gflops[dtype];
}

char **
seg_device_describe_all (void)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new ();

  for (gsize b = 0; b < G_N_ELEMENTS (backend_names); b++)
    {
      const SegBackend *backend;
      g_autofree char *reason = NULL;

      if (get_score (backend_names[b], &backend, &reason) >= 0)
        g_ptr_array_add (lines, g_strdup_printf ("%s: %s", backend_names[b], backend->version ()));
      else if (g_str_has_prefix (reason, backend_names[b]))
        g_ptr_array_add (lines, g_steal_pointer (&reason));
      else
        g_ptr_array_add (lines, g_strdup_printf ("%s: %s", backend_names[b], reason));
    }
  g_ptr_array_add (lines, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&lines), FALSE);
}

SegBackendDevice *
seg_device_get_reference (void)
{
  static SegBackendDevice *device = NULL;

  if (device == NULL)
    seg_backend_ref.device_open (0, &(SegBackendOptions){ 0 }, &device);
  return device;
}
