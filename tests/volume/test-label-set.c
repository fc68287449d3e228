/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/label-set.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static VolumeLabelSet *
load_text (const char *text, gssize n, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "labels.txt", NULL);
  VolumeLabelSet *set;

  g_assert_true (g_file_set_contents (path, text, n, NULL));
  set = volume_label_set_load (path, error);
  g_unlink (path);
  return set;
}

static void
assert_label (const VolumeLabelSet *set, guint16 id, const char *name, guint8 r, guint8 g, guint8 b,
              guint8 a)
{
  const VolumeLabel *label = volume_label_set_find (set, id);
  const guint8 rgba[4] = { r, g, b, a };

  g_assert_nonnull (label);
  g_assert_cmpstr (label->name, ==, name);
  g_assert_cmpmem (label->rgba, 4, rgba, 4);
}

static void
test_itk_snap (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelSet) set =
      load_text ("################################################\r\n"
                 "# ITK-SnAP Label Description File\r\n"
                 "    0     0    0    0        0  0  0    \"Clear Label\"\r\n"
                 "    1   255    0    0        1  1  1    \"Left ventricle\"\r\n"
                 "    7     0  255   10     0.50  0  1    \"a \"quoted\" name\"\r\n",
                 -1, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (volume_label_set_get_n (set), ==, 2);
  assert_label (set, 1, "Left ventricle", 255, 0, 0, 255);
  assert_label (set, 7, "a \"quoted\" name", 0, 255, 10, 128);
  g_assert_true (volume_label_set_find (set, 1)->visible);
  g_assert_false (volume_label_set_find (set, 7)->visible);
}

static void
test_slicer (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelSet) ctbl = load_text (
      "# Color table file\n0 Background 0 0 0 0\n2 Left_atrium 10 20 30 255\n5 x 1 2 3\n", -1,
      &error);
  g_autoptr (VolumeLabelSet) csv =
      load_text ("\xef\xbb\xbfLabelValue,Name,Color_R,Color_G,Color_B,Color_A,Other\n"
                 "1,\"Liver, left \"\"lobe\"\"\",221,130,101,200,\n3,Spleen,157,108,162,255,z\n",
                 -1, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (volume_label_set_get_n (ctbl), ==, 2);
  assert_label (ctbl, 2, "Left atrium", 10, 20, 30, 255);
  assert_label (ctbl, 5, "x", 1, 2, 3, 255);
  g_assert_cmpuint (volume_label_set_get_n (csv), ==, 2);
  assert_label (csv, 1, "Liver, left \"lobe\"", 221, 130, 101, 200);
  assert_label (csv, 3, "Spleen", 157, 108, 162, 255);
}

static void
test_round_trips (void)
{
  static const char *const suffixes[] = { "label", "ctbl", "csv" };
  g_autoptr (VolumeLabelSet) set = volume_label_set_new ();

  volume_label_set_put (set, 65535, "Größe, \"x\"", NULL);
  volume_label_set_put (set, 2, "Left atrium", (guint8[]){ 1, 2, 3, 77 });
  volume_label_set_put (set, 3, "c", NULL);
  volume_label_set_set_visible (set, 3, FALSE);
  for (gsize s = 0; s < G_N_ELEMENTS (suffixes); s++)
    {
      g_autofree char *name = g_strdup_printf ("set.%s", suffixes[s]);
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (VolumeLabelSet) back = NULL;

      g_assert_true (volume_label_set_save (set, path, &error));
      back = volume_label_set_load (path, &error);
      g_unlink (path);
      g_assert_no_error (error);
      g_assert_cmpuint (volume_label_set_get_n (back), ==, 3);
      for (gsize l = 0; l < 3; l++)
        {
          const VolumeLabel *a = volume_label_set_get (set, l), *b = volume_label_set_get (back, l);

          g_assert_cmpint (a->id, ==, b->id);
          g_assert_cmpmem (a->rgba, 4, b->rgba, 4);
          if (s == 0) /* ITK-SNAP's format has no way to write a quote */
            g_assert_cmpstr (b->name, ==, l == 0 ? "Größe, 'x'" : a->name);
          else
            g_assert_cmpstr (b->name, ==, a->name);
          g_assert_cmpint (b->visible, ==, s == 0 ? a->visible : TRUE);
        }
    }
}

