#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS [TARGET…]]: every fuzz target, or those named, for that long (60), from the corpus
# of the tests. What is found grows in build-fuzz/corpus, what fails lies in build-fuzz/failures.
set -eu
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
. "$here/scripts/setup.sh"
seconds=${1:-60}
case "$seconds" in *[!0-9]* | "") echo "usage: ./check --fuzz [SECONDS [TARGET…]]" >&2; exit 2 ;; esac
[ $# -eq 0 ] || shift
setup_packages build check full
build=$(setup_folder build-fuzz)
export CC=clang
setup_target=fuzz setup_build "$build" -Dfuzz=true -Dui=disabled -Drender=disabled -Dcuda=disabled \
  -Dbuildtype=debugoptimized || { say "crosslabel: the build failed"; exit 1; }

volume=$here/tests/volume/corpus
seeds () {
  case "$1" in
    volume-decoded) echo "$volume"/scan.* ;;
    volume-edit) echo "$volume"/edit-*.bin ;;
    volume-labels) echo "$volume"/labels.* ;;
    volume-prompt) echo "$volume"/prompt.json ;;
    volume-scan) echo "$volume"/scan-* ;;
    db-project) echo "$here"/tests/db/corpus/* ;;
    seg-weights) echo "$here"/tests/seg/weights/data/*.pth "$here"/tests/seg/weights/data/*.safetensors ;;
    *) say "fuzz.sh: there is no target $1"; exit 2 ;;
  esac
}

[ $# -gt 0 ] || set -- volume-scan volume-decoded volume-edit volume-labels volume-prompt db-project seg-weights
passed=0
failed=0
# A refused allocation is an answer the program has to live with; more than 2 GiB is a finding.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
for name; do
  folder=$(echo "${name%%-*}")
  found=$build/corpus/$name
  mkdir -p "$found" "$build/failures"
  cp -u $(seeds "$name") "$found"
  log=$build/fuzz-$name.log
  if CROSSLABEL_DECODER="$build/volume/crosslabel-decode" "$build/tests/$folder/fuzz-$name" \
      -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
      -artifact_prefix="$build/failures/$name-" "$found" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
  else
    failed=$((failed + 1))
    echo "not ok $name: see $log"
    grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log" | head -n 5
  fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
