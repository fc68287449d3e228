/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/method.h"
#include "seg/method/ramps.h"

#include <errno.h>
#include <string.h>

static const SegMethodInfo methods[] = {
  { "gm-abs", "GM-ABS",
    "Mean teacher with labels of a promptable generalist: for three signed slices per scan.", TRUE,
    TRUE },
  { "mean-teacher", "Mean Teacher", "Student and averaged teacher that agree on unlabelled scans.",
    TRUE, FALSE },
  { "ua-mt", "UA-MT", "Mean teacher that agrees only where the teacher is certain.", TRUE, FALSE },
  { "sup-only", "Labelled slices only", "Supervised training on what is labelled, nothing else.",
    FALSE, FALSE },
};

const SegMethodInfo *
seg_method_list (gsize *n)
{
  *n = G_N_ELEMENTS (methods);
  return methods;
}

const SegMethodInfo *
seg_method_find (const char *name)
{
  for (gsize m = 0; m < G_N_ELEMENTS (methods); m++)
    if (g_strcmp0 (methods[m].name, name) == 0)
      return &methods[m];
  return NULL;
}

void
seg_method_params_init (SegMethodParams *params, const char *name, gboolean parity)
{
  gboolean gm_abs = g_strcmp0 (name, "gm-abs") == 0;
  gboolean sup_only = g_strcmp0 (name, "sup-only") == 0;

  *params = (SegMethodParams){
    .n_classes = 2,
    .filters = 16,
    .patch = { 112, 112, 80 },
    .n_steps = gm_abs || sup_only ? SEG_GM_ABS_RELEASED_STEPS : 6000,
    .seed = 1337,
    .batch_labelled = 2,
    .batch_unlabelled = sup_only ? 0 : 2,
    .lr = 0.01,
    .lr_poly = sup_only,
    .momentum = 0.9,
    .weight_decay = 1e-4,
    .ema_decay = 0.99,
    .consistency = 0.1,
    .dropout = 0.5,
    .window_overlap = 48.0 / 112,
    .orient = parity ? SEG_ORIENT_MIRRORED : SEG_ORIENT_SQUARE,
    .n_refreshes = gm_abs ? SEG_GM_ABS_RELEASED_REFRESHES : 0,
    .dice_term = !(parity && (gm_abs || sup_only)),
    .ce_broadcast = parity && gm_abs,
    .gamma_alias = TRUE,
    .teacher_clean_pass = TRUE,
    .expert_wins = !parity,
    .missing_unknown = !parity,
    .clean_prompts = !parity,
    .confident = TRUE,
    .clip_logits = TRUE,
    .pseudo_weight = 0.5,
    .pseudo_fade = TRUE,
    .predict_with_teacher = FALSE,
  };
}

/* A flat JSON object of numbers, both ways
 * --------------------------------------------------------- */

typedef enum
{
  FIELD_INT,
  FIELD_INT64,
  FIELD_DOUBLE,
  FIELD_BOOLEAN
} FieldKind;

typedef struct
{
  const char *name;
  FieldKind kind;
  gsize offset;
  double min, max;
} Field;

#define FIELD(member, kind, min, max)                                                              \
  {                                                                                                \
#member, kind, G_STRUCT_OFFSET(SegMethodParams, member), min, max                              \
  }
#define PATCH(axis)                                                                                \
  {                                                                                                \
    "patch_" #axis, FIELD_INT, G_STRUCT_OFFSET (SegMethodParams, patch) + axis * sizeof (int), 16, \
        1024                                                                                       \
  }

#define WARP(member, max)                                                                          \
  {                                                                                                \
    "warp_" #member, FIELD_DOUBLE, G_STRUCT_OFFSET (SegMethodParams, warp.member), 0, max          \
  }

static const Field fields[] = {
  FIELD (n_classes, FIELD_INT, 2, 64),
  FIELD (filters, FIELD_INT, 1, 256),
  PATCH (0),
  PATCH (1),
  PATCH (2),
  FIELD (bf16, FIELD_BOOLEAN, 0, 1),
  FIELD (n_steps, FIELD_INT64, 1, 1e9),
  FIELD (seed, FIELD_INT64, -9.3e18, 9.3e18),
  FIELD (batch_labelled, FIELD_INT, 1, 64),
  FIELD (batch_unlabelled, FIELD_INT, 0, 64),
  FIELD (lr, FIELD_DOUBLE, 0, 100),
  FIELD (lr_poly, FIELD_BOOLEAN, 0, 1),
  FIELD (adamw, FIELD_BOOLEAN, 0, 1),
  FIELD (momentum, FIELD_DOUBLE, 0, 1),
  FIELD (weight_decay, FIELD_DOUBLE, 0, 1),
  FIELD (ema_decay, FIELD_DOUBLE, 0, 1),
  FIELD (consistency, FIELD_DOUBLE, 0, 1e6),
  FIELD (dropout, FIELD_DOUBLE, 0, 0.99),
  FIELD (window_overlap, FIELD_DOUBLE, 0, 0.99),
  FIELD (orient, FIELD_INT, SEG_ORIENT_NONE, SEG_ORIENT_FLIPS),
  FIELD (overhang, FIELD_DOUBLE, 0, 0.5),
  FIELD (class_balance, FIELD_DOUBLE, 0, 1),
  FIELD (skip_outside, FIELD_BOOLEAN, 0, 1),
  WARP (rotate_degrees, 180),
  WARP (zoom, 0.9),
  WARP (contrast, 0.9),
  WARP (brightness, 10),
  FIELD (n_refreshes, FIELD_INT, 0, 1000),
  FIELD (dice_term, FIELD_BOOLEAN, 0, 1),
  FIELD (ce_broadcast, FIELD_BOOLEAN, 0, 1),
  FIELD (gamma_alias, FIELD_BOOLEAN, 0, 1),
  FIELD (teacher_clean_pass, FIELD_BOOLEAN, 0, 1),
  FIELD (expert_wins, FIELD_BOOLEAN, 0, 1),
  FIELD (agreement, FIELD_BOOLEAN, 0, 1),
  FIELD (missing_unknown, FIELD_BOOLEAN, 0, 1),
  FIELD (clean_prompts, FIELD_BOOLEAN, 0, 1),
  FIELD (confident, FIELD_BOOLEAN, 0, 1),
  FIELD (clip_logits, FIELD_BOOLEAN, 0, 1),
  FIELD (pseudo_weight, FIELD_DOUBLE, 0, 100),
  FIELD (pseudo_fade, FIELD_BOOLEAN, 0, 1),
  FIELD (pseudo_dice, FIELD_BOOLEAN, 0, 1),
  FIELD (predict_with_teacher, FIELD_BOOLEAN, 0, 1),
};

