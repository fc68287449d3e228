/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/dmabuf-private.h"

/* How long an idle device waits before it writes new pipelines to disk. */
#define SAVE_AFTER_US (2 * G_TIME_SPAN_SECOND)
#define MAX_JOBS_PER_SLOT 16
/* Of staging memory that is kept: each picture takes some, and what is new has to be cleared. */
#define SOFTWARE_STAGE_BYTES (8 * RENDER_STAGE_BYTES)

typedef struct
{
  gboolean done;
} Waiter;

static gboolean
was_lost (const GError *error)
{
  return g_error_matches (error, RENDER_ERROR, RENDER_ERROR_DEVICE_LOST);
}

static void
end_job (RenderDevice *self, RenderJob *job, const GError *error)
{
  job->done (job, self, error);
}

/* --- slots: recorded, submitted, waited for --- */

RenderSlot *
render_device_begin (RenderDevice *self, GError **error)
{
  const VkCommandBufferBeginInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
    .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
  };
  const RenderVk *vk = &self->life->vk;
  RenderSlot *slot = NULL;
  VkResult result;

  if (self->slot != NULL)
    return self->slot;
  for (int s = 0; s < RENDER_N_SLOTS && slot == NULL; s++)
    if (g_queue_find (&self->in_flight, &self->slots[s]) == NULL)
      slot = &self->slots[s];
  g_assert (slot != NULL);
  vk->ResetCommandPool (self->life->handle, slot->pool, 0);
  vk->ResetDescriptorPool (self->life->handle, slot->descriptors, 0);
  slot->arena_used = 0;
  result = vk->BeginCommandBuffer (slot->cmd, &info);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkBeginCommandBuffer");
      return NULL;
    }
  self->slot = slot;
  return slot;
}

/* The slot's borrowed things go back, its jobs end. */
static void
retire_slot (RenderDevice *self, RenderSlot *slot, const GError *error)
{
  RenderJob *job;

  g_ptr_array_extend_and_steal (self->stages, g_steal_pointer (&slot->stages));
  slot->stages = g_ptr_array_new ();
  g_ptr_array_extend_and_steal (self->targets, g_steal_pointer (&slot->targets));
  slot->targets = g_ptr_array_new ();
  for (guint t = 0; t < slot->releases->len; t++)
    render_texture_destroy (self, slot->releases->pdata[t]);
  g_ptr_array_set_size (slot->releases, 0);
  while ((job = g_queue_pop_head (&slot->jobs)) != NULL)
    end_job (self, job, error);
}

static gboolean
submit (RenderDevice *self, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  RenderSlot *slot = self->slot;
  const guint64 value = self->submitted + 1;
  const VkTimelineSemaphoreSubmitInfo timeline = {
    .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
    .signalSemaphoreValueCount = 1,
    .pSignalSemaphoreValues = &value,
  };
  const VkSubmitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
    .pNext = &timeline,
    .commandBufferCount = 1,
    .pCommandBuffers = &slot->cmd,
    .signalSemaphoreCount = 1,
    .pSignalSemaphores = &self->timeline,
  };
  VkResult result;
  gboolean lose;

  g_mutex_lock (&self->lock);
  lose = self->lose;
  self->lose = FALSE;
  g_mutex_unlock (&self->lock);

  result = vk->EndCommandBuffer (slot->cmd);
  if (result == VK_SUCCESS)
    result = lose ? VK_ERROR_DEVICE_LOST : vk->QueueSubmit (self->queue, 1, &info, VK_NULL_HANDLE);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "The graphics device took no work");
      return FALSE;
    }
  self->submitted = value;
  slot->value = value;
  self->slot = NULL;
  g_queue_push_tail (&self->in_flight, slot);
  return TRUE;
}

static gboolean
wait_oldest (RenderDevice *self, GError **error)
{
  RenderSlot *slot = g_queue_peek_head (&self->in_flight);
  const VkSemaphoreWaitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
    .semaphoreCount = 1,
    .pSemaphores = &self->timeline,
    .pValues = &slot->value,
  };
  VkResult result =
      self->life->vk.WaitSemaphores (self->life->handle, &info, 60 * (guint64) 1000000000);

  if (result != VK_SUCCESS)
    {
      /* A device that does not answer for a minute is as good as lost. */
      render_set_error (error, VK_ERROR_DEVICE_LOST, "The graphics device does not answer");
      return FALSE;
    }
  self->completed = slot->value;
  g_queue_pop_head (&self->in_flight);
  retire_slot (self, slot, NULL);
  return TRUE;
}

