/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* render/: Vulkan: voxels to pixels, on screen or off. May include volume/ only. */

#include "volume/volume-types.h"
