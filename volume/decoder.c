/* SPDX-License-Identifier: Apache-2.0 */

/* crosslabel-decode KIND < FILE: reads one HDF5 file or picture for volume/load-decoded.c.
 *
 * A program of its own, because libhdf5 is not to be trusted with hostile files: whatever happens
 * here happens under limits of memory and time and cannot touch anybody's unsaved labels. KIND is
 * image, labels or rgb. */

#include "config.h"

#include "volume/decoder-protocol.h"
#include "volume/scan.h"

#include <errno.h>
#include <hdf5.h>
#include <jerror.h>
#include <jpeglib.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_LIMIT ((rlim_t) 1 << 30)
#define CPU_LIMIT_SECONDS 100
#define MAX_SIDE 65535
#define BLOCK_BYTES ((gsize) 64 << 20)
#define CHUNK_CACHE_BYTES ((gsize) 64 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

typedef enum
{
  KIND_IMAGE,
  KIND_LABELS,
  KIND_RGB
} Kind;

/* Output */

static void
send_bytes (gconstpointer data, gsize n)
{
  const guint8 *at = data;

  while (n > 0)
    {
      gssize done = write (STDOUT_FILENO, at, n);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        _exit (2); /* nobody listens any more */
      at += done;
      n -= (gsize) done;
    }
}

static void G_GNUC_NORETURN G_GNUC_PRINTF (2, 3) fail (VolumeError code, const char *format, ...)
{
  char text[VOLUME_DECODER_MAX_TEXT];
  VolumeDecoderReply reply = { .magic = VOLUME_DECODER_MAGIC,
                               .kind = VOLUME_DECODER_ERROR,
                               .code = code };
  va_list args;

  va_start (args, format);
  g_vsnprintf (text, sizeof text, format, args);
  va_end (args);
  reply.n_bytes = strlen (text);
  send_bytes (&reply, sizeof reply);
  send_bytes (text, reply.n_bytes);
  _exit (1);
}

static void
send_reply (VolumeDecoderReply *reply)
{
  reply->magic = VOLUME_DECODER_MAGIC;
  send_bytes (reply, sizeof *reply);
}

static gpointer
alloc (guint64 n_bytes)
{
  gpointer memory = n_bytes < G_MAXSIZE ? malloc (MAX (n_bytes, 1)) : NULL;

  if (memory == NULL)
    fail (VOLUME_ERROR_TOO_LARGE, "it needs more memory than is allowed");
  return memory;
}

static void
check_picture (guint64 width, guint64 height)
{
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE)
    fail (VOLUME_ERROR_TOO_LARGE,
          "a picture of %" G_GUINT64_FORMAT " × %" G_GUINT64_FORMAT
          " pixels; %d along a side can be",
          width, height, MAX_SIDE);
}

/* Rows from colours, in place. ITU-R BT.601. */
static void
row_to_luminance (guint8 *row, guint32 width)
{
  for (guint32 x = 0; x < width; x++)
    row[x] = (guint8) ((299u * row[3 * x] + 587u * row[3 * x + 1] + 114u * row[3 * x + 2] + 500u)
                       / 1000u);
}

/* PNG */

static void
png_error_cb (png_structp png, png_const_charp message)
{
  fail (VOLUME_ERROR_FORMAT, "a damaged PNG picture (%s)", message);
}

static void
png_warning_cb (png_structp png, png_const_charp message)
{
}

/* What the rows shall be: bytes or, for grey alone, 16-bit numbers; never alpha. */
static void
set_png_form (png_structp png, png_infop info, Kind kind)
{
  int colour = png_get_color_type (png, info), depth = png_get_bit_depth (png, info);

  if (kind == KIND_LABELS && colour == PNG_COLOR_TYPE_PALETTE)
    png_set_packing (png); /* the places in the palette are the labels */
  else if (kind == KIND_LABELS && colour == PNG_COLOR_TYPE_GRAY && depth < 8)
    png_set_packing (png);
  else
    png_set_expand (png);
  if (depth == 16 && ((colour & PNG_COLOR_MASK_COLOR) != 0 || kind == KIND_RGB))
    png_set_strip_16 (png);
  else if (depth == 16 && G_BYTE_ORDER == G_LITTLE_ENDIAN)
    png_set_swap (png);
  if (kind == KIND_RGB && (colour & PNG_COLOR_MASK_COLOR) == 0)
    png_set_gray_to_rgb (png);
  png_set_strip_alpha (png);
  if (png_set_interlace_handling (png) > 1)
    return;
}

