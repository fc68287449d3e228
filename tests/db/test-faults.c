/* SPDX-License-Identifier: Apache-2.0 */

/* The disk, or the memory, fails at every n-th call (I2): what was acknowledged before is there,
 * what was refused left no trace, the project opens and checks afterwards.
 *
 * The disk is a shim over SQLite's own VFS, made the default one before a store is opened; it
 * counts the calls that write, and fails those from the n-th on until it is told to stop. */
#include "fixture.h"

#include "volume/memory.h"

#include <sqlite3.h>
#include <string.h>

typedef enum
{
  FAULT_NONE,
  FAULT_FULL, /* SQLITE_FULL at writes */
  FAULT_WRITE, /* SQLITE_IOERR_WRITE, after half of it was written */
  FAULT_SYNC, /* SQLITE_IOERR_FSYNC */
  FAULT_MEMORY, /* sqlite's malloc gives NULL once */
  FAULT_OWN_MEMORY, /* volume/memory.c gives nothing any more */
} Fault;

static struct
{
  GMutex mutex;
  Fault fault;
  int countdown; /* calls left before it strikes */
  gboolean struck;
} shim;

/* TRUE if this call is to fail. Disk faults stay, a failing allocation happens once. */
static gboolean
strikes (Fault fault)
{
  gboolean now = FALSE;

  g_mutex_lock (&shim.mutex);
  if (shim.fault == fault)
    {
      now = shim.countdown <= 0 && !(fault == FAULT_MEMORY && shim.struck);
      shim.countdown--;
      shim.struck |= now;
    }
  g_mutex_unlock (&shim.mutex);
  return now;
}

static void
arm (Fault fault, int countdown)
{
  g_mutex_lock (&shim.mutex);
  shim.fault = fault;
  shim.countdown = countdown;
  shim.struck = FALSE;
  g_mutex_unlock (&shim.mutex);
  if (fault == FAULT_OWN_MEMORY)
    volume_memory_refuse (countdown + 1, G_MAXINT);
  else
    volume_memory_refuse (0, 0);
}

static gboolean
has_struck (void)
{
  return shim.fault == FAULT_OWN_MEMORY ? volume_memory_get_n_refused () > 0 : shim.struck;
}

/* Files */

typedef struct
{
  sqlite3_file base;
  sqlite3_file *real;
} ShimFile;

#define REAL(file) (((ShimFile *) (file))->real)

static int
shim_close (sqlite3_file *file)
{
  int rc = REAL (file)->pMethods->xClose (REAL (file));

  g_free (REAL (file));
  return rc;
}

static int
shim_read (sqlite3_file *file, void *data, int n, sqlite3_int64 at)
{
  return REAL (file)->pMethods->xRead (REAL (file), data, n, at);
}

static int
shim_write (sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
  if (strikes (FAULT_FULL))
    return SQLITE_FULL;
  if (strikes (FAULT_WRITE))
    {
      REAL (file)->pMethods->xWrite (REAL (file), data, n / 2, at);
      return SQLITE_IOERR_WRITE;
    }
  return REAL (file)->pMethods->xWrite (REAL (file), data, n, at);
}

static int
shim_truncate (sqlite3_file *file, sqlite3_int64 size)
{
  return REAL (file)->pMethods->xTruncate (REAL (file), size);
}

static int
shim_sync (sqlite3_file *file, int flags)
{
  if (strikes (FAULT_SYNC))
    return SQLITE_IOERR_FSYNC;
  return REAL (file)->pMethods->xSync (REAL (file), flags);
}

static int
shim_file_size (sqlite3_file *file, sqlite3_int64 *size)
{
  return REAL (file)->pMethods->xFileSize (REAL (file), size);
}

static int
shim_lock (sqlite3_file *file, int lock)
{
  return REAL (file)->pMethods->xLock (REAL (file), lock);
}

static int
shim_unlock (sqlite3_file *file, int lock)
{
  return REAL (file)->pMethods->xUnlock (REAL (file), lock);
}

static int
shim_check_reserved_lock (sqlite3_file *file, int *out)
{
  return REAL (file)->pMethods->xCheckReservedLock (REAL (file), out);
}

static int
shim_file_control (sqlite3_file *file, int op, void *arg)
{
  return REAL (file)->pMethods->xFileControl (REAL (file), op, arg);
}

static int
shim_sector_size (sqlite3_file *file)
{
  return REAL (file)->pMethods->xSectorSize (REAL (file));
}

static int
shim_device_characteristics (sqlite3_file *file)
{
  return REAL (file)->pMethods->xDeviceCharacteristics (REAL (file));
}

static int
shim_shm_map (sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
  return REAL (file)->pMethods->xShmMap (REAL (file), page, size, extend, out);
}

