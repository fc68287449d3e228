/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/**
 * app_heartbeat_start:
 *
 * With CROSSLABEL_HEARTBEAT=FILE in the environment, a timer on the main thread notes every 5 ms
 * how late it came; at the end FILE gets one JSON line: beats, median_ms, p99_ms, p999_ms, max_ms;
 * and marked_beats, marked_max_ms, of those since the last app_heartbeat_mark(). For the tests of
 * fluency.
 */
void app_heartbeat_start (void);
void app_heartbeat_stop (void);
/* From here on it is of interest: a project is being closed. */
void app_heartbeat_mark (void);

G_END_DECLS
