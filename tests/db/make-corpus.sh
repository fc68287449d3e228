#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes tests/db/corpus, the seeds of fuzz-project. Run by hand, with the program in CROSSLABEL, when
# the format of a project changes. Small pages keep the seeds small.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CROSSLABEL:?the program}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$CROSSLABEL" phantom --out "$work" --count 3 --seed 1 --size 24,20,16 --organs 2 >/dev/null
"$CROSSLABEL" new "$work/p.crosslabel" --scan "$work"/phantom_???.nii.gz --label liver kidney \
  --truth "$work"/phantom_???_label.nii.gz >/dev/null
"$CROSSLABEL" select "$work/p.crosslabel" --count 1 >/dev/null
printf '%s\n' 'scan phantom_001' 'brush 1 axial 8 4 5,5 14,12' 'brush 2 axial 8 3 10,10 3,12' undo redo undo \
  'brush 2 axial 9 5 8,8' | "$CROSSLABEL" edit "$work/p.crosslabel" --script - >/dev/null
"$CROSSLABEL" import "$work/p.crosslabel" --scan phantom_000 --slices proposed \
  --labels "$work/phantom_000_label.nii.gz" >/dev/null
mkdir -p "$here/corpus"
sqlite3 "$work/p.crosslabel/project.sqlite" \
  "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;" >/dev/null
cp "$work/p.crosslabel/project.sqlite" "$here/corpus/project.sqlite"
