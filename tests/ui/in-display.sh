#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program under Xvfb and a session bus of its own. The session's daemons inherit standard
# error as their standard output: one of them writes to it, and the test's own is TAP.
exec 3>&1
exec xvfb-run -a -s '-screen 0 1280x1024x24 -nolisten tcp' dbus-run-session -- \
  sh -c 'exec "$0" "$@" >&3' "$@" >&2
