/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* seg/: the tensor engine and its backends, networks, generalists, methods, inference.
 *
 *   tensor ← ops ← nn ← model ← generalist ← (infer, method) ← segmenter / trainer
 *
 * A backend sees seg/backend.h alone. Only the volume adapter (seg/adapter/) may include volume/;
 * the rest needs GLib and nothing else. Lives on the engine thread. */

#include <glib.h>