gboolean
render_device_flush (RenderDevice *self, GError **error)
{
  if (self->slot != NULL && !submit (self, error))
    return FALSE;
  return g_queue_get_length (&self->in_flight) < RENDER_N_SLOTS || wait_oldest (self, error);
}

/* --- loss and recovery --- */

static void
take_back_jobs (RenderDevice *self, RenderSlot *slot)
{
  RenderJob *job;

  while ((job = g_queue_pop_tail (&slot->jobs)) != NULL)
    {
      g_mutex_lock (&self->lock);
      g_queue_push_head (&self->jobs, job);
      g_mutex_unlock (&self->lock);
    }
  retire_slot (self, slot, NULL);
}

static void
fail_all_jobs (RenderDevice *self)
{
  RenderJob *job;

  do
    {
      g_mutex_lock (&self->lock);
      job = g_queue_pop_head (&self->jobs);
      g_mutex_unlock (&self->lock);
      if (job != NULL)
        end_job (self, job, self->dead);
    }
  while (job != NULL);
}

/* What waited for the uploads goes back into the queue, ahead of what was asked for since. */
static void
wake_later (RenderDevice *self)
{
  RenderJob *job;

  g_mutex_lock (&self->lock);
  while ((job = g_queue_pop_tail (&self->later)) != NULL)
    g_queue_push_head (&self->jobs, job);
  g_mutex_unlock (&self->lock);
}

/* Everything Vulkan goes, the jobs under way are asked for again, residents come back when they
 * are next used. */
static void
recover (RenderDevice *self)
{
  RenderSlot *slot;

  if (self->slot != NULL)
    {
      take_back_jobs (self, self->slot);
      self->slot = NULL;
    }
  self->life->vk.DeviceWaitIdle (self->life->handle);
  while ((slot = g_queue_pop_tail (&self->in_flight)) != NULL)
    take_back_jobs (self, slot);
  for (guint r = 0; r < self->residents->len; r++)
    {
      RenderResident *resident = self->residents->pdata[r];

      resident->drop (resident, self);
      if (resident->upload_step != NULL && !g_ptr_array_find (self->uploads, resident, NULL))
        g_ptr_array_add (self->uploads, resident);
    }
  render_device_close_life (self);
  for (int attempt = 0; attempt < 5; attempt++)
    {
      g_clear_error (&self->dead);
      if (render_device_open_life (self, &self->dead))
        {
          g_atomic_int_inc ((int *) &self->n_recoveries);
          return;
        }
      g_usleep (100000u << attempt);
    }
  g_prefix_error (&self->dead, "The graphics device was lost and did not come back: ");
  self->dead->domain = RENDER_ERROR;
  self->dead->code = RENDER_ERROR_DEVICE_LOST;
  g_ptr_array_set_size (self->uploads, 0);
  wake_later (self);
  fail_all_jobs (self);
}

/* --- the thread --- */

/* Threads of all devices that have not come to their end. */
static GMutex live_lock;
static GCond live_fewer;
static int n_live = 0;

static void
count_live (int change)
{
  g_mutex_lock (&live_lock);
  n_live += change;
  g_cond_broadcast (&live_fewer);
  g_mutex_unlock (&live_lock);
}

static void
collect_returned (RenderDevice *self)
{
  RenderBuffer *buffer;

  do
    {
      g_mutex_lock (&self->lock);
      buffer = g_queue_pop_head (&self->returned);
      g_mutex_unlock (&self->lock);
      if (buffer != NULL && buffer->life == self->life && self->readbacks->len < 8)
        g_ptr_array_add (self->readbacks, buffer);
      else
        render_buffer_destroy (self, buffer);
    }
  while (buffer != NULL);
  render_exports_collect (self);
}

static RenderJob *
pop_job (RenderDevice *self)
{
  RenderJob *job;

  g_mutex_lock (&self->lock);
  job = g_queue_pop_head (&self->jobs);
  g_mutex_unlock (&self->lock);
  return job;
}

/* FALSE: the device was lost. A job's own trouble ends that job alone. */
static gboolean
record_jobs (RenderDevice *self)
{
  RenderJob *job;
  int n = 0;

  /* In software the next job's data is prepared while this one's picture is being drawn. */
  while (n++ < MAX_JOBS_PER_SLOT && !(self->info.is_software && self->slot != NULL)
         && (job = pop_job (self)) != NULL)
    {
      g_autoptr (GError) error = NULL;

      if (job->record (job, self, &error))
        {
          if (self->slot != NULL)
            g_queue_push_tail (&self->slot->jobs, job);
          else if (!g_queue_is_empty (&self->in_flight))
            g_queue_push_tail (&((RenderSlot *) g_queue_peek_tail (&self->in_flight))->jobs, job);
          else
            end_job (self, job, NULL);
        }
      else if (was_lost (error))
        {
          g_mutex_lock (&self->lock);
          g_queue_push_head (&self->jobs, job);
          g_mutex_unlock (&self->lock);
          return FALSE;
        }
      else if (g_error_matches (error, RENDER_ERROR, RENDER_ERROR_LATER) && self->uploads->len > 0)
        g_queue_push_tail (&self->later, job);
      else
        end_job (self, job, error);
    }
  return TRUE;
}

