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

# matching NAME REGEX [programs]: runs the quick tests whose names match, with the further arguments;
# "programs" leaves out those that a script runs (a wrapper would look at the script's interpreter).
# A pattern that finds nothing is an error: meson would take it for "all".
matching () {
  local name=$1 regex=$2 kind=$3 found
  shift 3
  found=$(meson introspect "$folder" --tests | "$python" -c '
import json, os, re, sys
folder, regex, kind = sys.argv[1:]
for test in json.load(sys.stdin):
    inside = os.path.realpath(test["cmd"][0]).startswith(os.path.realpath(folder) + os.sep)
    quick = any(suite.endswith("quick") for suite in test["suite"])
    if quick and re.search(regex, test["name"]) and (inside or kind != "programs"):
        print(test["name"])
' "$folder" "$regex" "$kind") || found=
  if [ -z "$found" ]; then
    echo "not ok: no test of $folder matches $regex"
    n_broken=$((n_broken + 1))
    return 0
  fi
  tests "$name" "$@" $found
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

# Without the window and without Vulkan the rest still builds and works.
if build build-bare -Dwerror=true -Dui=disabled -Drender=disabled; then
  matching bare '^(active|app|db|include|volume)' any --suite quick --timeout-multiplier 3
fi

# clang finds other warnings than gcc.
CC=clang build build-clang -Dwerror=true || true

# Leaks are valgrind's; GLib's and Mesa's one-time allocations are nobody's. Of the tests that drive
# the window one is enough: the others wait by the clock, and sanitizers slow it several times; one
# looks at resident memory, where they keep what was freed.
if build build-asan -Db_sanitize=address,undefined -Db_lundef=false; then
  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1 \
    matching asan '^(?!ui-(changing|round|session|tools)$)' any --suite quick --timeout-multiplier 6
fi

folder=$(setup_folder build-check)
G_SLICE=always-malloc matching valgrind '^(active|db|volume)-' programs --timeout-multiplier 30 \
  --wrapper "valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 --suppressions=/usr/share/glib-2.0/valgrind/glib.supp"
finish