char *
seg_method_params_to_json (const SegMethodParams *params)
{
  GString *json = g_string_new ("{");

  for (gsize f = 0; f < G_N_ELEMENTS (fields); f++)
    {
      gconstpointer at = (const char *) params + fields[f].offset;
      char number[G_ASCII_DTOSTR_BUF_SIZE];

      g_string_append_printf (json, "%s\"%s\":", f > 0 ? "," : "", fields[f].name);
      switch (fields[f].kind)
        {
        case FIELD_INT:
          g_string_append_printf (json, "%d", *(const int *) at);
          break;
        case FIELD_INT64:
          g_string_append_printf (json, "%" G_GINT64_FORMAT, *(const gint64 *) at);
          break;
        case FIELD_DOUBLE:
          g_string_append (json, g_ascii_dtostr (number, sizeof number, *(const double *) at));
          break;
        case FIELD_BOOLEAN:
        default:
          g_string_append (json, *(const gboolean *) at ? "true" : "false");
          break;
        }
    }
  g_string_append_c (json, '}');
  return g_string_free (json, FALSE);
}

/* The text after "name": in a flat object, or NULL. */
static const char *
find_value (const char *json, const char *name)
{
  g_autofree char *key = g_strdup_printf ("\"%s\"", name);
  const char *at = strstr (json, key);

  if (at == NULL)
    return NULL;
  at += strlen (key);
  while (g_ascii_isspace (*at))
    at++;
  if (*at != ':')
    return NULL;
  at++;
  while (g_ascii_isspace (*at))
    at++;
  return at;
}

static gboolean
read_field (const Field *field, const char *text, gpointer into, GError **error)
{
  char *end = NULL;
  double value;
  gint64 whole = 0;

  errno = 0;
  if (g_str_has_prefix (text, "true") || g_str_has_prefix (text, "false"))
    value = text[0] == 't';
  else if (field->kind == FIELD_INT64)
    value = (double) (whole = g_ascii_strtoll (text, &end, 10));
  else
    value = g_ascii_strtod (text, &end);
  if (end == text || errno != 0 || !(value >= field->min && value <= field->max))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "parameters of a method: “%s” is out of range", field->name);
      return FALSE;
    }
  if (field->kind == FIELD_INT64)
    *(gint64 *) into = whole;
  else if (field->kind == FIELD_DOUBLE)
    *(double *) into = value;
  else
    *(int *) into = (int) value;
  return TRUE;
}

static gboolean
is_later (const Field *field)
{
  return g_str_has_prefix (field->name, "warp_") || strcmp (field->name, "orient") == 0
         || strcmp (field->name, "overhang") == 0 || strcmp (field->name, "class_balance") == 0
         || (field->kind == FIELD_BOOLEAN
             && field->offset > G_STRUCT_OFFSET (SegMethodParams, patch[2]));
}

gboolean
seg_method_params_from_json (SegMethodParams *params, const char *json, GError **error)
{
  for (gsize f = 0; f < G_N_ELEMENTS (fields); f++)
    {
      const char *text = find_value (json, fields[f].name);

      /* A decision that a file does not know of was off when it was written. */
      if (text == NULL && is_later (&fields[f]))
        {
          read_field (&fields[f], "0", (char *) params + fields[f].offset, NULL);
          continue;
        }
      if (text == NULL)
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "parameters of a method: no “%s”",
                       fields[f].name);
          return FALSE;
        }
      if (!read_field (&fields[f], text, (char *) params + fields[f].offset, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
seg_method_params_set (SegMethodParams *params, const char *name, const char *value, GError **error)
{
  for (gsize f = 0; f < G_N_ELEMENTS (fields); f++)
    if (strcmp (fields[f].name, name) == 0)
      return read_field (&fields[f], value, (char *) params + fields[f].offset, error);
  return FALSE;
}