static void
decode_png (FILE *file, Kind kind)
{
  png_structp png =
      png_create_read_struct (PNG_LIBPNG_VER_STRING, NULL, png_error_cb, png_warning_cb);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  VolumeDecoderReply reply = { .kind = VOLUME_DECODER_PICTURE };
  guint32 width, height;
  gsize row_bytes, n_channels, n_bytes_sample;
  guint8 *pixels;
  guint8 **rows;

  if (info == NULL)
    fail (VOLUME_ERROR_TOO_LARGE, "no memory");
  png_set_user_limits (png, MAX_SIDE, MAX_SIDE);
  png_set_chunk_malloc_max (png, 16 << 20);
  png_init_io (png, file);
  png_read_info (png, info);
  width = png_get_image_width (png, info);
  height = png_get_image_height (png, info);
  check_picture (width, height);
  set_png_form (png, info, kind);
  png_read_update_info (png, info);
  row_bytes = png_get_rowbytes (png, info);
  n_channels = png_get_channels (png, info);
  n_bytes_sample = png_get_bit_depth (png, info) == 16 ? 2 : 1;
  if (row_bytes != width * n_channels * n_bytes_sample || (n_channels != 1 && n_channels != 3))
    fail (VOLUME_ERROR_UNSUPPORTED, "a PNG picture of an unusual form");
  pixels = alloc (row_bytes * height);
  rows = alloc (height * sizeof *rows);
  for (guint32 y = 0; y < height; y++)
    rows[y] = pixels + y * row_bytes;
  png_read_image (png, rows);
  png_read_end (png, NULL);

  reply.size[0] = width;
  reply.size[1] = height;
  reply.size[2] = 1;
  reply.dtype = n_bytes_sample == 2 ? VOLUME_DTYPE_U16 : VOLUME_DTYPE_U8;
  reply.was_colour = kind != KIND_RGB && n_channels == 3;
  reply.n_samples = kind == KIND_RGB ? 3 : 1;
  reply.n_bytes = (guint64) width * height * reply.n_samples * n_bytes_sample;
  send_reply (&reply);
  for (guint32 y = 0; y < height; y++)
    {
      if (reply.was_colour)
        row_to_luminance (rows[y], width);
      send_bytes (rows[y], (gsize) width * reply.n_samples * n_bytes_sample);
    }
}

/* JPEG */

static void
jpeg_error_cb (j_common_ptr jpeg)
{
  char text[JMSG_LENGTH_MAX];

  jpeg->err->format_message (jpeg, text);
  fail (VOLUME_ERROR_FORMAT, "a damaged JPEG picture (%s)", text);
}

static void
jpeg_message_cb (j_common_ptr jpeg, int level)
{
  if (level == -1
      && (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JWRN_HIT_MARKER))
    fail (VOLUME_ERROR_FORMAT, "the JPEG picture ends early");
}

