/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/verbs.h"

#include <stdlib.h>
#include <string.h>

static const struct
{
  const char *name;
  const char *summary;
  int (*run) (int argc, char **argv);
} benches[] = {
  { "generalist", "from a picture to a mask: times of a generalist", app_bench_generalist },
  { "infer", "a network's forward pass", app_bench_infer },
  { "open", "opening scans", app_bench_open },
  { "ops", "the engine's convolutions", app_bench_ops },
  { "prompt", "simulated clicks on scans with truth: Dice and times", app_bench_prompt },
  { "propagate", "one slice carried through scans with truth", app_bench_propagate },
  { "train", "a training step of V-Net", app_bench_train },
#ifdef HAVE_RENDER
  { "render", "drawing slices and the 3-D view", app_bench_render },
#endif
};

static int
compare_doubles_cb (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

double
app_bench_median (double *values, gsize n)
{
  g_return_val_if_fail (n > 0, 0.0);
  qsort (values, n, sizeof *values, compare_doubles_cb);
  return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

/* Not getrusage: its maximum is handed on from the parent through exec. */
double
app_bench_peak_rss_mib (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  line = strstr (text, "VmHWM:");
  return line != NULL ? g_ascii_strtod (line + strlen ("VmHWM:"), NULL) / 1024 : 0;
}

int
app_verb_bench (int argc, char **argv)
{
  for (gsize b = 0; argc > 1 && b < G_N_ELEMENTS (benches); b++)
    if (strcmp (argv[1], benches[b].name) == 0)
      return benches[b].run (argc - 1, argv + 1);
  if (argc > 1 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0))
    {
      g_print ("Usage: crosslabel bench NAME [ARGUMENT …]\n\n");
      for (gsize b = 0; b < G_N_ELEMENTS (benches); b++)
        g_print ("  %-10s %s\n", benches[b].name, benches[b].summary);
      return APP_EXIT_OK;
    }
  return app_usage ("bench needs the name of a bench; bench --help lists them");
}
