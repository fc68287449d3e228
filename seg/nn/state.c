/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/state.h"

#include <math.h>
#include <string.h>

typedef struct
{
  const char *name; /* owned by `names` */
  SegTensor *tensor;
  SegEntryKind kind;
} Entry;

/* The named tensors of a module or an optimiser; the names live as long. */
typedef struct
{
  GArray *entries; /* Entry */
  GPtrArray *names;
} Entries;

static void
collect_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Entries *self = user_data;
  Entry entry = { g_strdup (name), tensor, kind };

  g_ptr_array_add (self->names, (gpointer) entry.name);
  g_array_append_val (self->entries, entry);
}

static void
entries_init (Entries *self)
{
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  self->names = g_ptr_array_new_with_free_func (g_free);
}

static void
entries_clear (Entries *self)
{
  g_array_unref (self->entries);
  g_ptr_array_unref (self->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Entries, entries_clear)

static gboolean
check_finite (const SegWeight *weight, const char *path, GError **error)
{
  float values[4096];

  for (gsize from = 0; from < weight->n_elements; from += G_N_ELEMENTS (values))
    {
      gsize n = MIN (weight->n_elements - from, G_N_ELEMENTS (values));

      seg_weight_read_f32 (weight, from, n, values);
      for (gsize i = 0; i < n; i++)
        if (!isfinite (values[i]))
          {
            g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FINITE, "%s: %s is not finite at %zu",
                         path, weight->name, from + i);
            return FALSE;
          }
    }
  return TRUE;
}

static gboolean
check_all (const Entries *entries, const SegWeights *weights, SegWeightsMatchFlags flags,
           GError **error)
{
  g_autofree SegWeightSpec *specs = g_new0 (SegWeightSpec, entries->entries->len);

  for (guint i = 0; i < entries->entries->len; i++)
    {
      const Entry *entry = &g_array_index (entries->entries, Entry, i);

      specs[i].name = entry->name;
      specs[i].n_dims = seg_tensor_get_rank (entry->tensor);
      for (int d = 0; d < specs[i].n_dims; d++)
        specs[i].shape[d] = seg_tensor_get_shape (entry->tensor)[d];
    }
  return seg_weights_check (weights, specs, entries->entries->len, flags, error);
}

static gboolean
upload (const Entry *entry, const SegWeight *weight, GError **error)
{
  g_autofree float *values = g_try_new (float, weight->n_elements);

  if (values == NULL && weight->n_elements > 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY, "No memory to load %s", entry->name);
      return FALSE;
    }
  seg_weight_read_f32 (weight, 0, weight->n_elements, values);
  if (seg_tensor_upload (entry->tensor, SEG_DTYPE_F32, values))
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s cannot be put on the device", entry->name);
  return FALSE;
}

static gboolean
load (const Entries *entries, const SegWeights *weights, SegWeightsMatchFlags flags,
      gboolean finite, GError **error)
{
  if (!check_all (entries, weights, flags, error))
    return FALSE;
  for (guint i = 0; finite && i < entries->entries->len; i++)
    {
      const SegWeight *weight =
          seg_weights_find (weights, g_array_index (entries->entries, Entry, i).name);

      if (weight != NULL && !check_finite (weight, seg_weights_get_path (weights), error))
        return FALSE;
    }
  for (guint i = 0; i < entries->entries->len; i++)
    {
      const Entry *entry = &g_array_index (entries->entries, Entry, i);
      const SegWeight *weight = seg_weights_find (weights, entry->name);

      if (weight != NULL && !upload (entry, weight, error))
        return FALSE;
    }
  return TRUE;
}

static float *
download (const Entry *entry, GError **error)
{
  float *values = g_try_new (float, MAX (seg_tensor_get_n_elements (entry->tensor), 1));

  if (values != NULL && seg_tensor_download (entry->tensor, SEG_DTYPE_F32, values))
    return values;
  g_free (values);
  g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "%s cannot be read from the device",
               entry->name);
  return NULL;
}