static void
decode_jpeg (FILE *file, Kind kind)
{
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  VolumeDecoderReply reply = { .kind = VOLUME_DECODER_PICTURE };
  guint8 *pixels, *row;
  gsize row_bytes;

  memset (&jpeg, 0, sizeof jpeg);
  jpeg.err = jpeg_std_error (&errors);
  errors.error_exit = jpeg_error_cb;
  errors.emit_message = jpeg_message_cb;
  jpeg_create_decompress (&jpeg);
  jpeg_stdio_src (&jpeg, file);
  jpeg_read_header (&jpeg, TRUE);
  check_picture (jpeg.image_width, jpeg.image_height);
  if (jpeg.num_components == 4)
    fail (VOLUME_ERROR_UNSUPPORTED, "a JPEG picture in CMYK, which is for printing");
  jpeg.out_color_space = kind == KIND_RGB ? JCS_RGB : JCS_GRAYSCALE;
  if (kind != KIND_RGB && jpeg.jpeg_color_space == JCS_RGB)
    jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress (&jpeg);
  row = alloc ((gsize) jpeg.output_width * (gsize) jpeg.output_components);

  reply.size[0] = jpeg.output_width;
  reply.size[1] = jpeg.output_height;
  reply.size[2] = 1;
  reply.dtype = VOLUME_DTYPE_U8;
  reply.was_colour = kind != KIND_RGB && jpeg.num_components == 3;
  reply.n_samples = kind == KIND_RGB ? 3 : 1;
  reply.n_bytes = (guint64) jpeg.output_width * jpeg.output_height * reply.n_samples;
  /* All of it before the reply: an early end must become an error, not half a picture. */
  pixels = alloc (reply.n_bytes);
  row_bytes = (gsize) jpeg.output_width * reply.n_samples;
  while (jpeg.output_scanline < jpeg.output_height)
    {
      guint8 *to = pixels + jpeg.output_scanline * row_bytes;

      jpeg_read_scanlines (&jpeg, &row, 1);
      if (kind != KIND_RGB && jpeg.out_color_space == JCS_RGB)
        row_to_luminance (row, jpeg.output_width);
      memcpy (to, row, row_bytes);
    }
  jpeg_finish_decompress (&jpeg);
  send_reply (&reply);
  send_bytes (pixels, reply.n_bytes);
}

/* HDF5: the mri_norm2 layout, datasets "image" and "label" at the root, axes (x, y, z), z fastest
 */

static gboolean
native_type_of (hid_t type, hid_t *native, VolumeDtype *dtype)
{
  H5T_class_t class = H5Tget_class (type);
  gsize size = H5Tget_size (type);
  gboolean is_signed = class == H5T_INTEGER && H5Tget_sign (type) == H5T_SGN_2;
  const struct
  {
    gboolean fits;
    hid_t native;
    VolumeDtype dtype;
  } choices[] = {
    { class == H5T_FLOAT && size <= 4, H5T_NATIVE_FLOAT, VOLUME_DTYPE_F32 },
    { class == H5T_FLOAT && size == 8, H5T_NATIVE_DOUBLE, VOLUME_DTYPE_F64 },
    { class == H5T_INTEGER && size == 1 && !is_signed, H5T_NATIVE_UINT8, VOLUME_DTYPE_U8 },
    { class == H5T_INTEGER && size == 1 && is_signed, H5T_NATIVE_INT8, VOLUME_DTYPE_I8 },
    { class == H5T_INTEGER && size == 2 && !is_signed, H5T_NATIVE_UINT16, VOLUME_DTYPE_U16 },
    { class == H5T_INTEGER && size == 2 && is_signed, H5T_NATIVE_INT16, VOLUME_DTYPE_I16 },
    { class == H5T_INTEGER && size == 4 && !is_signed, H5T_NATIVE_UINT32, VOLUME_DTYPE_U32 },
    { class == H5T_INTEGER && size == 4 && is_signed, H5T_NATIVE_INT32, VOLUME_DTYPE_I32 },
    { class == H5T_INTEGER && size == 8 && !is_signed, H5T_NATIVE_UINT64, VOLUME_DTYPE_U64 },
    { class == H5T_INTEGER && size == 8 && is_signed, H5T_NATIVE_INT64, VOLUME_DTYPE_I64 },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (choices); c++)
    if (choices[c].fits)
      {
        *native = choices[c].native;
        *dtype = choices[c].dtype;
        return TRUE;
      }
  return FALSE;
}

