/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

/* What crosslabel-decode writes to its standard output: a reply, then n_bytes of samples (i
 * fastest, samples of a voxel side by side, native byte order), or the text of an error. Both ends
 * are of one build and run on one machine. */

#define VOLUME_DECODER_MAGIC 0x31444c43u /* "CLD1" */
#define VOLUME_DECODER_MAX_TEXT 400

typedef enum
{
  VOLUME_DECODER_PICTURE = 1,
  VOLUME_DECODER_HDF5 = 2,
  VOLUME_DECODER_ERROR = 3,
} VolumeDecoderKind;

typedef struct
{
  guint32 magic;
  guint32 kind; /* VolumeDecoderKind */
  guint32 code; /* VolumeError of an error */
  guint32 size[3];
  guint32 dtype; /* VolumeDtype */
  guint32 n_samples;
  guint32 was_colour; /* luminance was made from colours */
  guint32 pad;
  guint64 n_bytes; /* that follow */
} VolumeDecoderReply;