static void
test_refusals (void)
{
  static const char *const bad[] = {
    "",
    "# only a comment\n",
    "hello world\n",
    "1 255 0 0 1 1 1 no quotes\n",
    "70000 x 1 2 3 255\n",
    "1 x 256 2 3 255\n",
    "1 x -1 2 3\n",
    "1 x nan 2 3\n",
    "1 x\n",
    "LabelValue,Name,Color_R,Color_G,Color_B\n1,x,1,2\n",
    "LabelValue,Name,Color_R,Color_G,Color_B\nx,x,1,2,3\n",
    "LabelValue,Name,Color_R,Color_G,Color_B\n1\n",
  };
  g_autoptr (GError) error = NULL;

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++)
    {
      g_assert_null (load_text (bad[b], -1, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
      g_clear_error (&error);
    }
  g_assert_null (load_text ("1 a\0b 1 2 3\n", 12, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (volume_label_set_load (folder, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (volume_label_set_load ("/nowhere/x.label", &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_NOT_FOUND);
}

static void
test_names_are_cleaned (void)
{
  g_autoptr (VolumeLabelSet) set = volume_label_set_new ();
  g_autofree char *longest = g_strnfill (100000, 'x');

  volume_label_set_put (set, 1, "  a\nb\xff\x7f ", NULL);
  g_assert_true (g_utf8_validate (volume_label_set_find (set, 1)->name, -1, NULL));
  g_assert_null (strchr (volume_label_set_find (set, 1)->name, '\n'));
  volume_label_set_put (set, 2, longest, NULL);
  g_assert_cmpuint (strlen (volume_label_set_find (set, 2)->name), <=, 255);
  volume_label_set_put (set, 1, "again", NULL); /* replaces, keeps place and colour */
  g_assert_cmpuint (volume_label_set_get_n (set), ==, 2);
  g_assert_cmpstr (volume_label_set_get (set, 0)->name, ==, "again");
  g_assert_true (volume_label_set_remove (set, 1));
  g_assert_false (volume_label_set_remove (set, 1));
}

/* The first round of colours differs by more than red against green: what a deuteranope is left
 * with (the cones' weighted sum, and blue) stays apart. Later rounds are at least colours of their
 * own. */
static void
test_palette (void)
{
  for (gsize a = 0; a < 28; a++)
    for (gsize b = 0; b < a; b++)
      {
        guint8 x[4], y[4];
        double lightness, blue, all = 0;

        volume_label_palette (a, x);
        volume_label_palette (b, y);
        lightness = 0.3 * (x[0] - y[0]) + 0.59 * (x[1] - y[1]);
        blue = x[2] - y[2];
        for (int c = 0; c < 3; c++)
          all += (x[c] - y[c]) * (x[c] - y[c]);
        if (a < 7)
          g_assert_cmpfloat (lightness * lightness + blue * blue, >, 30 * 30);
        g_assert_cmpfloat (all, >, 12 * 12);
      }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("crosslabel-labels-XXXXXX", NULL);
  g_test_add_func ("/volume/label-set/itk-snap", test_itk_snap);
  g_test_add_func ("/volume/label-set/slicer", test_slicer);
  g_test_add_func ("/volume/label-set/round-trips", test_round_trips);
  g_test_add_func ("/volume/label-set/refusals", test_refusals);
  g_test_add_func ("/volume/label-set/names-are-cleaned", test_names_are_cleaned);
  g_test_add_func ("/volume/label-set/palette", test_palette);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
