/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/compact.h"
#include "seg/generalist/episodes.h"
#include "seg/nn/layers.h"
#include "seg/tensor/context.h"
#include "seg/weights/weights.h"

#include <math.h>
#include <string.h>

#define LEVELS 4
#define GROUPS 8
#define CELLS SEG_VIEW_CELLS

static const gint64 widths[LEVELS] = { 24, 48, 96, 160 };

typedef struct
{
  SegNormLayer *norm[2];
  SegConvLayer *conv[2];
} Block;

struct _SegCompact
{
  SegModule *module;
  SegConvLayer *stem, *head, *direct;
  SegConvLayer *down[LEVELS - 1], *up[LEVELS - 1];
  Block encode[LEVELS], deep, decode[LEVELS - 1];
  SegNormLayer *last;
  SegLinearLayer *quality_fine, *quality_coarse;
};

static SegConvLayer *
conv (SegModule *parent, const char *name, gint64 in, gint64 out, int kernel, int stride,
      gboolean with_bias)
{
  const SegConvParams params = seg_conv_params (2, stride, kernel / 2);
  return seg_conv_layer_new (parent, name, in, out, kernel, &params, with_bias);
}

static void
block_init (Block *self, SegModule *parent, const char *name, gint64 channels)
{
  SegModule *module = seg_module_child (parent, name);
  const SegNormParams norm = seg_group_norm_params (GROUPS, SEG_ACT_SILU);

  for (int k = 0; k < 2; k++)
    {
      const char *const norms[2] = { "norm1", "norm2" }, *const convs[2] = { "conv1", "conv2" };
      self->norm[k] = seg_norm_layer_new (module, norms[k], channels, &norm);
      self->conv[k] = conv (module, convs[k], channels, channels, 3, 1, FALSE);
    }
}

/* x + conv (silu (norm (conv (silu (norm (x)))))) */
static SegTensor *
block_forward (Block *self, SegTensor *x)
{
  g_autoptr (SegTensor) a = seg_norm_layer_forward (self->norm[0], x);
  g_autoptr (SegTensor) b = seg_conv_layer_forward (self->conv[0], a);
  g_autoptr (SegTensor) c = seg_norm_layer_forward (self->norm[1], b);
  g_autoptr (SegTensor) d = seg_conv_layer_forward (self->conv[1], c);

  return seg_add (x, d);
}

SegCompact *
seg_compact_new (SegContext *context)
{
  SegCompact *self = g_new0 (SegCompact, 1);
  SegModule *module = self->module = seg_module_new (context);
  const SegNormParams norm = seg_group_norm_params (GROUPS, SEG_ACT_SILU);

  self->stem = conv (module, "stem", SEG_FOLDED_CHANNELS, widths[0], 1, 1, TRUE);
  for (int l = 0; l < LEVELS; l++)
    {
      g_autofree char *encode = g_strdup_printf ("encode.%d", l);
      g_autofree char *decode = g_strdup_printf ("decode.%d", l);
      g_autofree char *down = g_strdup_printf ("down.%d", l);
      g_autofree char *up = g_strdup_printf ("up.%d", l);

      block_init (&self->encode[l], module, encode, widths[l]);
      if (l + 1 == LEVELS)
        break;
      self->down[l] = conv (module, down, widths[l], widths[l + 1], 3, 2, TRUE);
      self->up[l] = conv (module, up, widths[l + 1], widths[l], 1, 1, TRUE);
      block_init (&self->decode[l], module, decode, widths[l]);
    }
  block_init (&self->deep, module, "deep", widths[LEVELS - 1]);
  self->last = seg_norm_layer_new (module, "last", widths[0], &norm);
  self->head = conv (module, "head", widths[0], 4 * SEG_COMPACT_MASKS, 1, 1, TRUE);
  self->direct = conv (module, "direct", SEG_FOLDED_CHANNELS, 4 * SEG_COMPACT_MASKS, 1, 1, FALSE);
  seg_init_uniform (self->direct->weight, 0);
  self->quality_fine =
      seg_linear_layer_new (module, "quality_fine", widths[0], SEG_COMPACT_MASKS, TRUE);
  self->quality_coarse =
      seg_linear_layer_new (module, "quality_coarse", widths[LEVELS - 1], SEG_COMPACT_MASKS, FALSE);
  return self;
}

void
seg_compact_free (SegCompact *self)
{
  if (self == NULL)
    return;
  seg_module_unref (self->module);
  g_free (self);
}

