/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/generalists.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

static const AppGeneralistSource sources[] = {
  { "MobileSAM", "mobile_sam.pt",
    "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
    "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f", "Apache-2.0", 40728226 },
  { "SAM ViT-B", "sam_vit_b_01ec64.pth",
    "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
    "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", "Apache-2.0", 375042383 },
  { "SAM ViT-L", "sam_vit_l_0b3195.pth",
    "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_l_0b3195.pth",
    "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", "Apache-2.0", 1249524607 },
  { "SAM ViT-H", "sam_vit_h_4b8939.pth",
    "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_h_4b8939.pth",
    "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", "Apache-2.0", 2564550879 },
  { "MedSAM, LiteMedSAM", NULL, "https://github.com/bowang-lab/MedSAM", NULL, "Apache-2.0", 0 },
  { "SAM-Med2D", NULL, "https://github.com/OpenGVLab/SAM-Med2D", NULL, "Apache-2.0", 0 },
  { NULL },
};

const AppGeneralistSource *
app_generalists_get_sources (void)
{
  return sources;
}

void
app_generalist_free (AppGeneralist *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_free (self->name);
  g_free (self->sha256);
  g_free (self->problem);
  g_free (self);
}

char *
app_generalists_get_folder (void)
{
  return g_build_filename (g_get_user_data_dir (), "crosslabel", "models", NULL);
}

/* Operations of one encoding, in thousand millions. */
static double
encoding_gflop (SegGeneralistKind kind)
{
  switch (kind)
    {
    case SEG_GENERALIST_SAM_VIT_B:
    case SEG_GENERALIST_MEDSAM:
      return 972;
    case SEG_GENERALIST_SAM_VIT_L:
      return 2986;
    case SEG_GENERALIST_SAM_VIT_H:
      return 5961;
    case SEG_GENERALIST_MOBILE_SAM:
    case SEG_GENERALIST_LITEMEDSAM:
      return 78;
    case SEG_GENERALIST_SAM_MED2D:
      return 92;
    default:
      return 0;
    }
}

static char *
hash_file (const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, error);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *block = g_malloc (1 << 20);
  gssize n;

  if (stream == NULL)
    return NULL;
  while ((n = g_input_stream_read (G_INPUT_STREAM (stream), block, 1 << 20, NULL, error)) > 0)
    g_checksum_update (sum, block, n);
  return n == 0 ? g_strdup (g_checksum_get_string (sum)) : NULL;
}

AppGeneralist *
app_generalist_look (const char *path)
{
  AppGeneralist *self = g_new0 (AppGeneralist, 1);
  g_autoptr (GError) error = NULL;
  SegGeneralistProbe probe;
  GStatBuf info;

  self->path = g_strdup (path);
  if (g_stat (path, &info) == 0)
    self->size_bytes = (guint64) info.st_size;
  if (!seg_generalist_probe (path, &probe, &error)
      || (self->sha256 = hash_file (path, &error)) == NULL)
    {
      self->problem = g_strdup (error->message);
      return self;
    }
  self->kind = probe.kind;
  self->name = g_strdup (probe.name);
  self->gflop = encoding_gflop (probe.kind);
  for (const AppGeneralistSource *source = sources; source->name != NULL; source++)
    if (g_strcmp0 (source->sha256, self->sha256) == 0)
      {
        self->official = TRUE;
        self->licence = source->licence;
      }
  return self;
}

static gint
compare_paths (gconstpointer a, gconstpointer b)
{
  const AppGeneralist *const *x = a, *const *y = b;

  return strcmp ((*x)->path, (*y)->path);
}

GPtrArray *
app_generalists_list (const char *folder)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) app_generalist_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (name[0] != '.' && g_file_test (path, G_FILE_TEST_IS_REGULAR))
        g_ptr_array_add (list, app_generalist_look (path));
    }
  g_ptr_array_sort (list, compare_paths);
  return list;
}

char *
app_generalists_add (const char *folder, const char *path, GError **error)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *target = g_build_filename (folder, base, NULL);
  g_autofree char *half = g_strdup_printf ("%s/.%s.part", folder, base);
  g_autoptr (GFile) from = g_file_new_for_path (path);
  g_autoptr (GFile) to = g_file_new_for_path (half);
  g_autoptr (AppGeneralist) looked = app_generalist_look (path);

  if (looked->problem != NULL)
    {
      g_set_error_literal (error, SEG_ERROR, SEG_ERROR_MISMATCH, looked->problem);
      return NULL;
    }
  if (g_file_test (target, G_FILE_TEST_EXISTS))
    {
      g_autofree char *there = hash_file (target, error);

      if (there == NULL)
        return NULL;
      if (strcmp (there, looked->sha256) == 0)
        return g_steal_pointer (&target);
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   _ ("Another model of the name %s is there already."), base);
      return NULL;
    }
  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: %s", folder, g_strerror (errno));
      return NULL;
    }
  if (!g_file_copy (from, to, G_FILE_COPY_OVERWRITE, NULL, NULL, NULL, error))
    {
      g_unlink (half);
      return NULL;
    }
  if (g_rename (half, target) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: %s", target, g_strerror (errno));
      g_unlink (half);
      return NULL;
    }
  return g_steal_pointer (&target);
}

gboolean
app_generalists_remove (const char *folder, const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);

  if (strcmp (parent, folder) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "%s: not in %s", base, folder);
      return FALSE;
    }
  if (g_unlink (path) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: %s", base, g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}
