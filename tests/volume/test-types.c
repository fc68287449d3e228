/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/volume-types.h"

static void
test_plane_names (void)
{
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      const char *name = volume_plane_get_name (p);
      const char initial[2] = { name[0], '\0' };
      VolumePlane found = (VolumePlane) -1;

      g_assert_true (volume_plane_from_name (name, &found));
      g_assert_cmpint (found, ==, p);
      g_assert_true (volume_plane_from_name (initial, &found));
      g_assert_cmpint (found, ==, p);
    }
}

static void
test_plane_refuses_others (void)
{
  VolumePlane plane = VOLUME_PLANE_CORONAL;

  g_assert_false (volume_plane_from_name ("", &plane));
  g_assert_false (volume_plane_from_name ("Axial", &plane));
  g_assert_false (volume_plane_from_name ("axials", &plane));
  g_assert_cmpint (plane, ==, VOLUME_PLANE_CORONAL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/types/plane-names", test_plane_names);
  g_test_add_func ("/volume/types/plane-refuses-others", test_plane_refuses_others);
  return g_test_run ();
}
