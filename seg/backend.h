/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The C ABI between the engine and its backends, and all that a backend sees.
 *
 * A backend is a module (crosslabel-seg-NAME.so) that exports SEG_BACKEND_SYMBOL, a function
 * answering a static SegBackend; `ref` is built in. The engine hands over operations one at a time:
 * an op id, its parameter struct, tensors out, tensors in. Optional tensors are absent (NULL).
 * Everything runs in order on the device's stream; only `download` and `synchronize` wait for it.
 *
 * Functions answer a SegStatus; the engine turns it into a GError, adding device_message().
 * Threads: a SegBackendDevice is used by one thread at a time. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

#define SEG_BACKEND_ABI 1
#define SEG_BACKEND_SYMBOL "seg_backend_get"
#define SEG_MAX_RANK 6
#define SEG_MAX_TENSORS 8 /* of one op, each way */

  typedef enum
  {
    SEG_DTYPE_F32 = 0,
    SEG_DTYPE_BF16 = 1,
    SEG_DTYPE_F16 = 2,
    SEG_DTYPE_U8 = 3,
    SEG_DTYPE_I32 = 4,
    SEG_DTYPE_I64 = 5,
    SEG_DTYPE_F64 = 6, /* ref alone: central differences in tests */
  } SegDtype;

  typedef enum
  {
    SEG_STATUS_OK = 0,
    SEG_STATUS_MEMORY,
    SEG_STATUS_UNSUPPORTED,
    SEG_STATUS_FAILED,
  } SegStatus;

  /* One tensor as an op sees it.
   * @data: first element, in the device's address space
   * @stride: in elements; 0 on broadcast axes. Outputs never overlap themselves.
   * @uid, @version: a tensor whose contents change rarely (a parameter) has a uid > 0, and the
   * version grows with each change: what was packed from it may be kept until then. 0: do not keep.
   */
  typedef struct
  {
    void *data;
    SegDtype dtype;
    int rank;
    int64_t shape[SEG_MAX_RANK];
    int64_t stride[SEG_MAX_RANK];
    uint64_t uid;
    uint64_t version;
  } SegBackendTensor;

  /* Ops. Each line: outputs ← inputs (parameters). '?' may be absent. Shapes N C X.. with X.. the
   * one to three spatial axes. "+=" is accumulated, everything else assigned. An output may be the
   * same memory as an input only where "in place" is said. Accumulation is at least in f32. */
  typedef enum
  {
    SEG_OP_FILL = 0, /* out ← (SegFillParams) */
    SEG_OP_COPY, /* out ← in: same shape (in may broadcast by stride 0), any dtypes: casts */
    SEG_OP_RANDOM, /* out ← (SegRandomParams) */

    SEG_OP_UNARY, /* out ← in (SegUnaryParams); in place */
    SEG_OP_UNARY_BACKWARD, /* din ← in, dout (SegUnaryParams); din may be dout */
    SEG_OP_BINARY, /* out ← a, b (SegBinaryParams); strides broadcast; out may be a or b */
    SEG_OP_REDUCE, /* out ← in (SegReduceParams); reduced axes have size 1 in out */
    SEG_OP_TOPK, /* values, index I32 ← in (SegTopkParams) along one axis, descending */

    SEG_OP_CONV, /* out ← in, weight, bias? (SegConvParams) */
    SEG_OP_CONV_BACKWARD_DATA, /* din ← dout, weight (SegConvParams) */
    SEG_OP_CONV_BACKWARD_WEIGHTS, /* dweight +=, dbias? += ← in, dout (SegConvParams) */

    SEG_OP_NORM, /* out, mean F32, rstd F32 ← in, gamma?, beta?, run_mean?, run_var?
                    (SegNormParams); run_* are updated when training */
    SEG_OP_NORM_BACKWARD, /* din, dgamma? +=, dbeta? += ← in, dout, gamma?, beta?, mean, rstd */

    SEG_OP_POOL, /* out ← in (SegPoolParams) */
    SEG_OP_POOL_BACKWARD, /* din ← in, dout (SegPoolParams); first maximum takes all */
    SEG_OP_RESAMPLE, /* out ← in (SegResampleParams); sizes from the shapes */
    SEG_OP_RESAMPLE_BACKWARD, /* din ← dout (SegResampleParams) */

    SEG_OP_SOFTMAX, /* out ← in (SegSoftmaxParams); in place */
    SEG_OP_SOFTMAX_BACKWARD, /* din ← out, dout (SegSoftmaxParams) */

    SEG_OP_MATMUL, /* out (+)= alpha · op(a) · op(b) + bias?, then act ← a, b, bias?
                      (SegMatmulParams): a B.. M K, b B.. K N before op; batch axes broadcast */

    SEG_OP_ATTENTION, /* out ← q, k, v, bias?, rel_h?, rel_w? (SegAttentionParams) */
    SEG_OP_ATTENTION_BACKWARD, /* dq, dk, dv, dbias? +=, drel_h? +=, drel_w? +=
                                  ← q, k, v, bias?, rel_h?, rel_w?, dout */

    SEG_OP_CROSS_ENTROPY, /* loss F32 [2] = (Σ w·nll, Σ w) ← logits, target, weight?, class?
                             (SegCrossEntropyParams) */
    SEG_OP_CROSS_ENTROPY_BACKWARD, /* dlogits ← logits, target, weight?, class?, scale F32 [1]:
                                      scale · w · (softmax − onehot) */
    SEG_OP_OVERLAP, /* sums F32 [3,C] = Σ m·p·y, Σ m·p^e, Σ m·y ← p, target, m?
                       (SegOverlapParams) */
    SEG_OP_OVERLAP_BACKWARD, /* dp ← p, target, m?, dsums F32 [3,C] */
    SEG_OP_BCE, /* out ← logits, target, pos_weight? [C] (elementwise) */
    SEG_OP_BCE_BACKWARD, /* dlogits ← logits, target, pos_weight?, dout */

    SEG_OP_DROPOUT, /* out ← in (SegDropoutParams); its own backward; in place */
    SEG_OP_GATHER, /* out [.., F] ← table [R, F], index (rows) */
    SEG_OP_SCATTER_ADD, /* dtable += ← dout, index */

    SEG_OP_SGD, /* param, momentum? ← grad (SegSgdParams); all F32 */
    SEG_OP_ADAMW, /* param, m, v ← grad (SegAdamwParams); all F32 */
    SEG_OP_LERP, /* out ← in: out = decay·out + (1−decay)·in (SegLerpParams): moving averages */

    SEG_N_OPS
  } SegOp;

  typedef struct
  {
    double value;
  } SegFillParams;

  /* Element i in memory order takes word i%4 of Philox-4x32-10 with key `seed` and counter
   * `offset + i/4`; a uniform is (word >> 8) · 2^-24, in [0,1). Normals: Box–Muller on words (0,1)
   * and (2,3): sqrt(−2 ln(1−u0))·cos 2πu1, then sin. */
  typedef struct
  {
    uint64_t seed;
    uint64_t offset;
    int normal; /* 0: uniform in [a,b); 1: mean a, standard deviation b */
    double a;
    double b;
  } SegRandomParams;

  typedef enum
  {
    SEG_ACT_NONE = 0,
    SEG_ACT_RELU,
    SEG_ACT_LEAKY_RELU, /* slope = a */
    SEG_ACT_GELU, /* erf */
    SEG_ACT_GELU_TANH,
    SEG_ACT_SILU,
    SEG_ACT_SIGMOID,
    SEG_ACT_TANH,
    SEG_ACT_EXP,
    SEG_ACT_LOG, /* ln (x + a) */
    SEG_ACT_SQRT, /* sqrt (x + a) */
    SEG_ACT_SQUARE,
    SEG_ACT_ABS,
    SEG_ACT_RECIPROCAL, /* 1 / (x + a) */
    SEG_ACT_AFFINE, /* a·x + b */
    SEG_ACT_CLAMP, /* to [a, b]; no gradient outside */
    SEG_ACT_SOFTPLUS, /* ln (1 + e^x) */
    SEG_ACT_SIN,
    SEG_ACT_COS,
    SEG_ACT_POW, /* x^a, x ≥ 0 */
  } SegAct;

  typedef struct
  {
    SegAct act;
    double a;
    double b;
  } SegUnaryParams;

  typedef enum
  {
    SEG_BINARY_ADD,
    SEG_BINARY_SUB,
    SEG_BINARY_MUL,
    SEG_BINARY_DIV,
    SEG_BINARY_MAX,
    SEG_BINARY_MIN,
    SEG_BINARY_GREATER, /* 1 or 0 */
    SEG_BINARY_EQUAL,
  } SegBinaryKind;

  typedef struct
  {
    SegBinaryKind kind;
  } SegBinaryParams;

  typedef enum
  {
    SEG_REDUCE_SUM,
    SEG_REDUCE_MEAN,
    SEG_REDUCE_MAX,
    SEG_REDUCE_MIN,
    SEG_REDUCE_ARGMAX, /* one axis; out I32 (or any integer); the first of equals */
    SEG_REDUCE_SUM_SQUARES,
  } SegReduceKind;

  typedef struct
  {
    SegReduceKind kind;
    unsigned axes; /* bit a: axis a is reduced */
  } SegReduceParams;

  typedef struct
  {
    int axis;
    int k;
  } SegTopkParams;

  /* Cross-correlation with zero padding, as PyTorch. in N C X.., weight K C/groups k.., out N K
   * X'.. Transposed: weight C K/groups k.., out size (X−1)·stride − 2·pad + dilation·(k−1) + extra
   * + 1. Spatial entries are in the order of the shape ([D] H W), n_spatial of them. */
  typedef struct
  {
    int n_spatial; /* 1, 2, 3 */
    int stride[3];
    int pad[3];
    int dilation[3];
    int extra[3]; /* transposed: PyTorch's output_padding */
    int groups;
    int transposed;
  } SegConvParams;

  typedef enum
  {
    SEG_NORM_BATCH, /* over N X.. for each c; running state [C] */
    SEG_NORM_GROUP, /* over C/groups X.. for each n, group */
    SEG_NORM_INSTANCE, /* group norm with groups = C */
    SEG_NORM_LAYER, /* over the feature axis for each position (LayerNorm, LayerNorm2d) */
  } SegNormKind;

