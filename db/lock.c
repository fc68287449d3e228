/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/lock-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct _DbLock
{
  int fd;
};

/* From statfs(2) and the kernel's magic.h. FUSE is judged by its subtype, see below. */
static const struct
{
  guint64 type;
  const char *name;
} unsafe_types[] = {
  { 0x6969, "NFS" },       { 0x517b, "SMB" },        { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB2" },
  { 0x01021997, "9P" },    { 0x5346414f, "AFS" },    { 0x6b414653, "AFS" },  { 0x73757245, "Coda" },
  { 0x00c36400, "Ceph" },  { 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS" }, { 0x564c, "NCP" },
  { 0xaad7aaea, "PanFS" }, { 0x19830326, "FhGFS" },
};
#define FUSE_TYPE 0x65735546
#define OWNER_MAX 512

const char *
db_lock_unsafe_name (guint64 type)
{
  for (gsize t = 0; t < G_N_ELEMENTS (unsafe_types); t++)
    if (unsafe_types[t].type == type)
      return unsafe_types[t].name;
  return NULL;
}

/* "fuse.sshfs" of the mount that holds @folder: the line of mountinfo with its device number. */
static char *
fuse_subtype (const char *folder)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autofree char *device = NULL;
  struct stat st;

  if (stat (folder, &st) != 0 || !g_file_get_contents ("/proc/self/mountinfo", &text, NULL, NULL))
    return NULL;
  device = g_strdup_printf (" %u:%u ", (guint) (st.st_dev >> 8 & 0xfff),
                            (guint) ((st.st_dev & 0xff) | (st.st_dev >> 12 & 0xfff00)));
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      const char *tail = strstr (*line, " - ");

      if (tail != NULL && strstr (*line, device) != NULL)
        return g_strndup (tail + 3, strcspn (tail + 3, " "));
    }
  return NULL;
}

static gboolean
fuse_is_local (const char *subtype)
{
  static const char *const local[] = { "fuseblk", "fuse.fuse-overlayfs", "fuse.gocryptfs",
                                       "fuse.encfs", "fuse.bindfs" };

  for (gsize n = 0; subtype != NULL && n < G_N_ELEMENTS (local); n++)
    if (strcmp (subtype, local[n]) == 0)
      return TRUE;
  return FALSE;
}

gboolean
db_lock_check_file_system (const char *folder, GError **error)
{
  g_autofree char *subtype = NULL;
  const char *name;
  struct statfs st;

  if (statfs (folder, &st) != 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: %s", folder, g_strerror (errno));
      return FALSE;
    }
  name = db_lock_unsafe_name ((guint64) (guint32) st.f_type);
  if ((guint32) st.f_type == FUSE_TYPE)
    {
      subtype = fuse_subtype (folder);
      if (!fuse_is_local (subtype))
        name = subtype != NULL ? subtype : "FUSE";
    }
  if (name == NULL)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_UNSAFE,
               "%s: this is a %s file system, on which a project can be damaged by two programs "
               "writing it; keep the project on a local disk (the scans may stay where they are)",
               folder, name);
  return FALSE;
}

/* What the owner wrote about itself, or "". */
static void
read_owner (int fd, char owner[OWNER_MAX])
{
  gssize length = pread (fd, owner, OWNER_MAX - 1, 0);

  owner[MAX (length, 0)] = '\0';
  g_strdelimit (g_strchomp (owner), "\n\r", ' ');
  if (!g_utf8_validate (owner, -1, NULL))
    owner[0] = '\0';
}

/* Does the one named still run? Of another machine nothing is known. */
static gboolean
owner_lives (const char *owner)
{
  g_autofree char *own_host = g_strdup_printf (" on %s since ", g_get_host_name ());
  g_autofree char *path = NULL;
  g_autofree char *stat_line = NULL;
  const char *state;
  int pid;

  if (sscanf (owner, "process %d on ", &pid) != 1)
    return FALSE;
  if (strstr (owner, own_host) == NULL)
    return TRUE;
  path = g_strdup_printf ("/proc/%d/stat", pid);
  if (!g_file_get_contents (path, &stat_line, NULL, NULL))
    return FALSE;
  state = strrchr (stat_line, ')');
  return state == NULL || (strncmp (state, ") Z", 3) != 0 && strncmp (state, ") X", 3) != 0);
}

/* A program that was killed leaves its name, and holds the lock until the system has cleared it
 * away; one that has just taken the lock has not written its name yet. Both take a moment. */
static gboolean
wait_for_lock (int fd, const char *folder, GError **error)
{
  g_autofree char *name = g_path_get_basename (folder);
  char owner[OWNER_MAX];

  for (int patience = 0; flock (fd, LOCK_EX | LOCK_NB) != 0; patience++)
    {
      gboolean lives;

      read_owner (fd, owner);
      lives = owner_lives (owner);
      if (!lives && patience < 20)
        {
          g_usleep (50 * G_TIME_SPAN_MILLISECOND);
          continue;
        }
      g_set_error (error, DB_ERROR, DB_ERROR_LOCKED, "%s: in use by %s", name,
                   lives ? owner : "another program");
      return FALSE;
    }
  return TRUE;
}

static void
write_owner (int fd)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *since = g_date_time_format (now, "%Y-%m-%d %H:%M:%S");
  g_autofree char *text =
      g_strdup_printf ("process %d on %s since %s\n", (int) getpid (), g_get_host_name (), since);

  /* Only words for people: not worth a failure. */
  if (ftruncate (fd, 0) != 0 || pwrite (fd, text, strlen (text), 0) < 0)
    g_debug ("lock: %s", g_strerror (errno));
}

DbLock *
db_lock_take (const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "project.lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  DbLock *self;

  if (fd < 0)
    {
      g_set_error (error, DB_ERROR, errno == ENOSPC ? DB_ERROR_FULL : DB_ERROR_READ_ONLY,
                   "%s: the project cannot be locked: %s", folder, g_strerror (errno));
      return NULL;
    }
  if (!wait_for_lock (fd, folder, error))
    {
      close (fd);
      return NULL;
    }
  write_owner (fd);
  self = g_new0 (DbLock, 1);
  self->fd = fd;
  return self;
}

void
db_lock_release (DbLock *self)
{
  if (self == NULL)
    return;
  if (ftruncate (self->fd, 0) != 0)
    g_debug ("lock: %s", g_strerror (errno));
  close (self->fd); /* the file stays: removing it would race with its next owner */
  g_free (self);
}
