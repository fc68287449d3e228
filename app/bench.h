/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/* `crosslabel bench NAME …`: each prints one JSON line per case on standard output. argv[0] is
 * NAME; answers an exit status. Defined in app/bench-NAME.c, listed in app/verb-bench.c. */
int app_bench_generalist (int argc, char **argv);
int app_bench_infer (int argc, char **argv);
int app_bench_open (int argc, char **argv);
int app_bench_ops (int argc, char **argv);
int app_bench_prompt (int argc, char **argv);
int app_bench_propagate (int argc, char **argv);
int app_bench_train (int argc, char **argv);
int app_bench_render (int argc, char **argv);

/* For all of them. */
double app_bench_median (double *values, gsize n); /* sorts @values */
double app_bench_peak_rss_mib (void); /* of this process so far */

G_END_DECLS
