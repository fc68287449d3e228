/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ui/: GTK 4 widgets, pixels and gestures. Emits signals and actions and calls nobody but volume/
 * and render/; app/ answers. Main thread only. */

#include "render/render-types.h"
#include "volume/volume-types.h"
