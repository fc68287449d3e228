/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

void
app_application_show_preferences (AppApplication *self)
{
}

void
app_application_show_shortcuts (AppApplication *self)
{
}
