/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/current-model.h"

#define KEY "current-model"

static DbModel *
get_chosen (DbStore *store)
{
  g_autofree char *text = db_store_get_setting (store, KEY);
  gint64 id = text != NULL ? g_ascii_strtoll (text, NULL, 10) : 0;

  return id > 0 ? db_store_get_model (store, id) : NULL;
}

DbModel *
app_current_model_get (DbStore *store)
{
  DbModel *chosen = get_chosen (store);
  GListModel *models = db_store_get_models (store);
  const guint n = g_list_model_get_n_items (models);
  g_autoptr (DbModel) newest = NULL;

  if (chosen != NULL || n == 0)
    return chosen;
  newest = g_list_model_get_item (models, n - 1);
  return newest; /* the list keeps it */
}

gboolean
app_current_model_is_chosen (DbStore *store)
{
  return get_chosen (store) != NULL;
}

DbWrite *
app_current_model_write (gint64 model, gint64 before)
{
  g_autofree char *value = g_strdup_printf ("%" G_GINT64_FORMAT, model);
  g_autofree char *detail = g_strdup_printf ("{\"model\":%" G_GINT64_FORMAT
                                             ",\"before\":%" G_GINT64_FORMAT ",\"by\":\"person\"}",
                                             model, before);
  DbWrite *writes[] = { db_write_add_event ("model", 0, detail),
                        db_write_set_setting (KEY, value) };

  return db_write_all (writes, G_N_ELEMENTS (writes));
}

DbWrite *
app_current_model_write_newest (gint64 model)
{
  g_autofree char *detail =
      g_strdup_printf ("{\"model\":%" G_GINT64_FORMAT ",\"by\":\"round\"}", model);
  DbWrite *writes[] = { db_write_add_event ("model", 0, detail), db_write_set_setting (KEY, NULL) };

  return db_write_all (writes, G_N_ELEMENTS (writes));
}

DbPrediction *
app_current_model_find_prediction (DbStore *store, gint64 case_id)
{
  GListModel *list = db_store_get_predictions (store);
  DbModel *model = app_current_model_get (store);

  for (guint p = 0; model != NULL && p < g_list_model_get_n_items (list); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (list, p);

      if (prediction->case_id == case_id && prediction->model == model->id)
        return prediction; /* the list keeps it */
    }
  return NULL;
}