static gboolean
step_uploads (RenderDevice *self)
{
  RenderResident *resident = self->uploads->pdata[0];
  g_autoptr (GError) error = NULL;

  /* However slow the device, two pieces wait for it at most. */
  if (g_queue_get_length (&self->in_flight) > 1 && !wait_oldest (self, &error))
    return FALSE;
  if (resident->upload_step (resident, self, &error))
    return TRUE;
  g_ptr_array_remove_index (self->uploads, 0);
  if (was_lost (error))
    return FALSE;
  /* Frames that need the texture will meet and report what stopped the upload. */
  if (error != NULL)
    g_debug ("upload: %s", error->message);
  if (self->uploads->len == 0)
    wake_later (self);
  return TRUE;
}

static void
wake_waiters (RenderDevice *self)
{
  Waiter *waiter;

  g_mutex_lock (&self->lock);
  while (g_queue_is_empty (&self->jobs) && (waiter = g_queue_pop_head (&self->waiters)) != NULL)
    waiter->done = TRUE;
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

/* FALSE: time to go. */
static gboolean
wait_for_work (RenderDevice *self)
{
  gboolean quit;

  wake_waiters (self);
  g_mutex_lock (&self->lock);
  while (g_queue_is_empty (&self->jobs) && g_queue_is_empty (&self->returned)
         && !render_exports_have_returned (self) && g_queue_is_empty (&self->waiters)
         && !self->quit)
    {
      if (!self->cache_dirty)
        g_cond_wait (&self->wake, &self->lock);
      else if (!g_cond_wait_until (&self->wake, &self->lock,
                                   g_get_monotonic_time () + SAVE_AFTER_US))
        {
          g_mutex_unlock (&self->lock);
          render_pipelines_save (self);
          g_mutex_lock (&self->lock);
        }
    }
  quit = self->quit && g_queue_is_empty (&self->jobs);
  g_mutex_unlock (&self->lock);
  return !quit;
}

static gboolean
has_jobs (RenderDevice *self)
{
  gboolean some;

  g_mutex_lock (&self->lock);
  some = !g_queue_is_empty (&self->jobs);
  g_mutex_unlock (&self->lock);
  return some;
}

/* One turn: new jobs first, else a piece of an upload, else wait for the device, else for work. */
static gboolean
turn (RenderDevice *self)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = TRUE;

  collect_returned (self);
  if (self->life != NULL)
    render_pools_trim (self, self->info.is_software ? SOFTWARE_STAGE_BYTES : RENDER_STAGE_BYTES);
  if (self->dead != NULL)
    {
      fail_all_jobs (self);
      return wait_for_work (self);
    }
  if (has_jobs (self))
    ok = record_jobs (self);
  else if (self->uploads->len > 0)
    ok = step_uploads (self);
  else if (g_queue_is_empty (&self->in_flight))
    return wait_for_work (self);
  else
    ok = wait_oldest (self, &error);
  ok = ok && render_device_flush (self, &error);
  if (!ok)
    recover (self);
  return TRUE;
}

static void
destroy_device (RenderDevice *self)
{
  g_autoptr (GError) error = NULL;

  while (self->dead == NULL && !g_queue_is_empty (&self->in_flight))
    if (!wait_oldest (self, &error))
      recover (self);
  if (self->exports != NULL)
    collect_returned (self);
  if (self->life != NULL)
    {
      render_pipelines_save (self);
      render_device_close_life (self);
    }
  render_exports_close (self);
  g_clear_pointer (&self->instance, render_instance_free);
  g_ptr_array_unref (self->residents);
  g_ptr_array_unref (self->uploads);
  g_ptr_array_unref (self->stages);
  g_ptr_array_unref (self->readbacks);
  g_ptr_array_unref (self->targets);
  g_clear_error (&self->dead);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  g_free (self->cache_dir);
  g_free (self);
}

static gpointer
device_thread (gpointer data)
{
  RenderDevice *self = data;

  while (turn (self))
    ;
  destroy_device (self);
  count_live (-1);
  return NULL;
}

/* --- inside render/ --- */

void
render_device_post (RenderDevice *self, RenderJob *job)
{
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->jobs, job);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

