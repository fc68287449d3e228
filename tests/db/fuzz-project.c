/* SPDX-License-Identifier: Apache-2.0 */
#include "db/labels.h"
#include "tests/volume/fuzz.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/* A project.sqlite that anybody may have written: everything a person does with a project. It is
 * refused with a reason, or it works; it never ends the program. */

static void
work_on_case (DbStore *store, gint64 case_id)
{
  G_GNUC_UNUSED g_autoptr (DbDomain) domain = db_store_read_domain (store, case_id, -1, NULL);
  G_GNUC_UNUSED g_autoptr (VolumeLabelMap) old = db_store_read_labels_from_journal (store, case_id, -1, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DbLabels) labels = db_labels_open (store, case_id, &error);
  g_autoptr (VolumeEditBuilder) builder = NULL;
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GListModel) history = NULL;

  g_assert ((labels == NULL) == (error != NULL));
  if (labels == NULL)
    return;
  history = db_labels_get_history (labels, NULL);
  (void) db_labels_undo (labels, NULL);
  (void) db_labels_redo (labels, NULL);
  builder = volume_edit_builder_new (db_labels_get_map (labels), NULL);
  volume_edit_builder_set_run (builder, 0, 0, 0, 5, 1);
  edit = volume_edit_builder_end (builder, db_labels_reserve_id (labels), VOLUME_PROVENANCE_HAND,
                                  "fuzz", NULL);
  if (edit != NULL)
    {
      gint64 id = db_labels_commit (labels, edit, NULL, NULL);

      if (id > 0)
        (void) db_labels_revert (labels, id, NULL);
    }
  (void) db_store_write (store, db_write_sign_slice (case_id, 0, 0, "fuzz", NULL), NULL);
}

static void
work_on_project (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = db_store_open (folder, DB_OPEN_WRITE, &error);
  GListModel *cases;

  g_assert ((store == NULL) == (error != NULL));
  g_assert (error == NULL || error->message[0] != '\0');
  if (store == NULL)
    return;
  (void) db_store_verify (store, NULL);
  cases = db_store_get_cases (store);
  for (guint n = 0; n < MIN (g_list_model_get_n_items (cases), 3); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      work_on_case (store, row->id);
    }
  db_store_close (store);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* In memory where there is such a folder: a hundred times faster than a disk that has to sync. */
  const char *base = g_access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir ();
  g_autofree char *folder = g_build_filename (base, "crosslabel-fuzz-XXXXXX", NULL);
  g_autofree char *file = NULL;
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_assert (g_mkdtemp (folder) != NULL);
  file = g_build_filename (folder, "project.sqlite", NULL);
  g_assert (g_file_set_contents_full (file, (const char *) data, (gssize) size,
                                      G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  work_on_project (folder);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  dir = g_dir_open (folder, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_remove (path);
    }
  g_rmdir (folder);
  return 0;
}
