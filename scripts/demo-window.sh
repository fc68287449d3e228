#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The window on a project of four phantoms, made the first time and kept.
set -eu
: "${CROSSLABEL:?the program to run}"
demo="${XDG_DATA_HOME:-$HOME/.local/share}/crosslabel/demo"
project="$demo/phantoms.crosslabel"
if [ ! -e "$project" ]; then
  labels=$("$CROSSLABEL" phantom --out "$demo/scans" --count 6 --seed 1 --organs 3 --json \
    | sed -n 's/.*"labels" *: *\[\([^]]*\)\].*/\1/p' | tr -d '" ' | tr ',' ' ')
  "$CROSSLABEL" new "$project" --scan "$demo"/scans/phantom_???.nii.gz \
    --truth "$demo"/scans/phantom_???_label.nii.gz --label $labels >&2
fi
exec "$CROSSLABEL" "$project"