void
render_device_return_buffer (RenderDevice *self, RenderBuffer *buffer)
{
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->returned, buffer);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
}

void
render_device_add_resident (RenderDevice *self, RenderResident *resident)
{
  if (g_ptr_array_find (self->residents, resident, NULL))
    return;
  g_ptr_array_add (self->residents, resident);
  render_device_add_upload (self, resident);
}

void
render_device_add_upload (RenderDevice *self, RenderResident *resident)
{
  if (resident->upload_step != NULL && !g_ptr_array_find (self->uploads, resident, NULL))
    g_ptr_array_add (self->uploads, resident);
}

void
render_device_remove_resident (RenderDevice *self, RenderResident *resident)
{
  g_ptr_array_remove (self->residents, resident);
  g_ptr_array_remove (self->uploads, resident);
  if (self->uploads->len == 0)
    wake_later (self);
}

/* --- public --- */

RenderDevice *
render_device_new (const RenderDeviceParams *params, GError **error)
{
  static const RenderDeviceParams defaults = { 0 };
  RenderDevice *self = g_new0 (RenderDevice, 1);
  const char *name;

  params = params != NULL ? params : &defaults;
  name = params->name != NULL ? params->name : g_getenv ("CROSSLABEL_VULKAN_DEVICE");
  self->n_refs = 1;
  self->validate = params->validate || g_getenv ("CROSSLABEL_VULKAN_VALIDATE") != NULL;
  self->direct = params->direct;
  self->step_through = params->step_through;
  self->cache_dir = g_strdup (params->cache_dir);
  self->pixel_order = params->pixel_order;
  self->max_image_3d = params->max_image_3d;
  self->max_scan_bytes = params->max_scan_bytes;
  self->max_memory_bytes = params->max_memory_bytes;
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  self->residents = g_ptr_array_new ();
  self->uploads = g_ptr_array_new ();
  self->stages = g_ptr_array_new ();
  self->readbacks = g_ptr_array_new ();
  self->targets = g_ptr_array_new ();
  if (!render_device_open (self, name, params->hardware_only, error)
      || !render_device_open_life (self, error))
    {
      destroy_device (self);
      return NULL;
    }
  count_live (1);
  self->thread = g_thread_new ("render", device_thread, self);
  return self;
}

RenderDevice *
render_device_ref (RenderDevice *self)
{
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
render_device_unref (RenderDevice *self)
{
  GThread *thread;

  if (self == NULL || !g_atomic_int_dec_and_test (&self->n_refs))
    return;
  thread = self->thread;
  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
  /* The last reference may have been a job's, on the device's own thread, which cleans up. */
  if (thread == g_thread_self ())
    g_thread_unref (thread);
  else
    g_thread_join (thread);
}

gboolean
render_device_wait_closed (int timeout_ms)
{
  const gint64 end = g_get_monotonic_time () + timeout_ms * G_TIME_SPAN_MILLISECOND;
  gboolean closed;

  g_mutex_lock (&live_lock);
  while (n_live > 0 && g_cond_wait_until (&live_fewer, &live_lock, end))
    ;
  closed = n_live == 0;
  g_mutex_unlock (&live_lock);
  return closed;
}

const RenderDeviceInfo *
render_device_get_info (RenderDevice *self)
{
  return &self->info;
}

RenderPixelOrder
render_device_get_pixel_order (RenderDevice *self)
{
  return self->pixel_order;
}

VkFormat
render_device_get_target_format (RenderDevice *self)
{
  return self->pixel_order == RENDER_PIXEL_ORDER_BGRA ? VK_FORMAT_B8G8R8A8_UNORM
                                                      : VK_FORMAT_R8G8B8A8_UNORM;
}

void
render_device_wait_sync (RenderDevice *self)
{
  Waiter waiter = { FALSE };

  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->waiters, &waiter);
  g_cond_broadcast (&self->wake);
  while (!waiter.done)
    g_cond_wait (&self->wake, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
render_device_get_memory (RenderDevice *self, guint64 *now_bytes, guint64 *peak_bytes)
{
  g_mutex_lock (&self->lock);
  if (now_bytes != NULL)
    *now_bytes = self->memory_now;
  if (peak_bytes != NULL)
    *peak_bytes = self->memory_peak;
  g_mutex_unlock (&self->lock);
}

void
render_device_simulate_loss (RenderDevice *self)
{
  g_mutex_lock (&self->lock);
  self->lose = TRUE;
  g_mutex_unlock (&self->lock);
}

guint
render_device_get_n_recoveries (RenderDevice *self)
{
  return (guint) g_atomic_int_get (&self->n_recoveries);
}
