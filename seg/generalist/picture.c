/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/generalist.h"

#include <math.h>
#include <string.h>

SegPicture *
seg_picture_new (int width, int height, int channels)
{
  SegPicture *self = g_new0 (SegPicture, 1);

  self->width = width;
  self->height = height;
  self->channels = channels;
  self->pixels = g_new0 (float, (gsize) width *(gsize) height *(gsize) channels);
  return self;
}

SegPicture *
seg_picture_copy (const SegPicture *self)
{
  SegPicture *copy = seg_picture_new (self->width, self->height, self->channels);

  memcpy (copy->pixels, self->pixels,
          sizeof (float) * (gsize) self->width * (gsize) self->height * (gsize) self->channels);
  copy->low = self->low;
  copy->high = self->high;
  return copy;
}

void
seg_picture_free (SegPicture *self)
{
  if (self == NULL)
    return;
  g_free (self->pixels);
  g_free (self);
}

char *
seg_picture_get_hash (const SegPicture *self)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const gint32 size[3] = { self->width, self->height, self->channels };
  const float window[2] = { self->low, self->high };
  const gsize row = sizeof (float) * (gsize) self->width * (gsize) self->channels;

  g_checksum_update (checksum, (const guchar *) size, sizeof size);
  g_checksum_update (checksum, (const guchar *) window, sizeof window);
  for (int y = 0; y < self->height; y++)
    g_checksum_update (checksum, (const guchar *) self->pixels + (gsize) y * row, (gssize) row);
  return g_strdup (g_checksum_get_string (checksum));
}

SegPrompt *
seg_prompt_new (void)
{
  SegPrompt *self = g_new0 (SegPrompt, 1);

  self->points = g_array_new (FALSE, FALSE, sizeof (SegPromptPoint));
  self->strokes = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  return self;
}

SegPrompt *
seg_prompt_copy (const SegPrompt *self)
{
  SegPrompt *copy = seg_prompt_new ();

  g_array_append_vals (copy->points, self->points->data, self->points->len);
  for (guint s = 0; s < self->strokes->len; s++)
    g_ptr_array_add (copy->strokes, g_array_copy (g_ptr_array_index (self->strokes, s)));
  copy->has_box = self->has_box;
  memcpy (copy->box, self->box, sizeof copy->box);
  seg_prompt_set_mask (copy, self->mask, self->mask_width, self->mask_height);
  seg_prompt_set_low_res (copy, self->low_res);
  return copy;
}

void
seg_prompt_free (SegPrompt *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->points);
  g_ptr_array_unref (self->strokes);
  g_free (self->mask);
  g_free (self->low_res);
  g_free (self);
}

void
seg_prompt_add_point (SegPrompt *self, float x, float y, gboolean positive)
{
  const SegPromptPoint point = { x, y, positive };

  g_array_append_val (self->points, point);
}

void
seg_prompt_add_stroke (SegPrompt *self, const float (*xy)[2], gsize n, gboolean positive)
{
  GArray *stroke = g_array_new (FALSE, FALSE, sizeof (SegPromptPoint));

  for (gsize k = 0; k < n; k++)
    {
      const SegPromptPoint point = { xy[k][0], xy[k][1], positive };
      g_array_append_val (stroke, point);
    }
  g_ptr_array_add (self->strokes, stroke);
}

void
seg_prompt_set_box (SegPrompt *self, float x0, float y0, float x1, float y1)
{
  self->has_box = TRUE;
  self->box[0] = MIN (x0, x1);
  self->box[1] = MIN (y0, y1);
  self->box[2] = MAX (x0, x1);
  self->box[3] = MAX (y0, y1);
}

void
seg_prompt_set_mask (SegPrompt *self, const guint8 *mask, int width, int height)
{
  g_clear_pointer (&self->mask, g_free);
  if (mask == NULL)
    return;
  self->mask = g_memdup2 (mask, (gsize) width * (gsize) height);
  self->mask_width = width;
  self->mask_height = height;
}

void
seg_prompt_set_low_res (SegPrompt *self, const float *logits)
{
  g_clear_pointer (&self->low_res, g_free);
  if (logits != NULL)
    self->low_res = g_memdup2 (logits, sizeof (float) * SEG_LOW_RES * SEG_LOW_RES);
}

gboolean
seg_prompt_is_empty (const SegPrompt *self)
{
  return self->points->len == 0 && self->strokes->len == 0 && !self->has_box && self->mask == NULL
         && self->low_res == NULL;
}

SegAnswer *
seg_answer_new (int width, int height, int n_masks)
{
  SegAnswer *self = g_new0 (SegAnswer, 1);

  self->width = width;
  self->height = height;
  self->n_masks = n_masks;
  for (int m = 0; m < n_masks; m++)
    {
      self->logits[m] = g_new0 (float, (gsize) width *(gsize) height);
      self->low_res[m] = g_new0 (float, SEG_LOW_RES *SEG_LOW_RES);
    }
  return self;
}

void
seg_answer_free (SegAnswer *self)
{
  if (self == NULL)
    return;
  for (int m = 0; m < SEG_MAX_MASKS; m++)
    {
      g_free (self->logits[m]);
      g_free (self->low_res[m]);
    }
  g_free (self);
}

gsize
seg_answer_get_mask (const SegAnswer *self, int index, guint8 *mask)
{
  const gsize n = (gsize) self->width * (gsize) self->height;
  gsize n_inside = 0;

  for (gsize p = 0; p < n; p++)
    n_inside += mask[p] = self->logits[index][p] > 0;
  return n_inside;
}

void
seg_answer_update_stability (SegAnswer *self)
{
  const gsize n = (gsize) self->width * (gsize) self->height;

  for (int m = 0; m < self->n_masks; m++)
    {
      gsize strict = 0, loose = 0;

      for (gsize p = 0; p < n; p++)
        {
          strict += self->logits[m][p] > 1.0f;
          loose += self->logits[m][p] > -1.0f;
        }
      self->stability[m] = loose > 0 ? (float) strict / (float) loose : 0;
    }
}
