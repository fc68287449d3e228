/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

char *
fuzz_file_open (const uint8_t *data, size_t size, int *fd)
{
  *fd = memfd_create ("fuzz", MFD_CLOEXEC);
  g_assert (*fd >= 0);
  g_assert (write (*fd, data, size) == (ssize_t) size);
  return g_strdup_printf ("/proc/self/fd/%d", *fd);
}

void
fuzz_file_close (char *path, int fd)
{
  close (fd);
  g_free (path);
}
