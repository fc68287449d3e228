#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/scripts/setup.sh"
setup_packages build run check
build="$here/build-check"
setup_build "$build" -Dwerror=true
status=0
meson test -C "$build" --suite quick --no-rebuild --print-errorlogs || status=$?
/usr/bin/python3 "$here/scripts/count-tests.py" "$build/meson-logs/testlog.junit.xml" || status=1
exit $status
