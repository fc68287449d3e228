/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/pickle.h"

#include <string.h>

#define MAX_PICKLE_BYTES (64u << 20)
/* Together they bound the memory that a hostile pickle can take to some 500 MB. */
#define MAX_VALUES 2000000u
#define MAX_ITEMS 8000000u

/* Opcodes, by the names of the protocol. */
enum
{
  OP_MARK = '(',
  OP_STOP = '.',
  OP_POP = '0',
  OP_BINFLOAT = 'G',
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_NONE = 'N',
  OP_BINPERSID = 'Q',
  OP_REDUCE = 'R',
  OP_BINSTRING = 'T',
  OP_SHORT_BINSTRING = 'U',
  OP_BINUNICODE = 'X',
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_BUILD = 'b',
  OP_GLOBAL = 'c',
  OP_APPENDS = 'e',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_SETITEM = 's',
  OP_TUPLE = 't',
  OP_EMPTY_TUPLE = ')',
  OP_SETITEMS = 'u',
  OP_EMPTY_DICT = '}',
  OP_PROTO = 0x80,
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_LONG1 = 0x8a,
  OP_SHORT_BINUNICODE = 0x8c,
  OP_BINUNICODE8 = 0x8d,
  OP_STACK_GLOBAL = 0x93,
  OP_MEMOIZE = 0x94,
  OP_FRAME = 0x95,
};

typedef enum
{
  GLOBAL_ORDERED_DICT,
  GLOBAL_SIZE,
  GLOBAL_REBUILD_TENSOR,
  GLOBAL_REBUILD_TENSOR_V2,
  GLOBAL_REBUILD_PARAMETER,
  GLOBAL_STORAGE, /* + SegWeightDtype */
} Global;

