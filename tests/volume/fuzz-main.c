/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const guint64 interesting[] = { 0,
                                       1,
                                       2,
                                       7,
                                       8,
                                       16,
                                       255,
                                       256,
                                       32767,
                                       32768,
                                       65535,
                                       65536,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x7fc00000 /* NaN */,
                                       0x7f800000 /* Inf */,
                                       G_MAXUINT64,
                                       G_MAXINT64,
                                       0x7ff8000000000000 };

static void
change (GRand *rand, GByteArray *bytes)
{
  guint at = bytes->len > 0 ? (guint) g_rand_int_range (rand, 0, (gint32) bytes->len) : 0;
  guint64 number = interesting[g_rand_int_range (rand, 0, G_N_ELEMENTS (interesting))];
  guint width = 1u << g_rand_int_range (rand, 0, 4), length;
  guint8 byte = (guint8) g_rand_int_range (rand, 0, 256);

  switch (g_rand_int_range (rand, 0, 6))
    {
    case 0:
      if (bytes->len > 0)
        bytes->data[at] ^= (guint8) (1 << (byte & 7));
      break;
    case 1:
      if (bytes->len > 0)
        bytes->data[at] = byte;
      break;
    case 2:
    case 3:
      if (at + width <= bytes->len)
        memcpy (bytes->data + at, &number, width);
      break;
    case 4:
      length = (guint) g_rand_int_range (rand, 1, 65);
      if (at + length <= bytes->len)
        g_byte_array_remove_range (bytes, at, length);
      break;
    default:
      g_byte_array_append (bytes, &byte, 1);
      break;
    }
}

/* fuzz-NAME N FILE…: each file as it is, then N changed copies of it. */
int
main (int argc, char **argv)
{
  int n_changed = argc > 1 ? atoi (argv[1]) : 0;

  g_print ("1..%d\n", argc - 2);
  for (int f = 2; f < argc; f++)
    {
      g_autofree char *contents = NULL;
      g_autofree char *name = g_path_get_basename (argv[f]);
      g_autoptr (GRand) rand = g_rand_new_with_seed (g_str_hash (name));
      gsize size;

      if (!g_file_get_contents (argv[f], &contents, &size, NULL))
        {
          g_print ("not ok %d - %s cannot be read\n", f - 1, name);
          continue;
        }
      LLVMFuzzerTestOneInput ((const uint8_t *) contents, size);
      for (int n = 0; n < n_changed; n++)
        {
          g_autoptr (GByteArray) bytes = g_byte_array_new ();
          int n_changes = g_rand_int_range (rand, 1, 6);

          g_byte_array_append (bytes, (const guint8 *) contents, (guint) size);
          while (n_changes-- > 0)
            change (rand, bytes);
          LLVMFuzzerTestOneInput (bytes->data, bytes->len);
        }
      g_print ("ok %d - %s and %d changed copies\n", f - 1, name, n_changed);
    }
  return 0;
}