SegModule *
seg_compact_get_module (SegCompact *self)
{
  return self->module;
}

static SegTensor *
mean_quality (SegLinearLayer *layer, SegTensor *x)
{
  const gint64 one[2] = { 1, 1 };
  g_autoptr (SegTensor) mean = seg_adaptive_average_pool (x, one);
  g_autoptr (SegTensor) flat =
      seg_reshape (mean, SEG_SHAPE (seg_tensor_get_size (x, 0), seg_tensor_get_size (x, 1)));

  return seg_linear_layer_forward (layer, flat);
}

gboolean
seg_compact_forward (SegCompact *self, SegTensor *x, SegTensor **logits, SegTensor **quality)
{
  g_autoptr (SegTensor) fine = NULL;
  g_autoptr (SegTensor) coarse = NULL;
  g_autoptr (SegTensor) head = NULL;
  g_autoptr (SegTensor) direct = NULL;
  g_autoptr (SegTensor) y = seg_conv_layer_forward (self->stem, x);
  SegTensor *across[LEVELS] = { NULL };

  for (int l = 0; l < LEVELS; l++)
    {
      across[l] = block_forward (&self->encode[l], y);
      if (l + 1 < LEVELS)
        seg_tensor_set (&y, seg_conv_layer_forward (self->down[l], across[l]));
    }
  seg_tensor_set (&y, block_forward (&self->deep, across[LEVELS - 1]));
  if (quality != NULL)
    coarse = mean_quality (self->quality_coarse, y);
  for (int l = LEVELS - 2; l >= 0; l--)
    {
      const gint64 size[2] = { seg_tensor_get_size (across[l], 2),
                               seg_tensor_get_size (across[l], 3) };
      g_autoptr (SegTensor) narrow = seg_conv_layer_forward (self->up[l], y);
      g_autoptr (SegTensor) wide = seg_resample (narrow, size, SEG_RESAMPLE_NEAREST);
      g_autoptr (SegTensor) sum = seg_add (across[l], wide);

      seg_tensor_set (&y, block_forward (&self->decode[l], sum));
    }
  for (int l = 0; l < LEVELS; l++)
    seg_tensor_clear (&across[l]);
  fine = seg_norm_layer_forward (self->last, y);
  head = seg_conv_layer_forward (self->head, fine);
  direct = seg_conv_layer_forward (self->direct, x);
  *logits = seg_add (head, direct);
  if (quality != NULL)
    {
      g_autoptr (SegTensor) at_fine = mean_quality (self->quality_fine, fine);
      *quality = seg_add (at_fine, coarse);
    }
  return *logits != NULL && (quality == NULL || *quality != NULL);
}

/* ---- weights --------------------------------------------------------------------------------- */

typedef struct
{
  SegWeightsWriter *writer;
  GPtrArray *stores;
} Saving;

static void
save_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Saving *saving = user_data;
  float *values = g_new (float, seg_tensor_get_n_elements (tensor));

  seg_tensor_download (tensor, SEG_DTYPE_F32, values);
  seg_weights_writer_add_f32 (saving->writer, name, SEG_WEIGHT_F16, seg_tensor_get_rank (tensor),
                              seg_tensor_get_shape (tensor), values);
  g_ptr_array_add (saving->stores, values);
}

gboolean
seg_compact_save (SegCompact *self, const char *path, const char *note, GError **error)
{
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (GPtrArray) stores = g_ptr_array_new_with_free_func (g_free);
  Saving saving = { writer, stores };

  seg_module_foreach (self->module, save_entry, &saving);
  if (!seg_context_check (seg_module_get_context (self->module), error))
    return FALSE;
  seg_weights_writer_set_metadata (writer, "recipe", SEG_COMPACT_RECIPE);
  seg_weights_writer_set_metadata (writer, "licence", "Apache-2.0");
  seg_weights_writer_set_metadata (writer, "note", note);
  return seg_weights_writer_save (writer, path, error);
}

typedef struct
{
  const SegWeights *weights;
  GArray *specs;
} Loading;

static void
expect_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Loading *loading = user_data;
  SegWeightSpec spec = { .name = g_intern_string (name), .n_dims = seg_tensor_get_rank (tensor) };

  memcpy (spec.shape, seg_tensor_get_shape (tensor), sizeof (gint64) * (gsize) spec.n_dims);
  g_array_append_val (loading->specs, spec);
}

