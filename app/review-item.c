/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/review-item.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  PROP_0,
  PROP_TITLE,
  PROP_DETAIL,
  PROP_DECISION,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AppReviewItem, app_review_item, G_TYPE_OBJECT)

static const char *const names[APP_N_REVIEW_DECISIONS] = { "open", "accept", "fix", "unsure" };

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AppReviewItem *self = APP_REVIEW_ITEM (object);

  switch (id)
    {
    case PROP_TITLE:
      g_value_set_string (value, self->title);
      break;
    case PROP_DETAIL:
      g_value_set_string (value, self->detail);
      break;
    case PROP_DECISION:
      g_value_set_int (value, (int) self->decision);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
app_review_item_finalize (GObject *object)
{
  AppReviewItem *self = APP_REVIEW_ITEM (object);

  g_free (self->title);
  g_free (self->detail);
  G_OBJECT_CLASS (app_review_item_parent_class)->finalize (object);
}

static void
app_review_item_class_init (AppReviewItemClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = get_property;
  object_class->finalize = app_review_item_finalize;
  props[PROP_TITLE] = g_param_spec_string ("title", NULL, NULL, NULL, flags);
  props[PROP_DETAIL] = g_param_spec_string ("detail", NULL, NULL, NULL, flags);
  props[PROP_DECISION] =
      g_param_spec_int ("decision", NULL, NULL, 0, APP_N_REVIEW_DECISIONS - 1, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
app_review_item_init (AppReviewItem *self)
{
}

AppReviewItem *
app_review_item_new (const DbPrediction *prediction, const DbCase *row, int number,
                     const AppRegion *region, AppReviewDecision decision)
{
  AppReviewItem *self = g_object_new (APP_TYPE_REVIEW_ITEM, NULL);

  self->prediction = prediction->id;
  self->case_id = row->id;
  self->number = number;
  self->region = *region;
  self->decision = decision;
  /* Translators: a scan's name and the number of a place in it */
  self->title = g_strdup_printf (_ ("%s, place %d"), row->name, number + 1);
  if (region->teacher_share > 0)
    self->detail = g_strdup_printf (
        _ ("%.2f ml in dispute: %.0f %% teacher against student, the rest mirrored views"),
        region->disputed_mm3 / 1000, 100 * region->teacher_share);
  else
    self->detail = g_strdup_printf (_ ("%.2f ml in dispute between mirrored views"),
                                    region->disputed_mm3 / 1000);
  return self;
}

/* Kept as "0 accept 3 unsure" under the prediction's name. */

static char *
key_of (gint64 prediction)
{
  return g_strdup_printf ("review-%" G_GINT64_FORMAT, prediction);
}

static char **
read_words (DbStore *store, gint64 prediction)
{
  g_autofree char *key = key_of (prediction);
  g_autofree char *text = db_store_get_setting (store, key);

  return g_strsplit (text != NULL ? text : "", " ", -1);
}

AppReviewDecision
app_review_read_decision (DbStore *store, gint64 prediction, int number)
{
  g_auto (GStrv) words = read_words (store, prediction);

  for (guint w = 0; w + 1 < g_strv_length (words); w += 2)
    if (g_ascii_strtoll (words[w], NULL, 10) == number)
      for (int d = 0; d < APP_N_REVIEW_DECISIONS; d++)
        if (strcmp (words[w + 1], names[d]) == 0)
          return (AppReviewDecision) d;
  return APP_REVIEW_OPEN;
}

DbWrite *
app_review_item_write_decision (AppReviewItem *self, DbStore *store, AppReviewDecision decision,
                                gint64 edit)
{
  g_auto (GStrv) words = read_words (store, self->prediction);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *key = key_of (self->prediction);
  g_autofree char *detail =
      g_strdup_printf ("{\"prediction\":%" G_GINT64_FORMAT
                       ",\"region\":%d,\"decision\":\"%s\",\"edit\":%" G_GINT64_FORMAT "}",
                       self->prediction, self->number, names[decision], edit);
  DbWrite *writes[2];

  for (guint w = 0; w + 1 < g_strv_length (words); w += 2)
    if (g_ascii_strtoll (words[w], NULL, 10) != self->number)
      g_string_append_printf (text, "%s %s ", words[w], words[w + 1]);
  g_string_append_printf (text, "%d %s", self->number, names[decision]);
  writes[0] = db_write_set_setting (key, text->str);
  writes[1] = db_write_add_event ("review", self->case_id, detail);
  return db_write_all (writes, G_N_ELEMENTS (writes));
}

void
app_review_item_set_decision (AppReviewItem *self, AppReviewDecision decision)
{
  self->decision = decision;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_DECISION]);
}
