#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo-headless.sh FOLDER: the whole loop on phantoms, without a display: scans, project, cross-labels
# from the truth, one short round of training, predictions, the next selection, pictures of slices.
set -eu
out=$1
: "${CROSSLABEL:?the program to run}"
seed=${CROSSLABEL_DEMO_SEED:-1}
step () { echo; echo "== $*"; }

rm -rf "$out"
mkdir -p "$out"
project="$out/phantoms.crosslabel"

step "Six phantoms"
"$CROSSLABEL" phantom --out "$out/scans" --count 6 --seed "$seed" --size 48,48,32 --organs 2 >/dev/null
labels=$("$CROSSLABEL" phantom --out "$out/scans" --count 1 --seed "$seed" --size 48,48,32 --organs 2 --json \
  | sed -n 's/.*"labels" *: *\[\([^]]*\)\].*/\1/p' | tr -d '" ' | tr ',' ' ')
scans=("$out"/scans/phantom_???.nii.gz)
truths=("$out"/scans/phantom_???_label.nii.gz)
"$CROSSLABEL" new "$project" --scan "${scans[@]}" --truth "${truths[@]}" --label $labels --seed "$seed"

step "Which scans and slices to label first"
"$CROSSLABEL" select "$project" --count 2

step "The proposed slices, labelled from the truth in the expert's place"
for id in $(seq 1 ${#scans[@]}); do
  # A scan without proposed slices is not asked for yet.
  if "$CROSSLABEL" info "$project" --json | grep -q "\"id\":$id,[^}]*\"slices\":\[{"; then
    "$CROSSLABEL" import "$project" --scan "$id" --labels "${truths[$((id - 1))]}" --slices proposed
  fi
done

step "One short round of training"
"$CROSSLABEL" train "$project" --profile laptop --steps "${CROSSLABEL_DEMO_STEPS:-250}" --seed "$seed"

step "Predictions, and the next selection"
"$CROSSLABEL" predict "$project" --out "$out/predictions"
"$CROSSLABEL" select "$project" --count 2
"$CROSSLABEL" evaluate "$project"

step "Labels out, and pictures of slices"
"$CROSSLABEL" export "$project" --out "$out/labels"
"$CROSSLABEL" export "$project" --out "$out/nnunet" --format nnunet
mkdir -p "$out/pictures"
for labels in "$out"/labels/*_labels.nii.gz; do
  name=$(basename "$labels" _labels.nii.gz)
  for plane in axial coronal sagittal; do
    index=$("$CROSSLABEL" info "$project" --json \
      | grep -o "\"name\":\"$name\".*" | grep -o "\"plane\":\"$plane\",\"index\":[0-9]*" | head -n 1 | grep -o '[0-9]*$')
    "$CROSSLABEL" render "$out/scans/$name.nii.gz" --plane $plane --index "$index" --labels "$labels" \
      --size 480x480 --out "$out/pictures/$name-$plane.png" >/dev/null
  done
done

step "Done. Look at"
echo "  $out/pictures     slices with their labels"
echo "  $out/predictions  what the model says of every scan"
echo "  $out/labels       labels with the mask of what is labelled; $out/nnunet for nnU-Net"
echo "  $project          the project"
