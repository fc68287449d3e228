/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/command.h"

#include <glib/gi18n.h>

struct _UiCommand
{
  GObject parent_instance;

  const char *action, *title, *group, *initial; /* of the table below */
  char *accelerator;
};

enum
{
  PROP_0,
  PROP_ACTION,
  PROP_TITLE,
  PROP_GROUP,
  PROP_DEFAULT_ACCELERATOR,
  PROP_ACCELERATOR,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (UiCommand, ui_command, G_TYPE_OBJECT)

typedef struct
{
  const char *group, *action, *accelerator, *title;
} Entry;

static const Entry entries[] = {
  { N_ ("Cases"), "win.next-case", "n", N_ ("Next case") },
  { N_ ("Cases"), "win.previous-case", "<Shift>n", N_ ("Previous case") },
  { N_ ("Cases"), "win.skip-case", "<Control><Shift>n", N_ ("Skip this case…") },
  { N_ ("Cases"), "win.find-case", "<Control>f", N_ ("Search cases") },

  { N_ ("Slices to label"), "win.go-to-tasks", "g", N_ ("Show the slices to be labelled") },
  { N_ ("Slices to label"), "win.sign-here", "<Control>Return", N_ ("Sign off this slice") },
  { N_ ("Slices to label"), "win.move-task-here", "<Control>m",
    N_ ("Label this slice instead of the proposed one") },
  { N_ ("Slices to label"), "win.next-conflict", "k", N_ ("Next disagreement of crossing slices") },
  { N_ ("Slices to label"), "win.interpolate", "<Control>i",
    N_ ("Interpolate between labelled slices") },
  { N_ ("Slices to label"), "win.copy-previous", "<Control>Page_Down",
    N_ ("Copy labels from the slice below") },
  { N_ ("Slices to label"), "win.copy-next", "<Control>Page_Up",
    N_ ("Copy labels from the slice above") },

  { N_ ("Tools"), "win.tool::navigate", "v", N_ ("Navigate") },
  { N_ ("Tools"), "win.tool::window-level", "w", N_ ("Window and Level") },
  { N_ ("Tools"), "win.tool::measure", "m", N_ ("Measure") },
  { N_ ("Tools"), "win.tool::brush", "b", N_ ("Brush") },
  { N_ ("Tools"), "win.tool::eraser", "e", N_ ("Eraser") },
  { N_ ("Tools"), "win.tool::polygon", "p", N_ ("Polygon") },
  { N_ ("Tools"), "win.tool::lasso", "o", N_ ("Lasso") },
  { N_ ("Tools"), "win.tool::livewire", "l", N_ ("Livewire") },
  { N_ ("Tools"), "win.tool::fill", "f", N_ ("Fill Enclosed Area") },
  { N_ ("Tools"), "win.tool::flood", "r", N_ ("Flood Similar Intensity") },
  { N_ ("Tools"), "win.tool::threshold", "t", N_ ("Threshold in Region") },
  { N_ ("Tools"), "win.tool::smooth", "y", N_ ("Smooth Label") },
  { N_ ("Tools"), "win.tool::islands", "i", N_ ("Remove Islands") },
  { N_ ("Tools"), "win.tool::holes", "u", N_ ("Fill Holes") },
  { N_ ("Tools"), "win.tool::prompt-point", "q", N_ ("Point Prompt") },
  { N_ ("Tools"), "win.tool::prompt-box", "z", N_ ("Box Prompt") },
  { N_ ("Tools"), "win.tool::prompt-scribble", "j", N_ ("Scribble Prompt") },
  { N_ ("Tools"), "win.tool-accept", "Return", N_ ("Accept the contour or the answer") },
  { N_ ("Tools"), "win.tool-discard", "Escape", N_ ("Discard the contour or the answer") },
  { N_ ("Tools"), "win.tool-back", "BackSpace", N_ ("Take the last corner or click back") },
  { N_ ("Tools"), "win.prompt-next-mask", "<Shift>q", N_ ("Next answer of a prompt") },
  { N_ ("Tools"), "win.brush-smaller", "bracketleft", N_ ("Smaller brush") },
  { N_ ("Tools"), "win.brush-larger", "bracketright", N_ ("Larger brush") },

  { N_ ("Edits"), "win.undo", "<Control>z", N_ ("Undo") },
  { N_ ("Edits"), "win.redo", "<Control><Shift>z", N_ ("Redo") },

  { N_ ("Labels"), "win.label(int64 1)", "1", N_ ("Label 1") },
  { N_ ("Labels"), "win.label(int64 2)", "2", N_ ("Label 2") },
  { N_ ("Labels"), "win.label(int64 3)", "3", N_ ("Label 3") },
  { N_ ("Labels"), "win.label(int64 4)", "4", N_ ("Label 4") },
  { N_ ("Labels"), "win.label(int64 5)", "5", N_ ("Label 5") },
  { N_ ("Labels"), "win.label(int64 6)", "6", N_ ("Label 6") },
  { N_ ("Labels"), "win.label(int64 7)", "7", N_ ("Label 7") },
  { N_ ("Labels"), "win.label(int64 8)", "8", N_ ("Label 8") },
  { N_ ("Labels"), "win.label(int64 9)", "9", N_ ("Label 9") },

  { N_ ("View"), "win.overlay", "s", N_ ("Show or hide labels") },
  { N_ ("View"), "win.opacity-less", "a", N_ ("Less label opacity") },
  { N_ ("View"), "win.opacity-more", "d", N_ ("More label opacity") },
  { N_ ("View"), "win.crosshair", "x", N_ ("Show or hide the crosshair") },
  { N_ ("View"), "win.centre", "c", N_ ("Centre on the crosshair") },
  { N_ ("View"), "win.fit", "<Control>0", N_ ("Fit the slices into the views") },
  { N_ ("View"), "win.maximise(0)", "<Control>1", N_ ("Axial view alone, or all views") },
  { N_ ("View"), "win.maximise(1)", "<Control>2", N_ ("Coronal view alone, or all views") },
  { N_ ("View"), "win.maximise(2)", "<Control>3", N_ ("Sagittal view alone, or all views") },
  { N_ ("View"), "win.maximise(3)", "<Control>4", N_ ("3-D view alone, or all views") },
  { N_ ("View"), "win.show-cases", "F9", N_ ("Show or hide the cases") },
  { N_ ("View"), "win.show-panel", "<Shift>F9", N_ ("Show or hide labels and settings") },
  { N_ ("View"), "win.fullscreen", "F11", N_ ("Full screen") },

  { N_ ("Window and level"), "win.window-preset::auto", "F2", N_ ("Automatic") },
  { N_ ("Window and level"), "win.window-preset::soft-tissue", "F3", N_ ("CT soft tissue") },
  { N_ ("Window and level"), "win.window-preset::lung", "F4", N_ ("CT lung") },
  { N_ ("Window and level"), "win.window-preset::mediastinum", "F5", N_ ("CT mediastinum") },
  { N_ ("Window and level"), "win.window-preset::bone", "F6", N_ ("CT bone") },
  { N_ ("Window and level"), "win.window-preset::brain", "F7", N_ ("CT brain") },
  { N_ ("Window and level"), "win.window-preset::stroke", "F8", N_ ("CT stroke") },
  { N_ ("Window and level"), "win.window-preset::angio", "<Shift>F8", N_ ("CT angiography") },

  { N_ ("Training"), "win.start-round", "<Control>r", N_ ("Start a round…") },
  { N_ ("Training"), "win.show-rounds", "<Control><Shift>r", N_ ("Rounds") },
  { N_ ("Training"), "win.show-prediction", "<Shift>p", N_ ("Show or hide the prediction") },
  { N_ ("Training"), "win.show-differences", "<Shift>d",
    N_ ("Show or hide where labels and prediction differ") },
  { N_ ("Training"), "win.show-uncertainty", "<Shift>e", N_ ("Show or hide the uncertainty") },
  { N_ ("Training"), "win.review", "<Control>e", N_ ("Review predictions") },
  { N_ ("Training"), "win.review-accept", "<Shift>a", N_ ("Review: accept this place") },
  { N_ ("Training"), "win.review-fix", "<Shift>f", N_ ("Review: fix this place by hand") },
  { N_ ("Training"), "win.review-unsure", "<Shift>u", N_ ("Review: unsure about this place") },
  { N_ ("Training"), "win.review-next", "period", N_ ("Review: next place") },
  { N_ ("Training"), "win.review-previous", "comma", N_ ("Review: previous place") },

  { N_ ("Project"), "app.new-project", "<Control>n", N_ ("New project…") },
  { N_ ("Project"), "app.open-project", "<Control>o", N_ ("Open project…") },
  { N_ ("Project"), "win.import-labels", "<Control><Shift>i", N_ ("Import labels…") },
  { N_ ("Project"), "win.export", "<Control><Shift>e", N_ ("Export labels…") },
  { N_ ("Project"), "win.statistics", "<Control>t", N_ ("Statistics") },
  { N_ ("Project"), "win.close-project", "<Control>w", N_ ("Close project") },
  { N_ ("Project"), "app.preferences", "<Control>comma", N_ ("Preferences") },
  { N_ ("Project"), "app.shortcuts", "<Control>question", N_ ("Keyboard shortcuts") },
  { N_ ("Project"), "app.quit", "<Control>q", N_ ("Quit") },
};

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  UiCommand *self = UI_COMMAND (object);