static int
shim_shm_lock (sqlite3_file *file, int offset, int n, int flags)
{
  return REAL (file)->pMethods->xShmLock (REAL (file), offset, n, flags);
}

static void
shim_shm_barrier (sqlite3_file *file)
{
  REAL (file)->pMethods->xShmBarrier (REAL (file));
}

static int
shim_shm_unmap (sqlite3_file *file, int delete)
{
  return REAL (file)->pMethods->xShmUnmap (REAL (file), delete);
}

static const sqlite3_io_methods shim_methods = {
  .iVersion = 2,
  .xClose = shim_close,
  .xRead = shim_read,
  .xWrite = shim_write,
  .xTruncate = shim_truncate,
  .xSync = shim_sync,
  .xFileSize = shim_file_size,
  .xLock = shim_lock,
  .xUnlock = shim_unlock,
  .xCheckReservedLock = shim_check_reserved_lock,
  .xFileControl = shim_file_control,
  .xSectorSize = shim_sector_size,
  .xDeviceCharacteristics = shim_device_characteristics,
  .xShmMap = shim_shm_map,
  .xShmLock = shim_shm_lock,
  .xShmBarrier = shim_shm_barrier,
  .xShmUnmap = shim_shm_unmap,
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs shim_vfs;

static int
shim_open (sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
  ShimFile *self = (ShimFile *) file;
  int rc;

  self->real = g_malloc0 (real_vfs->szOsFile);
  rc = real_vfs->xOpen (real_vfs, name, self->real, flags, out_flags);
  self->base.pMethods = rc == SQLITE_OK ? &shim_methods : NULL;
  if (rc != SQLITE_OK)
    g_clear_pointer (&self->real, g_free);
  return rc;
}

/* Memory */

static sqlite3_mem_methods real_memory;

static void *
shim_malloc (int n)
{
  return strikes (FAULT_MEMORY) ? NULL : real_memory.xMalloc (n);
}

static void *
shim_realloc (void *data, int n)
{
  return strikes (FAULT_MEMORY) ? NULL : real_memory.xRealloc (data, n);
}

static void
install_shims (void)
{
  sqlite3_mem_methods memory;

  g_assert_cmpint (sqlite3_config (SQLITE_CONFIG_GETMALLOC, &real_memory), ==, SQLITE_OK);
  memory = real_memory;
  memory.xMalloc = shim_malloc;
  memory.xRealloc = shim_realloc;
  g_assert_cmpint (sqlite3_config (SQLITE_CONFIG_MALLOC, &memory), ==, SQLITE_OK);
  real_vfs = sqlite3_vfs_find (NULL);
  shim_vfs = *real_vfs;
  shim_vfs.zName = "crosslabel-shim";
  shim_vfs.szOsFile = sizeof (ShimFile);
  shim_vfs.xOpen = shim_open;
  g_assert_cmpint (sqlite3_vfs_register (&shim_vfs, 1), ==, SQLITE_OK);
}

/* The drill */

typedef struct
{
  GBytes *state; /* the labels after the last acknowledged change */
  gint64 head;
  GBytes *maybe; /* and after one that was refused: a failing fsync may have kept it */
  int n_signed, n_signed_maybe;
} Known;

static void
known_clear (Known *known)
{
  g_clear_pointer (&known->state, g_bytes_unref);
  g_clear_pointer (&known->maybe, g_bytes_unref);
}

/* A few changes of all kinds, until one is refused. TRUE if none was. */
static gboolean
work (DbStore *store, DbLabels *labels, Known *known)
{
  for (int n = 0; n < 6; n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (VolumeEdit) edit = NULL;
      gboolean done;

      if (n == 3)
        done = db_labels_undo (labels, &error) >= 0;
      else if (n == 4)
        done = db_store_write (store, db_write_sign_slice (2, 0, known->n_signed, "person", "x"),
                               &error)
               >= 0;
      else
        {
          g_autoptr (VolumeEditBuilder) builder =
              volume_edit_builder_new (db_labels_get_map (labels), NULL);

          /* Each voxel changes, and is another label than its neighbour: several pages. */
          for (int v = 0; v < 4000; v++)
            {
              const int i = v % 20, j = v / 20 % 20, k = v / 400;

              volume_edit_builder_set (
                  builder, i, j, k,
                  volume_label_map_get (db_labels_get_map (labels), i, j, k) == 0 ? 1 + v % 2 : 0);
            }
          edit = volume_edit_builder_end (builder, db_labels_reserve_id (labels),
                                          VOLUME_PROVENANCE_HAND, "test", &error);
          done = edit != NULL && db_labels_commit (labels, edit, NULL, &error) >= 0;
        }
      if (!done)
        {
          g_assert_nonnull (error);
          g_assert_true (error->domain == DB_ERROR
                         || g_error_matches (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE));
          /* Refused: the map shown is the one before. An undo that is on the disk already, and has
           * no memory to be shown, says that the map shown is out of date. */
          if (n != 3)
            fixture_assert_same (db_labels_get_map (labels), known->state);
          known->n_signed_maybe = known->n_signed + (n == 4);
          return FALSE;
        }
      g_clear_pointer (&known->state, g_bytes_unref);
      known->state = fixture_map_bytes (db_labels_get_map (labels));
      known->head = db_labels_get_head (labels);
      known->n_signed += n == 4;
    }
  known->n_signed_maybe = known->n_signed;
  return TRUE;
}

/* FALSE: the fault never struck, the drill is over. */
static gboolean
drill_once (Fixture *self, Fault fault, int countdown)
{
  Known known = { .state = NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelMap) after = NULL;
  DbLabels *labels;
  gboolean struck;
  gint64 head;

  fixture_set_up (self, NULL);
  labels = db_labels_open (self->store, 2, &error);
  g_assert_no_error (error);
  known.state = fixture_map_bytes (db_labels_get_map (labels));
  arm (fault, countdown);
  work (self->store, labels, &known);
  struck = has_struck ();
  g_assert_finalize_object (labels);
  /* Closing goes on failing, as a full disk does. */
  g_clear_object (&self->store);
  arm (FAULT_NONE, 0);

  self->store = db_store_open (self->path, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
  g_assert_true (db_store_verify (self->store, &error));
  g_assert_no_error (error);
  head = db_store_get_case (self->store, 2)->head;
  if (head == known.head)
    {
      after = db_store_read_labels (self->store, 2, -1, &error);
      g_assert_no_error (error);
      fixture_assert_same (after, known.state);
    }
  else
    /* Only a refused change whose bytes had reached the disk may be there after all. */
    g_assert_true (fault == FAULT_SYNC || fault == FAULT_OWN_MEMORY);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_signed, >=, known.n_signed);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_signed, <=, known.n_signed_maybe);

  /* And it goes on. */
  labels = db_labels_open (self->store, 2, &error);
  g_assert_no_error (error);
  g_assert_true (work (self->store, labels, &known));
  g_assert_finalize_object (labels);
  known_clear (&known);
  fixture_tear_down (self, NULL);
  return struck;
}

