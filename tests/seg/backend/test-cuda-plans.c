/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/backend/cuda/conv-plan.h"

#include <glib.h>
#include <string.h>

/* Every convolution that V-Net, U-Net and the ViT image encoders emit has a cuDNN plan that is
 * deterministic, in TF32 and bf16, all three directions, on an Ampere and a Hopper device. No GPU
 * is needed: cuDNN finalises plans for device properties given as text. */

#define DEVICE(name, version, sms, clock, l2, shared, memory, threads)                             \
  "{\"deviceName\": \"" name "\", \"deviceVer\": " version ", \"multiProcessorCount\": " sms       \
  ", \"smClockRateKHz\": " clock ", \"memClockRateKHz\": 1593000, \"l2CacheSize\": " l2            \
  ", \"maxSharedMemoryPerBlockOptin\": " shared ", \"totalGlobalMem\": " memory                    \
  ", \"maxThreadsPerSM\": " threads                                                                \
  ", \"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], "            \
  "\"regsPerBlock\": 65536, \"warpSize\": 32, \"maxSharedMemoryPerBlock\": 49152, "                \
  "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, \"maxCtasPerSM\": 32, "   \
  "\"maxThreadsPerBlock\": 1024, \"isTccDriver\": 0, \"supportCoopLaunch\": 1, "                   \
  "\"driverVer\": 13000, \"cudaDeviceId\": 0, \"pciDeviceId\": 0}"

static const struct
{
  const char *name, *json;
} devices[] = {
  { "Ampere", DEVICE ("NVIDIA A100-SXM4-80GB", "800", "108", "1410000", "41943040", "166912",
                      "85899345920", "2048") },
  { "Ada", DEVICE ("NVIDIA GeForce RTX 4090", "890", "128", "2520000", "75497472", "101376",
                   "25757220864", "1536") },
  { "Hopper", DEVICE ("NVIDIA H100 80GB HBM3", "900", "132", "1980000", "52428800", "232448",
                      "85899345920", "2048") },
};

static cudnnBackendDescriptor_t device;
static int n_checked;

static int64_t
pad_channels (int64_t channels, int dtype)
{
  const int64_t unit = dtype == SEG_DTYPE_F32 ? 4 : 8;

  return (channels + unit - 1) / unit * unit;
}

/* @out: channels and, by stride and kernel, sizes of the narrow map. */
static void
check (int n_spatial, int64_t batch, int64_t wide_c, int64_t narrow_c, const int64_t wide[3],
       int64_t kernel, int64_t stride, int64_t pad)
{
  for (int dtype = SEG_DTYPE_F32; dtype <= SEG_DTYPE_BF16; dtype++)
    for (int kind = SEG_CUDA_TO_NARROW; kind <= SEG_CUDA_TO_WEIGHT; kind++)
      {
        SegCudaConvShape shape;
        SegCudaConvPlan plan;
        cudnnStatus_t status;

        memset (&shape, 0, sizeof shape);
        shape.kind = kind;
        shape.dtype = dtype;
        shape.n_spatial = n_spatial;
        shape.n = batch;
        shape.wide_c = pad_channels (wide_c, dtype);
        shape.narrow_c = pad_channels (narrow_c, dtype);
        for (int a = 0; a < n_spatial; a++)
          {
            shape.wide[a] = wide[a];
            shape.kernel[a] = kernel;
            shape.stride[a] = stride;
            shape.pad[a] = pad;
            shape.dilation[a] = 1;
            shape.narrow[a] = (wide[a] + 2 * pad - kernel) / stride + 1;
          }
        status = seg_cuda_conv_plan_create (&plan, &shape, NULL, device, (int64_t) 1 << 30);
        if (status != CUDNN_STATUS_SUCCESS)
          g_error ("no plan: dtype %d, direction %d, %d-D, %ld → %ld channels, %ld×%ld×%ld, kernel "
                   "%ld: %s",
                   dtype, kind, n_spatial, (long) wide_c, (long) narrow_c, (long) wide[0],
                   (long) wide[1], (long) wide[2], (long) kernel, cudnnGetErrorString (status));
        g_assert_cmpint (plan.workspace_bytes, <=, (int64_t) 1 << 30);
        seg_cuda_conv_plan_clear (&plan);
        n_checked++;
      }
}

