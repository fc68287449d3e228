#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The SAM family's times here and in PyTorch, in turn, in one run.

    bench-generalist.py --crosslabel build/app/crosslabel [--repeat 3] [--folder DIR]

Needs torch and segment-anything, and ultralytics for MobileSAM's encoder. Weights are random and written to DIR as
the official files are. One JSON line per model; times in ms, medians: the encoder with its pre-processing, a click to
logits at the picture's size.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from segment_anything import SamPredictor, sam_model_registry


def mobile_sam():
    with contextlib.redirect_stdout(sys.stderr):
        from ultralytics.models.sam.modules.tiny_encoder import TinyViT
    sam = sam_model_registry["vit_b"]()
    sam.image_encoder = TinyViT(
        img_size=1024, in_chans=3, num_classes=1000, embed_dims=(64, 128, 160, 320), depths=(2, 2, 6, 2),
        num_heads=(2, 4, 5, 10), window_sizes=(7, 7, 14, 7), mlp_ratio=4.0, drop_rate=0.0, drop_path_rate=0.0,
        use_checkpoint=False, mbconv_expand_ratio=4.0, local_conv_size=3)
    sam.image_encoder.img_size = 1024
    return sam


MODELS = {"vit_b": lambda: sam_model_registry["vit_b"](), "mobile_sam": mobile_sam}


def picture(size, number):
    y, x = np.mgrid[:size, :size]
    disc = (x - size // 2) ** 2 + (y - size // 2 + number) ** 2 < size * size // 16
    return np.repeat((np.where(disc, 160, 60) + (x * 7 + y) % 13).astype(np.uint8)[..., None], 3, 2)


def torch_times(sam, size, repeat):
    predictor = SamPredictor(sam)
    encode, click = [], []
    with torch.inference_mode():
        for r in range(-1, repeat):
            start = time.perf_counter()
            predictor.set_image(picture(size, r))
            encoded = time.perf_counter()
            for k in range(2):
                clicked = time.perf_counter()
                predictor.predict(np.array([[size // 2 + k, size // 2]]), np.array([1]), multimask_output=True)
            if r >= 0:
                encode.append(1e3 * (encoded - start))
                click.append(1e3 * (time.perf_counter() - clicked))
    return statistics.median(encode), statistics.median(click)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--crosslabel", required=True)
    parser.add_argument("--folder")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--model", choices=MODELS, action="append")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count())
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.model or MODELS:
            torch.manual_seed(1)
            sam = MODELS[name]().eval()
            path = os.path.join(options.folder or scratch, name + ".pth")
            torch.save(sam.state_dict(), path)
            ours = subprocess.run(
                [options.crosslabel, "bench", "generalist", "--weights", path, "--size", str(options.size),
                 "--repeat", str(options.repeat)], check=True, capture_output=True, text=True)
            ours = json.loads(ours.stdout)
            encode, click = torch_times(sam, options.size, options.repeat)
            print(json.dumps({
                "model": name, "torch": torch.__version__, "threads": torch.get_num_threads(),
                "encode_ms": round(ours["encode_ms"], 1), "torch_encode_ms": round(encode, 1),
                "click_to_logits_ms": round(ours["click_to_logits_ms"], 2), "torch_click_ms": round(click, 2),
                "click_to_mask_ms": round(ours["click_to_mask_ms"], 2),
                "peak_rss_mib": round(ours["peak_rss_mib"])}), flush=True)


if __name__ == "__main__":
    main()
