/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/db-types.h"

G_DEFINE_QUARK (db - error - quark, db_error)