static gboolean
save (const Entries *entries, SegCheckpoint *checkpoint, const char *group, GError **error)
{
  for (guint i = 0; i < entries->entries->len; i++)
    {
      const Entry *entry = &g_array_index (entries->entries, Entry, i);
      float *values = download (entry, error);

      if (values == NULL)
        return FALSE;
      seg_checkpoint_add_take (checkpoint, group, entry->name, SEG_WEIGHT_F32,
                               seg_tensor_get_rank (entry->tensor),
                               seg_tensor_get_shape (entry->tensor), values);
    }
  return TRUE;
}

gboolean
seg_module_load_weights (SegModule *self, const SegWeights *weights, SegWeightsMatchFlags flags,
                         GError **error)
{
  g_auto (Entries) entries;

  entries_init (&entries);
  seg_module_foreach (self, collect_cb, &entries);
  return load (&entries, weights, flags, TRUE, error);
}

gboolean
seg_module_export_weights (SegModule *self, SegWeightsWriter *writer, SegWeightDtype dtype,
                           GError **error)
{
  g_auto (Entries) entries;

  entries_init (&entries);
  seg_module_foreach (self, collect_cb, &entries);
  for (guint i = 0; i < entries.entries->len; i++)
    {
      const Entry *entry = &g_array_index (entries.entries, Entry, i);
      float *values = download (entry, error);

      if (values == NULL)
        return FALSE;
      seg_weights_writer_take_f32 (
          writer, entry->name, entry->kind == SEG_ENTRY_BUFFER ? SEG_WEIGHT_F32 : dtype,
          seg_tensor_get_rank (entry->tensor), seg_tensor_get_shape (entry->tensor), values);
    }
  return TRUE;
}

gboolean
seg_module_save_state (SegModule *self, SegCheckpoint *checkpoint, const char *group,
                       GError **error)
{
  g_auto (Entries) entries;

  entries_init (&entries);
  seg_module_foreach (self, collect_cb, &entries);
  return save (&entries, checkpoint, group, error);
}

gboolean
seg_module_load_state (SegModule *self, SegCheckpoint *checkpoint, const char *group,
                       GError **error)
{
  g_autoptr (SegWeights) weights = seg_checkpoint_get_group (checkpoint, group);
  g_auto (Entries) entries;

  entries_init (&entries);
  seg_module_foreach (self, collect_cb, &entries);
  return load (&entries, weights, SEG_WEIGHTS_MATCH_EXACT, FALSE, error);
}

static char *
steps_key (const char *group)
{
  return g_strconcat (group, ".steps", NULL);
}

gboolean
seg_optimiser_save_state (SegOptimiser *self, SegCheckpoint *checkpoint, const char *group,
                          GError **error)
{
  g_autofree char *key = steps_key (group);
  g_auto (Entries) entries;

  entries_init (&entries);
  seg_optimiser_foreach (self, collect_cb, &entries);
  seg_checkpoint_set_int (checkpoint, key, seg_optimiser_get_n_steps (self));
  return save (&entries, checkpoint, group, error);
}

gboolean
seg_optimiser_load_state (SegOptimiser *self, SegCheckpoint *checkpoint, const char *group,
                          GError **error)
{
  g_autoptr (SegWeights) weights = seg_checkpoint_get_group (checkpoint, group);
  g_autofree char *key = steps_key (group);
  g_auto (Entries) entries;
  gint64 n_steps;

  entries_init (&entries);
  seg_optimiser_foreach (self, collect_cb, &entries);
  if (!seg_checkpoint_get_int (checkpoint, key, &n_steps, error)
      || !load (&entries, weights, SEG_WEIGHTS_MATCH_EXACT, FALSE, error))
    return FALSE;
  seg_optimiser_set_n_steps (self, n_steps);
  return TRUE;
}