/* Everything the dataset claims is checked before memory is taken for it. */
static void
check_dataset (hid_t dataset, const char *key, guint64 file_size, hsize_t dims[3], hid_t *native,
               VolumeDecoderReply *reply)
{
  hid_t space = H5Dget_space (dataset), type = H5Dget_type (dataset);
  hid_t properties = H5Dget_create_plist (dataset);
  guint64 factors[4], n_bytes;
  VolumeDtype dtype;

  if (space < 0 || type < 0 || properties < 0 || H5Sget_simple_extent_ndims (space) != 3
      || H5Sget_simple_extent_dims (space, dims, NULL) != 3)
    fail (VOLUME_ERROR_FORMAT, "its \"%s\" is not a 3-D array", key);
  if (H5Pget_layout (properties) == H5D_VIRTUAL || H5Pget_external_count (properties) != 0)
    fail (VOLUME_ERROR_UNSUPPORTED, "its \"%s\" refers to other files", key);
  if (!native_type_of (type, native, &dtype))
    fail (VOLUME_ERROR_UNSUPPORTED, "its \"%s\" holds no plain numbers", key);
  for (int d = 0; d < 3; d++)
    {
      if (dims[d] < 1 || dims[d] > G_MAXINT32)
        fail (VOLUME_ERROR_FORMAT, "its \"%s\" claims %llu voxels along an axis", key,
              (unsigned long long) dims[d]);
      factors[d] = dims[d];
      reply->size[d] = (guint32) dims[d];
    }
  factors[3] = volume_dtype_get_size (dtype);
  n_bytes = 1;
  for (int f = 0; f < 4; f++)
    if (!g_uint64_checked_mul (&n_bytes, n_bytes, factors[f]))
      fail (VOLUME_ERROR_TOO_LARGE, "its \"%s\" claims more voxels than there can be", key);
  /* Deflate grows by 1032 at most; data that were never written would be made of nothing. */
  if (n_bytes / 1032 > MIN (file_size, (guint64) H5Dget_storage_size (dataset)))
    fail (VOLUME_ERROR_FORMAT,
          "its \"%s\" claims %" G_GUINT64_FORMAT " bytes, the file has %" G_GUINT64_FORMAT
          " for them",
          key, n_bytes, (guint64) H5Dget_storage_size (dataset));
  reply->dtype = dtype;
  reply->n_samples = 1;
  reply->n_bytes = n_bytes;
  H5Pclose (properties);
  H5Tclose (type);
  H5Sclose (space);
}

/* Slices z0 … z0 + n_z of the file, which has z fastest, to x fastest. */
static void
transpose (const guint8 *src, guint8 *dst, const hsize_t dims[3], gsize n_z, gsize width)
{
  for (gsize y = 0; y < dims[1]; y++)
    for (gsize x = 0; x < dims[0]; x++)
      for (gsize z = 0; z < n_z; z++)
        memcpy (dst + ((z * dims[1] + y) * dims[0] + x) * width,
                src + ((x * dims[1] + y) * n_z + z) * width, width);
}

static void
send_dataset (hid_t dataset, const char *key, const hsize_t dims[3], hid_t native,
              const VolumeDecoderReply *reply)
{
  gsize width = volume_dtype_get_size (reply->dtype);
  guint64 slice_bytes = (guint64) dims[0] * dims[1] * width;
  hsize_t n_z = CLAMP (BLOCK_BYTES / slice_bytes, 1, dims[2]);
  guint8 *block, *turned;
  hid_t space = H5Dget_space (dataset);
  gboolean is_first = TRUE;

  block = alloc (slice_bytes * n_z);
  turned = alloc (slice_bytes * n_z);
  for (hsize_t z = 0; z < dims[2]; z += n_z)
    {
      const hsize_t start[3] = { 0, 0, z };
      const hsize_t count[3] = { dims[0], dims[1], MIN (n_z, dims[2] - z) };
      hid_t memory = H5Screate_simple (3, count, NULL);

      if (H5Sselect_hyperslab (space, H5S_SELECT_SET, start, NULL, count, NULL) < 0
          || H5Dread (dataset, native, memory, space, H5P_DEFAULT, block) < 0)
        {
          if (is_first)
            fail (VOLUME_ERROR_FORMAT, "its \"%s\" is damaged or compressed in an unusual way",
                  key);
          _exit (1); /* the reader misses the rest */
        }
      H5Sclose (memory);
      transpose (block, turned, dims, count[2], width);
      if (is_first)
        send_bytes (reply, sizeof *reply);
      is_first = FALSE;
      send_bytes (turned, slice_bytes * count[2]);
    }
}

