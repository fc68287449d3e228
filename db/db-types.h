/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* db/: the project store: SQLite, the edit journal, jobs, rounds; rows as GObjects. May include volume/ only. */

#include "volume/volume-types.h"
