#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One go on a machine with an NVIDIA GPU, in under ten minutes.
#
#   gpu-session.sh pack [FOLDER]   here, with the CUDA toolkit: builds what is needed into FOLDER
#                                  (gpu-session), the libraries it wants beside it
#   gpu-session.sh run [FOLDER]    there, which needs the driver, cuDNN and cuBLASLt: every op against
#                                  the reference, training and encoding speeds with the share of the
#                                  card's peak, times by op, and PyTorch beside them where python3 has it
#
# run prints what the programs print, "N passed, N failed" at the end, and keeps all in FOLDER/out.
set -u
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
what=${1:-}
folder=$(realpath -m "${2:-gpu-session}")
device=${CROSSLABEL_TEST_DEVICE:-cuda}

pack () {
  local build=$here/build-gpu file libraries
  set -e
  if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$here" -Dwerror=true -Dcuda=enabled -Dcpu=auto -Drender=disabled -Dui=disabled
  fi
  ninja -C "$build" app/crosslabel tests/seg/test-seg-backend-parity \
    seg/crosslabel-seg-cuda.so seg/crosslabel-seg-cuda-fake.so
  mkdir -p "$folder/lib" "$folder/tests/peer" "$folder/tests/model" "$folder/tests/method"
  cp "$build/app/crosslabel" "$build/tests/seg/test-seg-backend-parity" \
    "$build/seg/crosslabel-seg-cuda.so" "$build/seg/crosslabel-seg-cuda-fake.so" "$folder"
  cp "$here/scripts/gpu-session.sh" "$folder"
  cp "$here/tests/seg/peer/bench-pytorch.py" "$folder/tests/peer"
  cp "$here/tests/seg/model/record-vnet.py" "$folder/tests/model"
  cp "$here/tests/seg/method/record-teacher.py" "$folder/tests/method"
  strip -g "$folder"/crosslabel* "$folder/test-seg-backend-parity"
  # The C library and what belongs to CUDA are the other machine's own.
  libraries=$(ldd "$folder/crosslabel" "$folder/test-seg-backend-parity" | awk '$2 == "=>" { print $3 }' | sort -u)
  for file in $libraries; do
    case "$(basename "$file")" in
      libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | ld-linux* | libcu*) ;;
      *) cp -L "$file" "$folder/lib" ;;
    esac
  done
  du -sh "$folder"
}

n_passed=0
n_failed=0

step () { # NAME SECONDS COMMAND…: its output to the screen and to out/NAME
  local name=$1 seconds=$2 status=0
  shift 2
  echo "== $name"
  timeout "$seconds" "$@" >"$folder/out/$name" 2>&1 || status=$?
  cat "$folder/out/$name"
  if [ $status = 0 ]; then
    n_passed=$((n_passed + 1))
  else
    n_failed=$((n_failed + 1))
    echo "not ok: $name ended with $status"
  fi
}

run () {
  local dtype small=
  mkdir -p "$folder/out"
  cd "$folder"
  export LD_LIBRARY_PATH=$folder/lib:/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}
  export CROSSLABEL_MODULE_PATH=$folder CROSSLABEL_TEST_DEVICE=$device
  if [ "$device" = cuda ]; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv || {
      echo "not ok: no NVIDIA device here"
      echo "0 passed, 1 failed"
      exit 1
    }
  else
    small="--filters 2 --size 16,16,16 --batch 1" # the fake device is for trying this script
  fi
  step doctor 30 ./crosslabel doctor
  step parity 120 ./test-seg-backend-parity
  for dtype in f32 bf16; do
    # shellcheck disable=SC2086
    step "train-$dtype" 60 ./crosslabel bench train --device "$device" --dtype $dtype --repeat 5 $small
    # shellcheck disable=SC2086
    step "teacher-$dtype" 60 ./crosslabel bench train --teacher --device "$device" --dtype $dtype --repeat 5 $small
  done
  if [ "$device" = cuda ]; then
    step train-ops 60 ./crosslabel bench train --device cuda --dtype bf16 --repeat 5 --op-shapes
    for dtype in f32 bf16; do
      step "vit-$dtype" 40 ./crosslabel bench infer --device cuda --model vit_b --dtype $dtype --repeat 5
    done
    if python3 -c 'import torch' 2>/dev/null; then
      for dtype in f32 bf16; do
        step "pytorch-$dtype" 90 python3 tests/peer/bench-pytorch.py ./crosslabel --device cuda --rounds 2 \
          paper teacher $dtype
      done
    else
      echo "PyTorch is not installed: nothing to compare with"
    fi
  fi
  echo "$n_passed passed, $n_failed failed"
  [ $n_failed = 0 ]
}

case "$what" in
  pack | run) $what ;;
  *) echo "usage: gpu-session.sh pack|run [FOLDER]" >&2; exit 2 ;;
esac
