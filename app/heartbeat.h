/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/**
 * app_heartbeat_start:
 *
 * With CROSSLABEL_HEARTBEAT=FILE in the environment, a timer on the main thread notes every 5 ms
 * how late it came; at the end FILE gets one JSON line: beats, median_ms, p99_ms, p999_ms, max_ms.
 * For the tests of fluency.
 */
void app_heartbeat_start (void);
void app_heartbeat_stop (void);

G_END_DECLS