static void
drill (Fault fault, int step, int limit)
{
  int n_struck = 0;

  for (int countdown = 0; countdown < limit; countdown += step)
    {
      Fixture self = { NULL };

      if (!drill_once (&self, fault, countdown))
        break;
      n_struck++;
    }
  g_test_message ("struck %d times", n_struck);
  g_assert_cmpint (n_struck, >, 3); /* the fault was really there */
}

static void
test_full (void)
{
  drill (FAULT_FULL, g_test_slow () ? 1 : 3, 10000);
}

static void
test_write (void)
{
  drill (FAULT_WRITE, g_test_slow () ? 1 : 3, 10000);
}

static void
test_sync (void)
{
  drill (FAULT_SYNC, 1, 10000);
}

static void
test_memory (void)
{
  drill (FAULT_MEMORY, g_test_slow () ? 1 : 11, 10000);
}

static void
test_own_memory (void)
{
  drill (FAULT_OWN_MEMORY, g_test_slow () ? 1 : 7, 10000);
}

/* Creating on a failing disk: the project is not there, nor is anything else. */
static void
test_create (void)
{
  int n_failed = 0;

  for (int countdown = 0; countdown < 400; countdown += 7)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *folder = g_dir_make_tmp ("crosslabel-db-XXXXXX", NULL);
      g_autofree char *path = g_build_filename (folder, "p.crosslabel", NULL);
      static const char *const names[] = { "a" };
      gboolean done;

      arm (FAULT_FULL, countdown);
      done =
          db_store_create (path, &(DbProjectSpec){ .label_names = names, .n_labels = 1 }, &error);
      arm (FAULT_NONE, 0);
      if (done)
        {
          g_autoptr (DbStore) store = db_store_open (path, DB_OPEN_WRITE, &error);

          g_assert_no_error (error);
          g_assert_nonnull (store);
        }
      else
        {
          g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

          g_assert_true (error->domain == DB_ERROR);
          g_assert_null (g_dir_read_name (dir));
          n_failed++;
        }
      fixture_remove_tree (folder);
      if (done)
        break;
    }
  g_assert_cmpint (n_failed, >, 0);
}

int
main (int argc, char **argv)
{
  install_shims ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/db/faults/create", test_create);
  g_test_add_func ("/db/faults/disk-full", test_full);
  g_test_add_func ("/db/faults/half-written", test_write);
  g_test_add_func ("/db/faults/sync", test_sync);
  g_test_add_func ("/db/faults/memory", test_memory);
  g_test_add_func ("/db/faults/own-memory", test_own_memory);
  return g_test_run ();
}
