/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/module.h"
#include "seg/tensor/context.h"

#include <string.h>

typedef struct
{
  char *name;
  SegTensor *tensor;
  SegEntryKind kind;
} Entry;

typedef struct
{
  gpointer data;
  GDestroyNotify destroy;
} Owned;

struct _SegModule
{
  int ref_count;
  SegContext *context;
  SegModule *parent; /* not owned */
  char *name;
  GPtrArray *entries;
  GPtrArray *children;
  GArray *owned;
  gboolean training;
};

static void
entry_free_cb (gpointer data)
{
  Entry *entry = data;

  seg_tensor_unref (entry->tensor);
  g_free (entry->name);
  g_free (entry);
}

SegModule *
seg_module_new (SegContext *context)
{
  SegModule *self = g_new0 (SegModule, 1);

  self->ref_count = 1;
  self->context = seg_context_ref (context);
  self->entries = g_ptr_array_new_with_free_func (entry_free_cb);
  self->children = g_ptr_array_new_with_free_func ((GDestroyNotify) seg_module_unref);
  self->owned = g_array_new (FALSE, FALSE, sizeof (Owned));
  self->training = TRUE;
  return self;
}

SegModule *
seg_module_ref (SegModule *self)
{
  self->ref_count++;
  return self;
}

void
seg_module_unref (SegModule *self)
{
  if (self == NULL || --self->ref_count > 0)
    return;
  for (guint i = 0; i < self->owned->len; i++)
    {
      Owned *owned = &g_array_index (self->owned, Owned, i);

      owned->destroy (owned->data);
    }
  g_array_unref (self->owned);
  g_ptr_array_unref (self->children);
  g_ptr_array_unref (self->entries);
  seg_context_unref (self->context);
  g_free (self->name);
  g_free (self);
}

SegContext *
seg_module_get_context (SegModule *self)
{
  return self->context;
}

SegModule *
seg_module_child (SegModule *self, const char *name)
{
  const char *dot = strchr (name, '.');
  g_autofree char *first = dot != NULL ? g_strndup (name, dot - name) : g_strdup (name);
  SegModule *child = NULL;

  for (guint c = 0; c < self->children->len && child == NULL; c++)
    if (strcmp (((SegModule *) self->children->pdata[c])->name, first) == 0)
      child = self->children->pdata[c];
  if (child == NULL)
    {
      child = seg_module_new (self->context);
      child->name = g_steal_pointer (&first);
      child->parent = self;
      child->training = self->training;
      g_ptr_array_add (self->children, child);
    }
  return dot != NULL ? seg_module_child (child, dot + 1) : child;
}

gpointer
seg_module_own (SegModule *self, gpointer data, GDestroyNotify destroy)
{
  Owned owned = { data, destroy };

  g_array_append_val (self->owned, owned);
  return data;
}

static SegTensor *
add_entry (SegModule *self, const char *name, SegEntryKind kind, int rank, const gint64 *shape,
           double value)
{
  SegTensor *tensor = seg_tensor_new_plain (self->context, SEG_DTYPE_F32, rank, shape);
  Entry *entry;

  if (tensor == NULL)
    return NULL;
  seg_tensor_set_requires_grad (tensor, kind == SEG_ENTRY_PARAMETER);
  seg_fill (tensor, value);
  entry = g_new (Entry, 1);
  entry->name = g_strdup (name);
  entry->tensor = tensor;
  entry->kind = kind;
  g_ptr_array_add (self->entries, entry);
  return tensor;
}

SegTensor *
seg_module_add_parameter (SegModule *self, const char *name, int rank, const gint64 *shape)
{
  return add_entry (self, name, SEG_ENTRY_PARAMETER, rank, shape, 0);
}

SegTensor *
seg_module_add_buffer (SegModule *self, const char *name, int rank, const gint64 *shape,
                       double value)
{
  return add_entry (self, name, SEG_ENTRY_BUFFER, rank, shape, value);
}

