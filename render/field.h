/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/device.h"

G_BEGIN_DECLS

/**
 * RenderField:
 *
 * A scalar per voxel of a box of a scan (uncertainty, a probability), drawn over slices. Outside
 * the box, and where a value is NaN, nothing is drawn. Immutable.
 *
 * @values: float32 of the box, i fastest; a reference is kept
 */
RenderField *render_field_new (RenderDevice *device, const VolumeBox *box,
                               GBytes *values) G_GNUC_WARN_UNUSED_RESULT;
RenderField *render_field_ref (RenderField *self);
void render_field_unref (RenderField *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderField, render_field_unref)

G_END_DECLS
