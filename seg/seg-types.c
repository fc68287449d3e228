/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/seg-types.h"

G_DEFINE_QUARK (seg - error - quark, seg_error)
