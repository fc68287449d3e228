#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$here/scripts/setup.sh"

full=no
case "${1:-}" in
  "") ;;
  --full) full=yes ;;
  --fuzz) exec "$here/scripts/fuzz.sh" "${@:2}" ;;
  *) echo "usage: ./check [--full | --fuzz [SECONDS [TARGET…]]]" >&2; exit 2 ;;
esac

logs=()      # meson's logs of test runs
n_broken=0   # builds that failed: each counts as one failed test
logdir=$(mktemp -d)
trap 'rm -rf "$logdir"' EXIT

finish () {
  local status=0
  "$python" "$here/scripts/count-tests.py" --broken $n_broken "${logs[@]}" || status=1
  exit $status
}

build () { # NAME MESON-OPTION…
  folder=$(setup_folder "$1"); shift
  if setup_build "$folder" "$@"; then return 0; fi
  echo "not ok: the build in $folder failed"
  n_broken=$((n_broken + 1))
  return 1
}

tests () { # LOGNAME MESON-TEST-ARGUMENT…
  local name=$1; shift
  rm -f "$folder"/meson-logs/testlog*.json
  meson test -C "$folder" --no-rebuild --print-errorlogs --logbase "testlog-$name" "$@" || true
  if [ -f "$folder/meson-logs/testlog-$name.json" ]; then
    cp "$folder/meson-logs/testlog-$name.json" "$logdir/$name.json"
    logs+=("$logdir/$name.json")
  else
    echo "not ok: the test run $name left no log"
    n_broken=$((n_broken + 1))
  fi
}

# Names of the tests of a suite that match; what a wrapper can run.
names () {
  meson test -C "$folder" --no-rebuild --list --suite quick 2>/dev/null \
    | sed -n 's|.* / ||p' | grep -E "$1" || true
}

python=/usr/bin/python3
[ -x $python ] || python=python3
if [ $full = yes ]; then setup_packages build run check full; else setup_packages build run check; fi
[ -x /usr/bin/python3 ] && python=/usr/bin/python3

build build-check -Dwerror=true || finish
# The time limits are for machines that do nothing else.
tests quick --suite quick --timeout-multiplier 3
[ $full = yes ] || finish

tests full --suite full --timeout-multiplier 4

if build build-bare -Dwerror=true -Dui=disabled -Drender=disabled; then
  tests bare --suite quick $(names '^(db|app-thread|volume|include)')
fi

# clang finds other warnings than gcc.
CC=clang build build-clang -Dwerror=true || true

# Leaks are valgrind's; GLib's and Mesa's one-time allocations are nobody's.
if build build-asan -Db_sanitize=address,undefined -Db_lundef=false; then
  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1 \
    tests asan --suite quick --timeout-multiplier 6
fi

folder=$(setup_folder build-check)
G_SLICE=always-malloc tests valgrind --timeout-multiplier 30 \
  --wrapper "valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 --suppressions=/usr/share/glib-2.0/valgrind/glib.supp" \
  $(names '^(db|volume|active)-')
finish
