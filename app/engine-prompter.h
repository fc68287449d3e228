/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/engine.h"
#include "app/prompter.h"

G_BEGIN_DECLS

/**
 * AppEnginePrompter:
 *
 * Answers prompts on the engine thread with the chosen generalist; the newest question about a
 * slice overtakes everything. Embeddings of the slices seen last stay in memory, those worth it on
 * disk as well (seg/generalist/cache.h). Opening another generalist that fails leaves the previous
 * one at work.
 *
 * Threads: main thread, as every AppPrompter.
 */
#define APP_TYPE_ENGINE_PROMPTER (app_engine_prompter_get_type ())
G_DECLARE_FINAL_TYPE (AppEnginePrompter, app_engine_prompter, APP, ENGINE_PROMPTER, GObject)

/* @weights: (nullable): a file; NULL for the built-in network. @cache_folder: (nullable): none kept
 * on disk. Opening starts at once, on the engine thread. */
AppEnginePrompter *app_engine_prompter_new (AppEngine *engine, const char *weights,
                                            const char *cache_folder,
                                            guint64 cache_bytes) G_GNUC_WARN_UNUSED_RESULT;

/* Changes the generalist. @callback: with the outcome; on failure the previous one stays. */
void app_engine_prompter_use_async (AppEnginePrompter *self, const char *weights,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data);
gboolean app_engine_prompter_use_finish (AppEnginePrompter *self, GAsyncResult *result,
                                         GError **error);

G_END_DECLS