static const struct
{
  const char *module, *name;
  int global;
} globals[] = {
  { "collections", "OrderedDict", GLOBAL_ORDERED_DICT },
  { "torch", "Size", GLOBAL_SIZE },
  { "torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR },
  { "torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR_V2 },
  { "torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER },
};

static const struct
{
  const char *name;
  SegWeightDtype dtype;
} storage_types[] = {
  { "BoolStorage", SEG_WEIGHT_BOOL }, { "ByteStorage", SEG_WEIGHT_U8 },
  { "CharStorage", SEG_WEIGHT_I8 },   { "ShortStorage", SEG_WEIGHT_I16 },
  { "IntStorage", SEG_WEIGHT_I32 },   { "LongStorage", SEG_WEIGHT_I64 },
  { "HalfStorage", SEG_WEIGHT_F16 },  { "BFloat16Storage", SEG_WEIGHT_BF16 },
  { "FloatStorage", SEG_WEIGHT_F32 }, { "DoubleStorage", SEG_WEIGHT_F64 },
};

typedef struct
{
  const guint8 *start, *at, *end;
  GPtrArray *stack; /* values; NULL is a mark */
  GHashTable *memo; /* index → value */
  guint32 n_memo;
  gsize n_items; /* in all containers */
  SegPickle *pickle;
  const char *what;
  GError **error;
} Machine;

static gboolean
fail (Machine *machine, const char *message)
{
  g_set_error (machine->error, SEG_ERROR, SEG_ERROR_FORMAT,
               "%s: pickle: %s at byte %" G_GSIZE_FORMAT, machine->what, message,
               (gsize) (machine->at - machine->start));
  return FALSE;
}

/* --- values and the stack ------------------------------------------------------------------- */

static void
value_free (gpointer data)
{
  SegPickleValue *self = data;

  g_free (self->text);
  if (self->items != NULL)
    g_ptr_array_unref (self->items);
  g_free (self);
}

static SegPickleValue *
push (Machine *machine, SegPickleKind kind)
{
  SegPickleValue *value = g_new0 (SegPickleValue, 1);

  value->kind = kind;
  if (kind == SEG_PICKLE_LIST || kind == SEG_PICKLE_TUPLE || kind == SEG_PICKLE_DICT)
    value->items = g_ptr_array_new ();
  g_ptr_array_add (machine->pickle->values, value);
  g_ptr_array_add (machine->stack, value);
  return value;
}

static gboolean
push_int (Machine *machine, gint64 integer)
{
  push (machine, SEG_PICKLE_INT)->integer = integer;
  return TRUE;
}

static SegPickleValue *
top (Machine *machine)
{
  GPtrArray *stack = machine->stack;

  return stack->len > 0 ? g_ptr_array_index (stack, stack->len - 1) : NULL;
}

static SegPickleValue *
pop (Machine *machine)
{
  SegPickleValue *value = top (machine);

  if (value == NULL)
    fail (machine, "an empty stack");
  else
    g_ptr_array_set_size (machine->stack, (int) machine->stack->len - 1);
  return value;
}

/* Position above the topmost mark, or −1. */
static int
find_mark (Machine *machine)
{
  for (guint i = machine->stack->len; i > 0; i--)
    if (g_ptr_array_index (machine->stack, i - 1) == NULL)
      return (int) i;
  fail (machine, "no mark");
  return -1;
}

static const guint8 *
take (Machine *machine, guint64 n)
{
  const guint8 *at = machine->at;

  if (n > (guint64) (machine->end - at))
    {
      fail (machine, "it ends early");
      return NULL;
    }
  machine->at += n;
  return at;
}

static gboolean
take_number (Machine *machine, int n_bytes, guint64 *number)
{
  const guint8 *at = take (machine, (guint64) n_bytes);

  *number = 0;
  if (at == NULL)
    return FALSE;
  for (int i = 0; i < n_bytes; i++)
    *number |= (guint64) at[i] << (8 * i);
  return TRUE;
}

/* --- opcodes -------------------------------------------------------------------------------- */

static gboolean
op_string (Machine *machine, int length_bytes)
{
  guint64 length;
  const guint8 *text;

  if (!take_number (machine, length_bytes, &length))
    return FALSE;
  text = take (machine, length);
  if (text == NULL)
    return FALSE;
  if (memchr (text, '\0', length) != NULL
      || !g_utf8_validate ((const char *) text, (gssize) length, NULL))
    return fail (machine, "a string that is not UTF-8");
  push (machine, SEG_PICKLE_STRING)->text = g_strndup ((const char *) text, length);
  return TRUE;
}

static gboolean
op_long (Machine *machine)
{
  guint64 n, bits = 0;
  const guint8 *at;
  GString *hex;

  if (!take_number (machine, 1, &n) || (at = take (machine, n)) == NULL)
    return FALSE;
  if (n <= 8)
    {
      for (guint64 i = 0; i < n; i++)
        bits |= (guint64) at[i] << (8 * i);
      if (n > 0 && n < 8 && (at[n - 1] & 0x80))
        bits |= G_MAXUINT64 << (8 * n);
      return push_int (machine, (gint64) bits);
    }
  hex = g_string_new (NULL);
  for (guint64 i = 0; i < n; i++)
    g_string_append_printf (hex, "%02x", at[i]);
  push (machine, SEG_PICKLE_BIG_INT)->text = g_string_free (hex, FALSE);
  return TRUE;
}

static gboolean
op_float (Machine *machine)
{
  const guint8 *at = take (machine, 8);
  guint64 bits = 0;

  if (at == NULL)
    return FALSE;
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | at[i];
  memcpy (&push (machine, SEG_PICKLE_FLOAT)->number, &bits, sizeof bits);
  return TRUE;
}

static gboolean
op_tuple (Machine *machine, int n)
{
  GPtrArray *stack = machine->stack;
  int from = n >= 0 ? (int) stack->len - n : find_mark (machine);
  g_autoptr (GPtrArray) items = g_ptr_array_new ();

  if (from < 0)
    return n >= 0 ? fail (machine, "an empty stack") : FALSE;
  for (guint i = (guint) from; i < stack->len; i++)
    {
      if (g_ptr_array_index (stack, i) == NULL)
        return fail (machine, "a mark in a tuple");
      g_ptr_array_add (items, g_ptr_array_index (stack, i));
    }
  g_ptr_array_set_size (stack, n >= 0 ? from : from - 1);
  g_ptr_array_extend (push (machine, SEG_PICKLE_TUPLE)->items, items, NULL, NULL);
  return TRUE;
}

/* APPENDS and SETITEMS (down to the mark), APPEND (1) and SETITEM (2). */
static gboolean
op_collect (Machine *machine, SegPickleKind kind, int n)
{
  GPtrArray *stack = machine->stack;
  int from = n > 0 ? (int) stack->len - n : find_mark (machine);
  int container = n > 0 ? from - 1 : from - 2;
  SegPickleValue *into;

  if (from < 0 && n == 0)
    return FALSE;
  into = container >= 0 ? g_ptr_array_index (stack, (guint) container) : NULL;
  if (into == NULL || into->kind != kind)
    return fail (machine,
                 kind == SEG_PICKLE_LIST ? "no list to append to" : "no dictionary to fill");
  if (kind == SEG_PICKLE_DICT && ((int) stack->len - from) % 2 != 0)
    return fail (machine, "a key without a value");
  for (guint i = (guint) from; i < stack->len; i++)
    {
      SegPickleValue *value = g_ptr_array_index (stack, i);

      if (value == NULL || value->kind == SEG_PICKLE_GLOBAL)
        return fail (machine, "a value that is no data");
      g_ptr_array_add (into->items, value);
      machine->n_items++;
    }
  g_ptr_array_set_size (stack, container + 1);
  return TRUE;
}

static gboolean
push_global (Machine *machine, const char *module, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (globals); i++)
    if (strcmp (module, globals[i].module) == 0 && strcmp (name, globals[i].name) == 0)
      {
        push (machine, SEG_PICKLE_GLOBAL)->integer = globals[i].global;
        return TRUE;
      }
  if (strcmp (module, "torch") == 0 || strcmp (module, "torch.cuda") == 0)
    for (gsize i = 0; i < G_N_ELEMENTS (storage_types); i++)
      if (strcmp (name, storage_types[i].name) == 0)
        {
          push (machine, SEG_PICKLE_GLOBAL)->integer = GLOBAL_STORAGE + storage_types[i].dtype;
          return TRUE;
        }
  g_set_error (machine->error, SEG_ERROR, SEG_ERROR_UNSUPPORTED,
               "%s: asks for “%.64s.%.64s”, which is refused: only tensors, dictionaries, lists, "
               "numbers and strings are read from a pickle (a network's state_dict () is made of "
               "them alone)",
               machine->what, module, name);
  return FALSE;
}

static gboolean
op_global (Machine *machine)
{
  g_autofree char *module = NULL;
  g_autofree char *name = NULL;

  for (int i = 0; i < 2; i++)
    {
      const guint8 *newline = memchr (machine->at, '\n', (gsize) (machine->end - machine->at));
      char **out = i == 0 ? &module : &name;

      if (newline == NULL)
        return fail (machine, "it ends early");
      *out = g_utf8_make_valid ((const char *) machine->at, newline - machine->at);
      machine->at = newline + 1;
    }
  return push_global (machine, module, name);
}

static gboolean
op_stack_global (Machine *machine)
{
  const SegPickleValue *name = pop (machine);
  const SegPickleValue *module = name ? pop (machine) : NULL;

  if (module == NULL)
    return FALSE;
  if (name->kind != SEG_PICKLE_STRING || module->kind != SEG_PICKLE_STRING)
    return fail (machine, "a global whose name is no string");
  return push_global (machine, module->text, name->text);
}

static gboolean
op_memo_put (Machine *machine, guint64 index)
{
  SegPickleValue *value = top (machine);

  if (value == NULL)
    return fail (machine, "nothing to remember");
  g_hash_table_insert (machine->memo, GSIZE_TO_POINTER (index), value);
  machine->n_memo = g_hash_table_size (machine->memo);
  return TRUE;
}

static gboolean
op_memo_get (Machine *machine, guint64 index)
{
  SegPickleValue *value = g_hash_table_lookup (machine->memo, GSIZE_TO_POINTER (index));

  if (value == NULL)
    return fail (machine, "a memory it never made");
  g_ptr_array_add (machine->stack, value);
  return TRUE;
}

/* ('storage', type, key, location, n_elements[, view]), view = None or (key, offset, length) */
static gboolean
op_persistent (Machine *machine)
{
  const SegPickleValue *id = pop (machine);
  const SegPickleValue *item[6] = { NULL };
  SegPickleStorage *storage;
  SegPickleValue *value;
  SegWeightDtype dtype;

  if (id == NULL)
    return FALSE;
  if (id->kind != SEG_PICKLE_TUPLE || id->items->len < 5 || id->items->len > 6)
    return fail (machine, "a reference that is no storage");
  for (guint i = 0; i < id->items->len; i++)
    item[i] = g_ptr_array_index (id->items, i);
  if (item[0]->kind != SEG_PICKLE_STRING || strcmp (item[0]->text, "storage") != 0
      || item[1]->kind != SEG_PICKLE_GLOBAL || item[1]->integer < GLOBAL_STORAGE
      || item[2]->kind != SEG_PICKLE_STRING || item[4]->kind != SEG_PICKLE_INT
      || item[4]->integer < 0)
    return fail (machine, "a reference that is no storage");
  dtype = (SegWeightDtype) (item[1]->integer - GLOBAL_STORAGE);
  storage = g_hash_table_lookup (machine->pickle->storages, item[2]->text);
  if (storage == NULL)
    {
      storage = g_new0 (SegPickleStorage, 1);
      storage->key = g_strdup (item[2]->text);
      storage->dtype = dtype;
      storage->n_elements = (guint64) item[4]->integer;
      g_hash_table_insert (machine->pickle->storages, storage->key, storage);
    }
  else if (storage->dtype != dtype || storage->n_elements != (guint64) item[4]->integer)
    return fail (machine, "a storage given twice, differently");
  value = push (machine, SEG_PICKLE_STORAGE);
  value->storage = storage;
  value->length = storage->n_elements;
  if (item[5] != NULL && item[5]->kind == SEG_PICKLE_TUPLE)
    {
      const SegPickleValue *offset, *length;

      if (item[5]->items->len != 3)
        return fail (machine, "a bad view of a storage");
      offset = g_ptr_array_index (item[5]->items, 1);
      length = g_ptr_array_index (item[5]->items, 2);
      if (offset->kind != SEG_PICKLE_INT || length->kind != SEG_PICKLE_INT || offset->integer < 0
          || length->integer < 0 || (guint64) offset->integer > storage->n_elements
          || (guint64) length->integer > storage->n_elements - (guint64) offset->integer)
        return fail (machine, "a view beyond its storage");
      value->offset = (guint64) offset->integer;
      value->length = (guint64) length->integer;
    }
  return TRUE;
}

static gboolean
read_sides (Machine *machine, const SegPickleValue *value, int *n_dims, gint64 *sides)
{
  if (value->kind != SEG_PICKLE_TUPLE && value->kind != SEG_PICKLE_LIST)
    return fail (machine, "a tensor without shape");
  if (value->items->len > SEG_WEIGHT_MAX_DIMS)
    return fail (machine, "a tensor of more than 8 dimensions");
  *n_dims = (int) value->items->len;
  for (int d = 0; d < *n_dims; d++)
    {
      const SegPickleValue *side = g_ptr_array_index (value->items, (guint) d);

      if (side->kind != SEG_PICKLE_INT || side->integer < 0)
        return fail (machine, "a tensor whose shape is no row of whole numbers");
      sides[d] = side->integer;
    }
  return TRUE;
}

/* The last element a tensor shows must lie within its storage. */
static gboolean
check_extent (Machine *machine, const SegPickleValue *tensor, guint64 available)
{
  gsize last = tensor->offset;
  gboolean is_empty = FALSE;

  for (int d = 0; d < tensor->n_dims; d++)
    {
      gsize reach;

      if (tensor->shape[d] == 0)
        {
          is_empty = TRUE;
          continue;
        }
      if (!g_size_checked_mul (&reach, (gsize) tensor->shape[d] - 1, (gsize) tensor->stride[d])
          || !g_size_checked_add (&last, last, reach))
        return fail (machine, "a tensor larger than any memory");
    }
  if (!is_empty && last >= available)
    {
      g_set_error (machine->error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: pickle: a tensor reaches element %" G_GSIZE_FORMAT
                   " of a storage of %" G_GUINT64_FORMAT,
                   machine->what, last, available);
      return FALSE;
    }
  return TRUE;
}

static gboolean
rebuild_tensor (Machine *machine, const GPtrArray *args)
{
  const SegPickleValue *storage, *offset;
  SegPickleValue tensor = { .kind = SEG_PICKLE_TENSOR };
  SegPickleValue *value;
  int n_strides;

  if (args->len < 4)
    return fail (machine, "a tensor with too few arguments");
  storage = g_ptr_array_index (args, 0);
  offset = g_ptr_array_index (args, 1);
  if (storage->kind != SEG_PICKLE_STORAGE || offset->kind != SEG_PICKLE_INT || offset->integer < 0)
    return fail (machine, "a tensor without storage");
  if (!read_sides (machine, g_ptr_array_index (args, 2), &tensor.n_dims, tensor.shape)
      || !read_sides (machine, g_ptr_array_index (args, 3), &n_strides, tensor.stride))
    return FALSE;
  if (n_strides != tensor.n_dims)
    return fail (machine, "a tensor whose shape and strides disagree");
  tensor.storage = storage->storage;
  tensor.offset = (guint64) offset->integer;
  if (!check_extent (machine, &tensor, storage->length))
    return FALSE;
  value = push (machine, SEG_PICKLE_TENSOR);
  tensor.offset += storage->offset;
  *value = tensor;
  return TRUE;
}

/* OrderedDict () or, from Python 2, OrderedDict ([[key, value], …]) */
static gboolean
make_dict (Machine *machine, const GPtrArray *args)
{
  SegPickleValue *dict = push (machine, SEG_PICKLE_DICT);
  const SegPickleValue *pairs = args->len > 0 ? g_ptr_array_index (args, 0) : NULL;

  if (pairs == NULL)
    return TRUE;
  if (pairs->kind != SEG_PICKLE_LIST || args->len > 1)
    return fail (machine, "a dictionary made of something else");
  for (guint i = 0; i < pairs->items->len; i++)
    {
      const SegPickleValue *pair = g_ptr_array_index (pairs->items, i);

      if ((pair->kind != SEG_PICKLE_LIST && pair->kind != SEG_PICKLE_TUPLE)
          || pair->items->len != 2)
        return fail (machine, "a dictionary made of something else");
      g_ptr_array_add (dict->items, g_ptr_array_index (pair->items, 0));
      g_ptr_array_add (dict->items, g_ptr_array_index (pair->items, 1));
    }
  machine->n_items += dict->items->len;
  return TRUE;
}

static gboolean
op_reduce (Machine *machine)
{
  const SegPickleValue *args = pop (machine);
  const SegPickleValue *callable = args ? pop (machine) : NULL;
  SegPickleValue *first;

  if (callable == NULL)
    return FALSE;
  if (callable->kind != SEG_PICKLE_GLOBAL || args->kind != SEG_PICKLE_TUPLE)
    return fail (machine, "a call of something that cannot be called");
  first = args->items->len > 0 ? g_ptr_array_index (args->items, 0) : NULL;
  switch (callable->integer)
    {
    case GLOBAL_ORDERED_DICT:
      return make_dict (machine, args->items);
    case GLOBAL_REBUILD_TENSOR:
    case GLOBAL_REBUILD_TENSOR_V2:
      return rebuild_tensor (machine, args->items);
    case GLOBAL_REBUILD_PARAMETER:
      if (first == NULL || first->kind != SEG_PICKLE_TENSOR)
        return fail (machine, "a parameter without tensor");
      g_ptr_array_add (machine->stack, first);
      return TRUE;
    case GLOBAL_SIZE:
      if (first == NULL || first->kind != SEG_PICKLE_TUPLE)
        return fail (machine, "a size without numbers");
      g_ptr_array_add (machine->stack, first);
      return TRUE;
    default:
      return fail (machine, "a call of something that cannot be called");
    }
}

/* Only OrderedDict carries a state, `_metadata`, which says nothing about the tensors. */
static gboolean
op_build (Machine *machine)
{
  const SegPickleValue *state = pop (machine);
  const SegPickleValue *object = top (machine);

  if (state == NULL)
    return FALSE;
  if (object == NULL || object->kind != SEG_PICKLE_DICT || state->kind != SEG_PICKLE_DICT)
    return fail (machine, "a state for something that has none");
  return TRUE;
}

static gboolean
op_push_bool (Machine *machine, gboolean value)
{
  push (machine, SEG_PICKLE_BOOL)->integer = value;
  return TRUE;
}

static gboolean
step (Machine *machine, guint8 op)
{
  guint64 n;

  switch (op)
    {
    case OP_PROTO:
      if (!take_number (machine, 1, &n))
        return FALSE;
      return (n >= 2 && n <= 5) || fail (machine, "a protocol other than 2 to 5");
    case OP_FRAME:
      return take_number (machine, 8, &n); /* only a hint for readers of streams */
    case OP_MARK:
      g_ptr_array_add (machine->stack, NULL);
      return TRUE;
    case OP_POP:
      return pop (machine) != NULL;
    case OP_NONE:
      return push (machine, SEG_PICKLE_NONE) != NULL;
    case OP_NEWTRUE:
    case OP_NEWFALSE:
      return op_push_bool (machine, op == OP_NEWTRUE);
    case OP_BININT:
      return take_number (machine, 4, &n) && push_int (machine, (gint32) n);
    case OP_BININT1:
      return take_number (machine, 1, &n) && push_int (machine, (gint64) n);
    case OP_BININT2:
      return take_number (machine, 2, &n) && push_int (machine, (gint64) n);
    case OP_LONG1:
      return op_long (machine);
    case OP_BINFLOAT:
      return op_float (machine);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINUNICODE:
      return op_string (machine, 1);
    case OP_BINSTRING:
    case OP_BINUNICODE:
      return op_string (machine, 4);
    case OP_BINUNICODE8:
      return op_string (machine, 8);
    case OP_EMPTY_LIST:
      return push (machine, SEG_PICKLE_LIST) != NULL;
    case OP_EMPTY_DICT:
      return push (machine, SEG_PICKLE_DICT) != NULL;
    case OP_EMPTY_TUPLE:
      return push (machine, SEG_PICKLE_TUPLE) != NULL;
    case OP_TUPLE:
      return op_tuple (machine, -1);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
      return op_tuple (machine, op - OP_TUPLE1 + 1);
    case OP_APPEND:
      return op_collect (machine, SEG_PICKLE_LIST, 1);
    case OP_APPENDS:
      return op_collect (machine, SEG_PICKLE_LIST, 0);
    case OP_SETITEM:
      return op_collect (machine, SEG_PICKLE_DICT, 2);
    case OP_SETITEMS:
      return op_collect (machine, SEG_PICKLE_DICT, 0);
    case OP_BINPUT:
      return take_number (machine, 1, &n) && op_memo_put (machine, n);
    case OP_LONG_BINPUT:
      return take_number (machine, 4, &n) && op_memo_put (machine, n);
    case OP_MEMOIZE:
      return op_memo_put (machine, machine->n_memo);
    case OP_BINGET:
      return take_number (machine, 1, &n) && op_memo_get (machine, n);
    case OP_LONG_BINGET:
      return take_number (machine, 4, &n) && op_memo_get (machine, n);
    case OP_GLOBAL:
      return op_global (machine);
    case OP_STACK_GLOBAL:
      return op_stack_global (machine);
    case OP_BINPERSID:
      return op_persistent (machine);
    case OP_REDUCE:
      return op_reduce (machine);
    case OP_BUILD:
      return op_build (machine);
    default:
      g_set_error (machine->error, SEG_ERROR, SEG_ERROR_UNSUPPORTED,
                   "%s: pickle: the opcode 0x%02x at byte %" G_GSIZE_FORMAT
                   " is refused: only data are read",
                   machine->what, op, (gsize) (machine->at - machine->start - 1));
      return FALSE;
    }
}

static gboolean
run (Machine *machine)
{
  for (;;)
    {
      const guint8 *op = take (machine, 1);

      if (op == NULL)
        return FALSE;
      if (*op == OP_STOP)
        break;
      if (!step (machine, *op))
        return FALSE;
      if (machine->pickle->values->len > MAX_VALUES || machine->stack->len > MAX_VALUES
          || machine->n_memo > MAX_VALUES || machine->n_items > MAX_ITEMS)
        return fail (machine, "too many values");
    }
  machine->pickle->root = pop (machine);
  machine->pickle->n_bytes = (gsize) (machine->at - machine->start);
  if (machine->pickle->root != NULL && machine->pickle->root->kind == SEG_PICKLE_GLOBAL)
    return fail (machine, "a value that is no data");
  return machine->pickle->root != NULL;
}

static void
storage_free (gpointer data)
{
  SegPickleStorage *self = data;

  g_free (self->key);
  g_free (self);
}

SegPickle *
seg_pickle_read (const guint8 *data, gsize size, const char *what, GError **error)
{
  g_autoptr (SegPickle) self = g_new0 (SegPickle, 1);
  Machine machine = { .start = data, .at = data, .what = what, .error = error, .pickle = self };
  gboolean ok;

  /* Longer ones are cut: a pickle of tensors holds names and shapes only. */
  machine.end = data + MIN (size, MAX_PICKLE_BYTES);
  self->values = g_ptr_array_new_with_free_func (value_free);
  self->storages = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, storage_free);
  machine.stack = g_ptr_array_new ();
  machine.memo = g_hash_table_new (g_direct_hash, g_direct_equal);
  ok = run (&machine);
  g_ptr_array_unref (machine.stack);
  g_hash_table_unref (machine.memo);
  return ok ? g_steal_pointer (&self) : NULL;
}

void
seg_pickle_free (SegPickle *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->values);
  g_hash_table_unref (self->storages);
  g_free (self);
}

const SegPickleValue *
seg_pickle_value_get (const SegPickleValue *dict, const char *key)
{
  if (dict == NULL || dict->kind != SEG_PICKLE_DICT)
    return NULL;
  for (guint i = 0; i + 1 < dict->items->len; i += 2)
    {
      const SegPickleValue *k = g_ptr_array_index (dict->items, i);

      if (k->kind == SEG_PICKLE_STRING && strcmp (k->text, key) == 0)
        return g_ptr_array_index (dict->items, i + 1);
    }
  return NULL;
}