/* out = act (gamma·(x − mean)·rstd + beta), rstd = 1/sqrt (var + eps), var biased.
 * Running state as PyTorch: run = (1−momentum)·run + momentum·new, the new variance unbiased.
 * mean and rstd hold one value per normalised set, in order: batch [C]; group [N,G]; layer [rows].
 * not training (batch norm): run_mean and run_var are used; mean and rstd are set from them.
 * Backward when not training: statistics are constants.
 * SEG_NORM_AGAIN (batch norm): mean and rstd are not outputs but given, from the first time. */
#define SEG_NORM_AGAIN 2
  typedef struct
  {
    SegNormKind kind;
    int groups;
    double eps;
    double momentum;
    int training;
    SegAct act; /* NONE, RELU, LEAKY_RELU, GELU, SILU */
    double act_a;
  } SegNormParams;

  typedef enum
  {
    SEG_POOL_MAX,
    SEG_POOL_AVERAGE, /* the padding counts, as PyTorch's default */
    SEG_POOL_ADAPTIVE_AVERAGE, /* window of out o: floor (o·X/X') … ceil ((o+1)·X/X') */
  } SegPoolKind;

  typedef struct
  {
    SegPoolKind kind;
    int n_spatial;
    int kernel[3];
    int stride[3];
    int pad[3];
  } SegPoolParams;

  /* nearest: src = floor (dst · scale); linear: src = (dst + ½)·scale − ½, clamped below at 0, or
   * dst·(in−1)/(out−1) with align_corners; scale = in/out. Upper neighbour clamped to in−1. */
  typedef struct
  {
    int n_spatial;
    int linear;
    int align_corners;
  } SegResampleParams;

  typedef struct
  {
    int axis;
    int log; /* log-softmax */
  } SegSoftmaxParams;

  typedef struct
  {
    int transpose_a; /* the last two axes swap */
    int transpose_b;
    double alpha;
    int accumulate; /* out += (then no bias, no act) */
    SegAct act;
    double act_a;
  } SegMatmulParams;

  /* q B Tq (h·d), k B Tk (h·d), v B Tk (h·d), out B Tq (h·d); rows may be strided (slices of one
   * projection). scores = scale·q·kᵀ + bias + rel; softmax over Tk.
   * bias: [1 or B·, heads or 1, Tq, Tk] by shape, rank 4.
   * rel_h [2·gh−1, d], rel_w [2·gw−1, d], token t at (t / gw, t % gw), Tq = Tk = gh·gw:
   * rel = q·rel_h[yq−yk+gh−1] + q·rel_w[xq−xk+gw−1], q unscaled. */
  typedef struct
  {
    int heads;
    double scale;
    int grid[2]; /* gh, gw; 0 without rel_* */
  } SegAttentionParams;

  /* target: index N X.. (U8, I32 or I64); weight: N X.. per element; class weights [C].
   * w = weight · class[target], 0 where target = ignore. */
  typedef struct
  {
    int64_t ignore; /* < 0: none but out-of-range targets, which are ignored as well */
  } SegCrossEntropyParams;

  /* p N C X.. ; target index N X.. or, of p's shape, soft labels; m N X.. */
  typedef struct
  {
    int square; /* e = 2, and the third sum is Σ m·y² for soft labels */
    int64_t ignore;
  } SegOverlapParams;

  /* Kept elements are multiplied by 1/(1−p). whole_channels: one draw for each (n, c), index n·C +
   * c; else one for each element in memory order; dropped where the uniform < p. */
  typedef struct
  {
    double p;
    uint64_t seed;
    uint64_t offset;
    int whole_channels;
  } SegDropoutParams;

  /* g = grad·grad_scale + decay·p;  m = momentum·m + g (m = g on the first step);
   * p −= lr·(nesterov ? g + momentum·m : m) */
  typedef struct
  {
    double lr;
    double momentum;
    double decay;
    double grad_scale;
    int nesterov;
    int first;
  } SegSgdParams;

  /* p −= lr·decay·p; m, v moving averages of g, g²; p −= lr·m̂/(sqrt v̂ + eps); step from 1 */
  typedef struct
  {
    double lr;
    double beta1;
    double beta2;
    double eps;
    double decay;
    double grad_scale;
    int64_t step;
  } SegAdamwParams;

  typedef struct
  {
    double decay;
  } SegLerpParams;

  typedef struct _SegBackendDevice SegBackendDevice;

  /* One operation. Absent optional tensors are NULL; n_out and n_in count them. */
  typedef struct
  {
    SegOp op;
    const void *params;
    size_t params_size;
    int n_out;
    int n_in;
    SegBackendTensor *out[SEG_MAX_TENSORS];
    SegBackendTensor *in[SEG_MAX_TENSORS];
  } SegBackendCall;

  typedef struct
  {
    int n_threads; /* compute threads; 0: the backend's choice */
  } SegBackendOptions;

  typedef struct
  {
    char name[128]; /* for people */
    uint64_t memory_bytes;
    int host_memory; /* buffers are ordinary memory: ref may stand in without copying */
    int bf16; /* worth using for training */
    int f16;
  } SegBackendDeviceInfo;

  /* Every function but those marked '?' is present. */
  typedef struct
  {
    uint32_t abi; /* SEG_BACKEND_ABI */
    uint32_t struct_size; /* sizeof (SegBackend) of the backend */
    const char *name; /* "ref", "cpu", "cuda" */

    const char *(*version) (void); /* of the libraries below, for people */
    /* The highest score that is not negative is the default device; < 0: cannot run here. @why: one
     * sentence, set then. Cheap, and safe on any machine. */
    int (*score) (const char **why);
    int (*n_devices) (void);

    SegStatus (*device_open) (int index, const SegBackendOptions *options,
                              SegBackendDevice **device);
    void (*device_close) (SegBackendDevice *device);
    void (*device_info) (SegBackendDevice *device, SegBackendDeviceInfo *info);
    const char *(*device_message) (SegBackendDevice *device); /* of the last failure; "" */

    /* Memory, 64-byte aligned at least; not cleared. */
    SegStatus (*buffer_alloc) (SegBackendDevice *device, size_t size_bytes, void **buffer);
    void (*buffer_free) (SegBackendDevice *device, void *buffer, size_t size_bytes);
    SegStatus (*upload) (SegBackendDevice *device, void *dst, const void *src, size_t size_bytes);
    SegStatus (*download) (SegBackendDevice *device, void *dst, const void *src, size_t size_bytes);
    SegStatus (*synchronize) (SegBackendDevice *device);

    int (*op_supported) (SegBackendDevice *device, const SegBackendCall *call);
    SegStatus (*op_run) (SegBackendDevice *device, const SegBackendCall *call);
    void (*forget) (SegBackendDevice *device, uint64_t uid); /* ? the tensor is gone */
    void (*trim) (SegBackendDevice *device); /* ? give back scratch memory */
    /* ? measured GFLOP/s of a large product in @dtype, on this device as opened; 0: not known */
    double (*peak_gflops) (SegBackendDevice *device, SegDtype dtype);
  } SegBackend;

  typedef const SegBackend *(*SegBackendGet) (void);

#ifdef __cplusplus
}
#endif
