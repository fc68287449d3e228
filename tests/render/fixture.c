/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/render/fixture.h"

#include "volume/geometry.h"

static guint messages_before;
static gboolean direct;

gboolean
fixture_is_possible (void)
{
  g_autoptr (GError) error = NULL;
  RenderDevice *device = render_device_new (&(RenderDeviceParams){ .validate = TRUE }, &error);

  if (device == NULL)
    g_test_skip (error->message);
  render_device_unref (device);
  return device != NULL;
}

RenderDevice *
fixture_open (const RenderDeviceParams *params)
{
  RenderDeviceParams with_layer = params != NULL ? *params : (RenderDeviceParams){ 0 };
  g_autoptr (GError) error = NULL;
  RenderDevice *device;

  with_layer.validate = TRUE;
  with_layer.direct |= direct;
  messages_before = render_validation_get_n_messages ();
  device = render_device_new (&with_layer, &error);
  g_assert_no_error (error);
  return device;
}

void
fixture_close (RenderDevice *device)
{
  /* Jobs that let go of their last reference on the device's thread end a moment later. */
  render_device_wait_sync (device);
  render_device_unref (device);
  for (int ms = 0; ms < 5000 && render_objects_get_n_alive () != 0; ms++)
    g_usleep (1000);
  g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
  g_assert_cmpuint (render_validation_get_n_messages (), ==, messages_before);
}

static void
run_direct (gconstpointer run)
{
  direct = TRUE;
  ((void (*) (void)) run) ();
  direct = FALSE;
}

void
fixture_add (const char *path, void (*run) (void))
{
  g_autofree char *again = g_strconcat (path, "-direct", NULL);

  g_test_add_func (path, run);
  g_test_add_data_func (again, (gconstpointer) run, run_direct);
}

gboolean
fixture_is_direct (void)
{
  return direct;
}

const guint8 *
fixture_pixel (RenderFrame *frame, int x, int y)
{
  return render_frame_get_pixels (frame) + (gsize) y * render_frame_get_stride_bytes (frame)
         + 4 * (gsize) x;
}

int
fixture_tolerance (RenderDevice *device)
{
  return render_device_get_info (device)->is_software ? 1 : 2;
}

VolumeScan *
fixture_scan (const int size[3], const double affine[4][4], VolumeDtype dtype, gconstpointer values)
{
  VolumeGeometry geometry;
  g_autoptr (GError) error = NULL;
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
  g_assert_no_error (error);
  return volume_scan_new_take (&geometry, dtype,
                               g_bytes_new (values, n * volume_dtype_get_size (dtype)), 1.0, 0.0);
}
