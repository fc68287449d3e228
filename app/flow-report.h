/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"

G_BEGIN_DECLS

/* db → one page for people: what a round learned from, how it went, what it says. */

/**
 * app_flow_report:
 * @round: 0 for the latest
 * @path: an HTML file; replaced only by a whole one
 *
 * A self-contained page (styles, curves and pictures inside): the round's parameters, curves, Dice
 * and expert minutes over all rounds, predictions beside the truth of the labelled slices, the next
 * scans with reasons, and the model card: data by name and SHA-256, seed, versions. No paths (I10).
 * Scans that are not at hand are named and left without pictures. Blocking; the store's thread.
 */
gboolean app_flow_report (DbStore *store, gint64 round, const char *path, GError **error);

G_END_DECLS
