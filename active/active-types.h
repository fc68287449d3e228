/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* active/: which scan, which slices, next, and why: arrays and geometry in, ranks and reasons out;
 * no I/O, no clock, seeded. May include volume/ only. */

#include "volume/volume-types.h"
