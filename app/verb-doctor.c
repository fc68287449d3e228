/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/json-output.h"
#include "app/verbs.h"
#include "db/store.h"
#include "seg/tensor/context.h"
#ifdef HAVE_RENDER
#include "render/device.h"
#endif

#include <gio/gio.h>
#include <sqlite3.h>
#ifdef HAVE_UI
#include "ui/render-paintable.h"

#include <adwaita.h>
#endif

#include <string.h>
#include <unistd.h>

/* What is missing, and how to get it: pairs of sentences. */
typedef struct
{
  JsonBuilder *builder; /* NULL for text */
  GPtrArray *missing;
} Doctor;

static void say (Doctor *self, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
say (Doctor *self, const char *name, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (self->builder != NULL)
    app_json_add_string (self->builder, name, text);
  else
    g_print ("%-14s %s\n", name, text);
}

static void
miss (Doctor *self, const char *what, const char *remedy)
{
  g_ptr_array_add (self->missing, (gpointer) what);
  g_ptr_array_add (self->missing, (gpointer) remedy);
}

static void
report_libraries (Doctor *self)
{
  say (self, "program", "Crosslabel %s", PACKAGE_VERSION);
  say (self, "glib", "%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
  say (self, "sqlite", "%s", sqlite3_libversion ());
  if (sqlite3_libversion_number () < 3040000)
    miss (self, "SQLite is older than 3.40.", "Update libsqlite3-0.");
#ifdef HAVE_UI
  say (self, "gtk", "%u.%u.%u", gtk_get_major_version (), gtk_get_minor_version (),
       gtk_get_micro_version ());
  say (self, "libadwaita", "%u.%u.%u", adw_get_major_version (), adw_get_minor_version (),
       adw_get_micro_version ());
#else
  say (self, "gtk", "not built in (-Dui=disabled): the command line only");
#endif
}

#ifdef HAVE_UI
static void
report_display (Doctor *self)
{
  const char *wayland = g_getenv ("WAYLAND_DISPLAY");
  const char *x11 = g_getenv ("DISPLAY");

  if (wayland != NULL && wayland[0] != '\0')
    say (self, "display", "Wayland, %s", wayland);
  else if (x11 != NULL && x11[0] != '\0')
    say (self, "display", "X11, %s", x11);
  else
    {
      say (self, "display", "none");
      miss (self, "There is no display: the window cannot open.",
            "Log in to a desktop, or use the verbs, which need none.");
    }
}
#endif

static void
report_machine (Doctor *self)
{
  const double gib = 1024.0 * 1024 * 1024;
  const double total = (double) sysconf (_SC_PHYS_PAGES) * (double) sysconf (_SC_PAGESIZE);

  say (self, "processors", "%u", g_get_num_processors ());
  say (self, "memory", "%.1f GiB", total / gib);
  if (total < 7.5 * gib)
    miss (self, "There is less than 8 GiB of memory.", "Train with --profile laptop.");
}

static void
begin_list (Doctor *self, const char *name)
{
  if (self->builder == NULL)
    return;
  json_builder_set_member_name (self->builder, name);
  json_builder_begin_array (self->builder);
}

static void
end_list (Doctor *self)
{
  if (self->builder != NULL)
    json_builder_end_array (self->builder);
}

#ifdef HAVE_RENDER
static void
add_vulkan_device (Doctor *self, const RenderDeviceInfo *info)
{
  const guint32 v = info->api_version;

  if (self->builder == NULL)
    {
      g_print ("%-14s %s, %s, Vulkan %u.%u.%u%s%s%s\n", "vulkan", info->name, info->driver, v >> 22,
               v >> 12 & 0x3ff, v & 0xfff, info->is_software ? ", in software" : "",
               info->score < 0 ? ", not used: " : "", info->score < 0 ? info->why_not : "");
      return;
    }
  json_builder_begin_object (self->builder);
  app_json_add_string (self->builder, "name", info->name);
  app_json_add_string (self->builder, "driver", info->driver);
  app_json_add_boolean (self->builder, "software", info->is_software);
  app_json_add_boolean (self->builder, "usable", info->score >= 0);
  app_json_add_string (self->builder, "why_not", info->score < 0 ? info->why_not : NULL);
  json_builder_end_object (self->builder);
}

static void
report_vulkan (Doctor *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) devices = render_device_list (&error);
  gboolean usable = FALSE;
  gboolean hardware = FALSE;

  begin_list (self, "vulkan");
  for (guint d = 0; devices != NULL && d < devices->len; d++)
    {
      const RenderDeviceInfo *info = &g_array_index (devices, RenderDeviceInfo, d);

      add_vulkan_device (self, info);
      usable |= info->score >= 0;
      hardware |= info->score >= 0 && !info->is_software;
    }
  end_list (self);
  if (devices == NULL && self->builder == NULL)
    g_print ("%-14s %s\n", "vulkan", error->message);
  if (!usable)
    miss (self, "No Vulkan device can be used: slices cannot be drawn.",
          "apt-get install mesa-vulkan-drivers (draws on the processor and on AMD and Intel GPUs)");
  else if (!hardware)
    miss (self, "Vulkan draws on the processor.",
          "With a GPU, install its Vulkan driver; without one this is as it should be.");
}

#ifdef HAVE_UI
/* How pictures come to the display; a copy is no fault, but it is said. */
static void
report_presentation (Doctor *self)
{
  g_autoptr (RenderDevice) device = render_device_new (NULL, NULL);
  g_autofree char *how = NULL;

  if (device == NULL)
    return;
  how = ui_render_paintable_agree (device, gtk_init_check () ? gdk_display_get_default () : NULL);
  say (self, "presentation", "%s", how);
}
#endif
#else
static void
report_vulkan (Doctor *self)
{
  begin_list (self, "vulkan");
  end_list (self);
  if (self->builder == NULL)
    g_print ("%-14s %s\n", "vulkan", "not built in (-Drender=disabled)");
}
#endif

/* The device that training and prompts would use, and why the others are not. */
static void
report_engine (Doctor *self)
{
  g_auto (GStrv) backends = seg_device_describe_all ();
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (g_getenv ("CROSSLABEL_DEVICE"), 0, &error);
  gboolean has_cpu = FALSE;

  begin_list (self, "backends");
  for (char **line = backends; *line != NULL; line++)
    {
      if (self->builder != NULL)
        json_builder_add_string_value (self->builder, *line);
      else
        g_print ("%-14s %s\n", "backend", *line);
    }
  end_list (self);
  if (device == NULL)
    {
      say (self, "engine", "none: %s", error->message);
      miss (self, "The engine has no device to compute on.",
            "Unset CROSSLABEL_DEVICE, or build again.");
      return;
    }
  say (self, "engine", "%s, %s", seg_device_get_backend (device)->name,
       seg_device_get_info (device)->name);
  has_cpu = strcmp (seg_device_get_backend (device)->name, "ref") != 0;
  if (!has_cpu)
    miss (self, "Only the plain reference backend runs: training would take days.",
          "apt-get install libdnnl-dev, and build again");
}

static void
report_missing (Doctor *self)
{
  begin_list (self, "missing");
  for (guint m = 0; m + 1 < self->missing->len; m += 2)
    {
      const char *what = g_ptr_array_index (self->missing, m);
      const char *remedy = g_ptr_array_index (self->missing, m + 1);

      if (self->builder == NULL)
        g_print ("%s%s\n%-14s → %s\n", m == 0 ? "\n" : "", what, "", remedy);
      else
        {
          json_builder_begin_object (self->builder);
          app_json_add_string (self->builder, "what", what);
          app_json_add_string (self->builder, "remedy", remedy);
          json_builder_end_object (self->builder);
        }
    }
  end_list (self);
}

int
app_verb_doctor (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  g_autoptr (JsonBuilder) builder = NULL;
  g_autoptr (GError) error = NULL;
  Doctor self = { .missing = missing };

  g_option_context_set_summary (context,
                                "Devices, backends, libraries: what is here, what is missing, and "
                                "how to get it.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("doctor: %s", error->message);
  if (argc != 1)
    return app_usage ("doctor takes nothing but options");
  if (json)
    {
      self.builder = builder = json_builder_new ();
      json_builder_begin_object (builder);
    }
  report_libraries (&self);
  report_machine (&self);
#ifdef HAVE_UI
  report_display (&self);
#endif
  report_vulkan (&self);
#if defined HAVE_RENDER && defined HAVE_UI
  report_presentation (&self);
#endif
  report_engine (&self);
  report_missing (&self);
  if (!json)
    return APP_EXIT_OK;
  json_builder_end_object (builder);
  return app_json_print (builder);
}