static void
foreach_below (SegModule *self, const char *path, SegModuleFunc func, gpointer user_data)
{
  for (guint e = 0; e < self->entries->len; e++)
    {
      Entry *entry = self->entries->pdata[e];
      g_autofree char *name = g_strconcat (path, entry->name, NULL);

      func (name, entry->tensor, entry->kind, user_data);
    }
  for (guint c = 0; c < self->children->len; c++)
    {
      SegModule *child = self->children->pdata[c];
      g_autofree char *deeper = g_strconcat (path, child->name, ".", NULL);

      foreach_below (child, deeper, func, user_data);
    }
}

void
seg_module_foreach (SegModule *self, SegModuleFunc func, gpointer user_data)
{
  foreach_below (self, "", func, user_data);
}

SegTensor *
seg_module_lookup (SegModule *self, const char *name)
{
  for (guint e = 0; e < self->entries->len; e++)
    {
      Entry *entry = self->entries->pdata[e];

      if (strcmp (entry->name, name) == 0)
        return entry->tensor;
    }
  for (guint c = 0; c < self->children->len; c++)
    {
      SegModule *child = self->children->pdata[c];
      const gsize n = strlen (child->name);

      if (strncmp (child->name, name, n) == 0 && name[n] == '.')
        return seg_module_lookup (child, name + n + 1);
    }
  return NULL;
}

static void
list_parameters_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  if (kind == SEG_ENTRY_PARAMETER)
    g_ptr_array_add (user_data, tensor);
}

static void
list_buffers_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  if (kind == SEG_ENTRY_BUFFER)
    g_ptr_array_add (user_data, tensor);
}

GPtrArray *
seg_module_list_parameters (SegModule *self)
{
  GPtrArray *list = g_ptr_array_new ();

  seg_module_foreach (self, list_parameters_cb, list);
  return list;
}

GPtrArray *
seg_module_list_buffers (SegModule *self)
{
  GPtrArray *list = g_ptr_array_new ();

  seg_module_foreach (self, list_buffers_cb, list);
  return list;
}

gint64
seg_module_count_parameters (SegModule *self)
{
  g_autoptr (GPtrArray) list = seg_module_list_parameters (self);
  gint64 n = 0;

  for (guint p = 0; p < list->len; p++)
    n += seg_tensor_get_n_elements (list->pdata[p]);
  return n;
}

void
seg_module_set_training (SegModule *self, gboolean training)
{
  self->training = training;
  for (guint c = 0; c < self->children->len; c++)
    seg_module_set_training (self->children->pdata[c], training);
}

gboolean
seg_module_get_training (SegModule *self)
{
  return self->training;
}

void
seg_module_set_requires_grad (SegModule *self, gboolean requires_grad)
{
  g_autoptr (GPtrArray) list = seg_module_list_parameters (self);

  for (guint p = 0; p < list->len; p++)
    seg_tensor_set_requires_grad (list->pdata[p], requires_grad);
}

typedef struct
{
  SegModule *src;
  GString *wrong;
  gboolean copy;
} CopyState;

static void
copy_state_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  CopyState *state = user_data;
  SegTensor *other = seg_module_lookup (state->src, name);

  if (state->copy)
    seg_assign (tensor, other);
  else if (other == NULL)
    g_string_append_printf (state->wrong, "%s%s (missing)", state->wrong->len > 0 ? ", " : "",
                            name);
  else if (!seg_tensor_has_shape (other, seg_tensor_get_rank (tensor),
                                  seg_tensor_get_shape (tensor)))
    g_string_append_printf (state->wrong, "%s%s (shape)", state->wrong->len > 0 ? ", " : "", name);
}

gboolean
seg_module_copy_state (SegModule *dst, SegModule *src, GError **error)
{
  CopyState state = { src, g_string_new (NULL), FALSE };
  gboolean good;

  seg_module_foreach (dst, copy_state_cb, &state);
  good = state.wrong->len == 0;
  if (!good)
    g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "networks differ: %s", state.wrong->str);
  g_string_free (state.wrong, TRUE);
  if (!good)
    return FALSE;
  state.copy = TRUE;
  seg_module_foreach (dst, copy_state_cb, &state);
  return seg_context_check (dst->context, error);
}