/* Units, the stride-2 convolutions down and (the same shape turned) up, first and last layer. */
static void
check_vnet (int64_t batch, int64_t filters, int64_t x, int64_t y, int64_t z)
{
  int64_t size[3] = { x, y, z };

  check (3, batch, 1, filters, size, 3, 1, 1);
  check (3, batch, filters, 2, size, 1, 1, 0);
  for (int level = 0; level < 5; level++)
    {
      const int64_t channels = filters << level;

      check (3, batch, channels, channels, size, 3, 1, 1);
      if (level < 4)
        check (3, batch, channels, 2 * channels, size, 2, 2, 0);
      for (int a = 0; a < 3; a++)
        size[a] /= 2;
    }
}

static void
check_unet (int64_t batch, int64_t filters, int64_t side)
{
  int64_t size[3] = { side, side, 1 };

  check (2, batch, 1, filters, size, 3, 1, 1);
  check (2, batch, 3, filters, size, 3, 1, 1);
  check (2, batch, filters, 4, size, 1, 1, 0);
  for (int level = 0; level < 5; level++)
    {
      const int64_t channels = filters << level;

      check (2, batch, channels, channels, size, 3, 1, 1);
      if (level < 4)
        {
          check (2, batch, 2 * channels, channels, size, 3, 1, 1); /* after the skip is joined */
          check (2, batch, channels, 2 * channels, size, 2, 2, 0);
        }
      size[0] /= 2;
      size[1] /= 2;
      if (level < 4)
        check (2, batch, channels, 2 * channels, size, 3, 1, 1);
    }
}

static void
check_vit (int64_t width)
{
  const int64_t picture[3] = { 1024, 1024, 1 }, grid[3] = { 64, 64, 1 };

  check (2, 1, 3, width, picture, 16, 16, 0);
  check (2, 1, width, 256, grid, 1, 1, 0);
  check (2, 1, 256, 256, grid, 3, 1, 1);
}

static void
test_device (gconstpointer data)
{
  const int which = GPOINTER_TO_INT (data);

  device = NULL;
  n_checked = 0;
  g_assert_cmpint (seg_cuda_device_from_json (devices[which].json, &device), ==,
                   CUDNN_STATUS_SUCCESS);
  check_vnet (2, 16, 112, 112, 80);
  check_vnet (4, 16, 112, 112, 80);
  check_vnet (4, 8, 64, 64, 48);
  check_vnet (1, 16, 32, 32, 32);
  check_unet (8, 16, 256);
  check_vit (768);
  check_vit (1024);
  check_vit (1280);
  g_test_message ("%s: %d plans", devices[which].name, n_checked);
  g_assert_cmpint (n_checked, >, 250);
  cudnnBackendDestroyDescriptor (device);
}

/* A shape nobody has a plan for is an answer, not a crash: the caller's own kernel stands in. */
static void
test_none (void)
{
  SegCudaConvShape shape;
  SegCudaConvPlan plan;

  device = NULL;
  g_assert_cmpint (seg_cuda_device_from_json ("{\"deviceVer\": 900}", &device), !=,
                   CUDNN_STATUS_SUCCESS);
  cudnnBackendDestroyDescriptor (device);
  g_assert_cmpint (seg_cuda_device_from_json (devices[2].json, &device), ==, CUDNN_STATUS_SUCCESS);
  memset (&shape, 0, sizeof shape);
  shape.n_spatial = 3;
  shape.n = shape.wide_c = shape.narrow_c = 8;
  for (int a = 0; a < 3; a++)
    {
      shape.wide[a] = 4;
      shape.narrow[a] = 77; /* not what such a convolution gives */
      shape.kernel[a] = shape.stride[a] = shape.dilation[a] = 1;
    }
  g_assert_cmpint (seg_cuda_conv_plan_create (&plan, &shape, NULL, device, (int64_t) 1 << 30), !=,
                   CUDNN_STATUS_SUCCESS);
  g_assert_null (plan.plan);
  cudnnBackendDestroyDescriptor (device);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize d = 0; d < G_N_ELEMENTS (devices); d++)
    {
      g_autofree char *path = g_strconcat ("/seg/cuda/plans/", devices[d].name, NULL);

      g_test_add_data_func (path, GINT_TO_POINTER (d), test_device);
    }
  g_test_add_func ("/seg/cuda/plans/none", test_none);
  return g_test_run ();
}
