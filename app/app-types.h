/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* app/: main, the command line, settings, session, the engine thread and its jobs, and one
 * flow-*.c for each arrow between folders. May include every folder; none includes it. Flows hold
 * what the window and the command line share. */

#include <glib.h>
