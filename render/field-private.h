/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/field.h"
#include "render/region.h"

G_BEGIN_DECLS

RenderRegion *render_field_prepare (RenderField *self, GError **error);
/* value = texture value × @scale + @offset; texture value 0 is nothing. */
void render_field_get_value_map (RenderField *self, double *scale, double *offset);

G_END_DECLS