static void
load_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Loading *loading = user_data;
  const SegWeight *weight = seg_weights_find (loading->weights, name);
  g_autofree float *values = g_new (float, weight->n_elements);

  seg_weight_read_f32 (weight, 0, weight->n_elements, values);
  seg_tensor_upload (tensor, SEG_DTYPE_F32, values);
}

gboolean
seg_compact_load_bytes (SegCompact *self, GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (SegWeights) weights = seg_weights_load_bytes (bytes, name, error);
  g_autoptr (GArray) specs = g_array_new (FALSE, FALSE, sizeof (SegWeightSpec));
  Loading loading = { weights, specs };
  const char *recipe;

  if (weights == NULL)
    return FALSE;
  recipe = seg_weights_get_metadata (weights, "recipe");
  if (g_strcmp0 (recipe, SEG_COMPACT_RECIPE) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "%s: made by recipe \"%s\", this program runs \"%s\"", name,
                   recipe != NULL ? recipe : "none", SEG_COMPACT_RECIPE);
      return FALSE;
    }
  seg_module_foreach (self->module, expect_entry, &loading);
  if (!seg_weights_check (weights, (const SegWeightSpec *) (gpointer) specs->data, specs->len,
                          SEG_WEIGHTS_MATCH_EXACT, error))
    return FALSE;
  seg_module_foreach (self->module, load_entry, &loading);
  return seg_context_check (seg_module_get_context (self->module), error);
}

/* ---- the loss -------------------------------------------------------------------------------- */

/* Cross-entropy + 1 − soft Dice of one mask of one sample; gradients without the mask's share. */
static double
mask_loss (const float *x, const float *y, const float *w, float *dx, double *dice)
{
  const int n = 4 * CELLS;
  double bce = 0, both = 0, sum_p = 0, sum_y = 0, numerator, denominator;

  for (int i = 0; i < n; i++)
    {
      const float e = expf (-fabsf (x[i]));
      const float p = (x[i] >= 0 ? 1.0f : e) / (1.0f + e);

      bce += w[i] * (MAX (x[i], 0.0f) - x[i] * y[i] + log1pf (e));
      both += w[i] * p * y[i];
      sum_p += w[i] * p;
      sum_y += w[i] * y[i];
      dx[i] = p;
    }
  numerator = 2 * both + 1;
  denominator = sum_p + sum_y + 1;
  *dice = numerator / denominator;
  for (int i = 0; i < n; i++)
    {
      const float p = dx[i];
      const double slope = (2 * y[i] - *dice) / denominator;
      dx[i] = w[i] * ((p - y[i]) / (float) n - (float) slope * p * (1 - p));
    }
  return bce / n + 1 - *dice;
}

double
seg_compact_loss (int B, const float *logits, const float *quality, const float *truth,
                  const float *weight, const float *ambiguous, float *dlogits, float *dquality,
                  float *dice)
{
  const gsize n = 4 * CELLS;
  double total = 0;

  for (int b = 0; b < B; b++)
    {
      double loss[SEG_COMPACT_MASKS], overlap[SEG_COMPACT_MASKS], share[SEG_COMPACT_MASKS];

      for (int m = 0; m < SEG_COMPACT_MASKS; m++)
        {
          const gsize at = ((gsize) b * SEG_COMPACT_MASKS + (gsize) m) * n;
          loss[m] = mask_loss (logits + at, truth + (gsize) b * n, weight + (gsize) b * n,
                               dlogits + at, &overlap[m]);
        }
      share[0] = 1;
      share[1] = loss[1] <= loss[2] ? 0.55 : 0.05;
      share[2] = loss[1] <= loss[2] ? 0.05 : 0.55;
      /* Where the prompt leaves nothing open, both learn the one answer. */
      if (!ambiguous[b])
        share[1] = share[2] = 0.3;
      for (int m = 0; m < SEG_COMPACT_MASKS; m++)
        {
          float *d = dlogits + ((gsize) b * SEG_COMPACT_MASKS + (gsize) m) * n;
          const double off = quality[b * SEG_COMPACT_MASKS + m] - overlap[m];

          for (gsize i = 0; i < n; i++)
            d[i] *= (float) (share[m] / B);
          total += share[m] * loss[m] + 0.3 * off * off;
          dquality[b * SEG_COMPACT_MASKS + m] = (float) (0.6 * off / B);
        }
      if (dice != NULL)
        dice[b] = (float) overlap[0];
    }
  return total / B;
}