  switch (id)
    {
    case PROP_ACTION:
      g_value_set_string (value, self->action);
      break;
    case PROP_TITLE:
      g_value_set_string (value, ui_command_get_title (self));
      break;
    case PROP_GROUP:
      g_value_set_string (value, ui_command_get_group (self));
      break;
    case PROP_DEFAULT_ACCELERATOR:
      g_value_set_string (value, self->initial);
      break;
    case PROP_ACCELERATOR:
      g_value_set_string (value, self->accelerator);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  switch (id)
    {
    case PROP_ACCELERATOR:
      ui_command_set_accelerator (UI_COMMAND (object), g_value_get_string (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
ui_command_finalize (GObject *object)
{
  g_free (UI_COMMAND (object)->accelerator);
  G_OBJECT_CLASS (ui_command_parent_class)->finalize (object);
}

static void
ui_command_class_init (UiCommandClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->finalize = ui_command_finalize;
  props[PROP_ACTION] = g_param_spec_string ("action", NULL, NULL, NULL, read);
  props[PROP_TITLE] = g_param_spec_string ("title", NULL, NULL, NULL, read);
  props[PROP_GROUP] = g_param_spec_string ("group", NULL, NULL, NULL, read);
  props[PROP_DEFAULT_ACCELERATOR] =
      g_param_spec_string ("default-accelerator", NULL, NULL, NULL, read);
  props[PROP_ACCELERATOR] =
      g_param_spec_string ("accelerator", NULL, NULL, NULL,
                           G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
ui_command_init (UiCommand *self)
{
}

const char *
ui_command_get_action (UiCommand *self)
{
  return self->action;
}

const char *
ui_command_get_title (UiCommand *self)
{
  return _ (self->title);
}

const char *
ui_command_get_group (UiCommand *self)
{
  return _ (self->group);
}

const char *
ui_command_get_default (UiCommand *self)
{
  return self->initial;
}

const char *
ui_command_get_accelerator (UiCommand *self)
{
  return self->accelerator;
}

void
ui_command_set_accelerator (UiCommand *self, const char *accelerator)
{
  const char *wanted = accelerator != NULL ? accelerator : "";

  if (g_strcmp0 (self->accelerator, wanted) == 0)
    return;
  g_free (self->accelerator);
  self->accelerator = g_strdup (wanted);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_ACCELERATOR]);
}

GListModel *
ui_commands_new (void)
{
  GListStore *store = g_list_store_new (UI_TYPE_COMMAND);

  for (gsize e = 0; e < G_N_ELEMENTS (entries); e++)
    {
      g_autoptr (UiCommand) command = g_object_new (UI_TYPE_COMMAND, NULL);

      command->action = entries[e].action;
      command->title = entries[e].title;
      command->group = entries[e].group;
      command->initial = entries[e].accelerator;
      command->accelerator = g_strdup (entries[e].accelerator);
      g_list_store_append (store, command);
    }
  return G_LIST_MODEL (store);
}

UiCommand *
ui_commands_find (GListModel *commands, const char *action)
{
  guint n = g_list_model_get_n_items (commands);

  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (commands, c);

      if (g_str_equal (command->action, action))
        return command; /* the list keeps it */
    }
  return NULL;
}

UiCommand *
ui_commands_find_key (GListModel *commands, const char *accelerator)
{
  guint n = g_list_model_get_n_items (commands);
  guint keyval = 0;
  GdkModifierType modifiers = 0;

  if (!gtk_accelerator_parse (accelerator, &keyval, &modifiers))
    return NULL;
  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (commands, c);
      guint its_keyval;
      GdkModifierType its_modifiers;

      if (gtk_accelerator_parse (command->accelerator, &its_keyval, &its_modifiers)
          && its_keyval == keyval && its_modifiers == modifiers)
        return command;
    }
  return NULL;
}