static void
decode_hdf5 (guint64 file_size, Kind kind)
{
  const char *key = kind == KIND_LABELS ? "label" : "image";
  VolumeDecoderReply reply = { .magic = VOLUME_DECODER_MAGIC, .kind = VOLUME_DECODER_HDF5 };
  hsize_t dims[3];
  hid_t file, access, dataset, native;
  H5L_info_t link;

  if (kind == KIND_RGB)
    fail (VOLUME_ERROR_UNSUPPORTED, "an HDF5 file, not a picture");
  /* H5Eset_auto2: messages go to people through fail (), not to standard error. */
  H5Eset_auto2 (H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state (0); /* a file may not name a filter to be loaded into us */
  setenv ("HDF5_USE_FILE_LOCKING", "FALSE", 1);
  file = H5Fopen ("/proc/self/fd/0", H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0)
    fail (VOLUME_ERROR_FORMAT, "a damaged HDF5 file");
  if (H5Lexists (file, key, H5P_DEFAULT) <= 0)
    fail (VOLUME_ERROR_FORMAT, "an HDF5 file without \"%s\"", key);
  if (H5Lget_info (file, key, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
    fail (VOLUME_ERROR_UNSUPPORTED, "its \"%s\" refers to another place", key);
  access = H5Pcreate (H5P_DATASET_ACCESS);
  H5Pset_chunk_cache (access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, CHUNK_CACHE_BYTES, 1.0);
  dataset = H5Dopen2 (file, key, access);
  if (dataset < 0)
    fail (VOLUME_ERROR_FORMAT, "its \"%s\" is not an array", key);
  check_dataset (dataset, key, file_size, dims, &native, &reply);
  send_dataset (dataset, key, dims, native, &reply);
}

/* The program */

static void
set_limits (void)
{
  const struct
  {
    int resource;
    rlim_t limit;
  } limits[] = {
#ifndef SANITIZED /* a sanitizer's shadow is larger than any limit */
    { RLIMIT_AS, MEMORY_LIMIT },
#endif
    { RLIMIT_CPU, CPU_LIMIT_SECONDS },
    { RLIMIT_FSIZE, 0 },
    { RLIMIT_CORE, 0 },
    { RLIMIT_NOFILE, 32 },
  };

  for (gsize l = 0; l < G_N_ELEMENTS (limits); l++)
    {
      struct rlimit limit = { limits[l].limit, limits[l].limit };

      if (setrlimit (limits[l].resource, &limit) != 0)
        fail (VOLUME_ERROR_IO, "the decoder cannot be kept within limits: %s", g_strerror (errno));
    }
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int
main (int argc, char **argv)
{
  static const char *const kinds[] = { "image", "labels", "rgb" };
  guint8 start[8] = { 0 };
  struct stat st;
  int kind = -1;

  for (gsize k = 0; k < G_N_ELEMENTS (kinds); k++)
    if (argc == 2 && strcmp (argv[1], kinds[k]) == 0)
      kind = (int) k;
  if (kind < 0 || isatty (STDOUT_FILENO))
    {
      fprintf (stderr, "crosslabel-decode is started by crosslabel, not by people\n");
      return 2;
    }
  set_limits ();
  if (fstat (STDIN_FILENO, &st) != 0 || pread (STDIN_FILENO, start, sizeof start, 0) < 3)
    fail (VOLUME_ERROR_IO, "cannot be read");
  if (start[0] == 0xff && start[1] == 0xd8)
    decode_jpeg (stdin, kind);
  else if (memcmp (start, "\x89PNG", 4) == 0)
    decode_png (stdin, kind);
  else if (memcmp (start, "\x89HDF", 4) == 0)
    decode_hdf5 ((guint64) st.st_size, kind);
  else
    fail (VOLUME_ERROR_FORMAT, "neither a picture nor an HDF5 file");
  /* Without leaving through libhdf5, which may trip over what it has read. */
  _exit (0);
}
