/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/pieces.h"

#include <math.h>

/* A convolution of large maps takes half a second of two processors, and a person's prompt, which
 * is answered between two operations, would wait for it. So it is handed over as several, each a
 * sample or some planes of it. How it is cut depends on its shapes alone: with prompts in between
 * or without, the numbers are the same (I7).
 *
 * Planes: a 3 × 3 × 3 convolution with a rim is one without a rim along the first axis on what lies
 * inside. The outermost planes of a map are had with the rim, from an overhanging piece whose inner
 * edge is wrong and is overwritten; those of a gradient of weights with two thirds of the kernel.
 */

#define PIECE_GFLOP 4.0
#define MIN_PIECES 3 /* the ends of a map overhang into others */
#define MIN_PLANES 6 /* of a piece */

typedef struct
{
  SegContext *context;
  const SegBackendCall *call;
  SegPieceFunc run;
  SegStatus status;
} Cutter;

/* Axis @axis from @low on, @n long. */
static SegBackendTensor
take_range (const SegBackendTensor *of, int axis, gint64 low, gint64 n)
{
  SegBackendTensor part = *of;

  part.data =
      (guint8 *) of->data + low * of->stride[axis] * (gint64) seg_dtype_get_size (of->dtype);
  part.shape[axis] = n;
  return part;
}

static gboolean
run_piece (Cutter *self, const SegBackendCall *piece)
{
  self->status = self->run (self->context, piece);
  return self->status == SEG_STATUS_OK;
}

/* The maps of a call: both inputs of a gradient of weights, otherwise the output and one input. */
typedef struct
{
  SegBackendTensor **src, **dst;
} Maps;

static Maps
find_maps (SegBackendCall *call)
{
  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
    return (Maps){ &call->in[0], &call->in[1] };
  return (Maps){ &call->in[0], &call->out[0] };
}

/* @from: planes of the source, @to: of the destination, with @rim planes of zeros in the forward
 * direction. */
typedef struct
{
  gint64 from, n_from, to, n_to;
  int rim;
} Cut;

static gboolean
run_planes (Cutter *self, const SegBackendCall *whole, const Cut *cut, SegBackendTensor *weights)
{
  SegBackendCall piece = *whole;
  SegConvParams params = *(const SegConvParams *) whole->params;
  const Maps maps = find_maps (&piece);
  SegBackendTensor src = take_range (*maps.src, 2, cut->from, cut->n_from);
  SegBackendTensor dst = take_range (*maps.dst, 2, cut->to, cut->n_to);

  params.pad[0] = cut->rim;
  piece.params = &params;
  *maps.src = &src;
  *maps.dst = &dst;
  if (weights != NULL)
    piece.out[0] = weights;
  return run_piece (self, &piece);
}

/* Both ends first: each overhangs by a plane that is written again. */
static gboolean
cut_map (Cutter *self, const SegBackendCall *call, gint64 n_pieces)
{
  SegBackendCall copy = *call;
  const gint64 depth = (*find_maps (&copy).src)->shape[2];
  const int rim = call->op == SEG_OP_CONV ? 0 : 2; /* of the forward direction */
  const gint64 last = depth * (n_pieces - 1) / n_pieces;
  gint64 low = depth / n_pieces;

  if (!run_planes (self, call, &(Cut){ 0, low + 1, 0, low + 1, 1 }, NULL)
      || !run_planes (self, call,
                      &(Cut){ last - 1, depth - last + 1, last - 1, depth - last + 1, 1 }, NULL))
    return FALSE;
  for (gint64 p = 1; p < n_pieces - 1; p++)
    {
      const gint64 high = depth * (p + 1) / n_pieces;

      if (!run_planes (self, call, &(Cut){ low - 1, high - low + 2, low, high - low, rim }, NULL))
        return FALSE;
      low = high;
    }
  return TRUE;
}

static gboolean
cut_gradient (Cutter *self, const SegBackendCall *call, gint64 n_pieces)
{
  const gint64 depth = call->in[0]->shape[2], inner = depth - 2;
  SegBackendTensor behind = take_range (call->out[0], 2, 1, 2);
  SegBackendTensor before = take_range (call->out[0], 2, 0, 2);

  if (!run_planes (self, call, &(Cut){ 0, 2, 0, 1, 0 }, &behind)
      || !run_planes (self, call, &(Cut){ depth - 2, 2, depth - 1, 1, 0 }, &before))
    return FALSE;
  for (gint64 p = 0; p < n_pieces; p++)
    {
      const gint64 low = 1 + inner * p / n_pieces, high = 1 + inner * (p + 1) / n_pieces;

      if (!run_planes (self, call, &(Cut){ low - 1, high - low + 2, low, high - low, 0 }, NULL))
        return FALSE;
    }
  return TRUE;
}

static gboolean
cut_samples (Cutter *self, const SegBackendDivision *division, double gflop)
{
  const SegBackendCall *call = self->call;
  const gint64 n_samples = call->in[0]->shape[0];
  const gint64 n =
      CLAMP ((gint64) (PIECE_GFLOP / gflop * (double) n_samples), division->min_samples, n_samples);

  for (gint64 low = 0; low < n_samples; low += n)
    {
      SegBackendCall piece = *call;
      const Maps maps = find_maps (&piece);
      const gint64 n_here = MIN (n, n_samples - low);
      SegBackendTensor src = take_range (*maps.src, 0, low, n_here);
      SegBackendTensor dst = take_range (*maps.dst, 0, low, n_here);
      const gint64 n_pieces =
          (gint64) ceil (gflop * (double) n_here / (double) n_samples / PIECE_GFLOP);
      gboolean good;

      *maps.src = &src;
      *maps.dst = &dst;
      if (!division->planes || n_here > 1 || n_pieces < 2
          || src.shape[2] < MIN_PLANES * MAX (n_pieces, MIN_PIECES))
        good = run_piece (self, &piece);
      else if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
        good = cut_gradient (self, &piece, n_pieces);
      else
        good = cut_map (self, &piece, MAX (n_pieces, MIN_PIECES));
      if (!good)
        return FALSE;
    }
  return TRUE;
}

gboolean
seg_pieces_run (SegContext *context, const SegBackendCall *call, double gflop, SegPieceFunc run,
                SegStatus *status)
{
  const SegBackendDivide divide = seg_backend_get_divide (context->device->backend);
  Cutter self = { context, call, run, SEG_STATUS_OK };
  SegBackendDivision division = { .min_samples = 0 };

  if (gflop < 2 * PIECE_GFLOP || divide == NULL
      || !divide (context->device->handle, call, &division))
    return FALSE;
  cut_samples (&self, &division, gflop);
  *status = self.status;
  return TRUE;
}
