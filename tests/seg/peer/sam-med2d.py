#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SAM-Med2D from a checkpoint as torch.save writes it: the program's masks beside PyTorch's.

    sam-med2d.py PROGRAM

Needs torch, segment-anything, numpy and Pillow. The network is segment-anything's at a frame of 256 with SAM-Med2D's
adapters (seg/generalist/record_sam.py), its weights come from the same hash, and the file is what a training leaves:
{"model": …, "optimizer": …}. A picture of 90 × 60 is resized by nearest pixels after the mean and the deviation were
taken off, points and boxes are scaled with it, and the logits go back in two bilinear steps. Says for each prompt how
many pixels differ where |logit| is above a thousandth of the range. About 1.1 GB on disk, 4 GB of memory.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from segment_anything.build_sam import _build_sam

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "generalist"))
import record_sam  # noqa: E402

SIZE, WIDTH, HEIGHT = 256, 90, 60
PROMPTS = [
    ("a point", ["--point", "40,30,+"], [(40, 30, 1)], None),
    ("two points", ["--point", "40,30,+", "--point", "70,12,-"], [(40, 30, 1), (70, 12, 0)], None),
    ("a box", ["--box", "20,10,60,45"], [], (20, 10, 60, 45)),
]


def network():
    sam = _build_sam(encoder_embed_dim=768, encoder_depth=1, encoder_num_heads=12, encoder_global_attn_indexes=[0])
    sam.image_encoder = record_sam.with_adapters(record_sam.vit(768, 12, 12, (2, 5, 8, 11), SIZE), 768)
    sam.prompt_encoder.input_image_size = (SIZE, SIZE)
    sam.prompt_encoder.image_embedding_size = (SIZE // 16, SIZE // 16)
    sam.prompt_encoder.mask_input_size = (SIZE // 4, SIZE // 4)
    return record_sam.fill(sam)


def picture():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    grey = np.where(np.hypot(x - 40, y - 30) < 15, 200, 60) + (x * 7 + y * 13) % 23
    return np.stack([grey, np.clip(grey - 20, 0, 255), 255 - grey], -1).astype(np.uint8)


def answer(sam, rgb, points, box):
    mean, deviation = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    rows = np.arange(SIZE) * HEIGHT // SIZE
    columns = np.arange(SIZE) * WIDTH // SIZE
    frame = ((rgb - mean) / deviation)[rows][:, columns]
    image = torch.from_numpy(frame.transpose(2, 0, 1)[None].astype(np.float32))
    scale = np.array([SIZE / WIDTH, SIZE / HEIGHT])
    coords = labels = boxes = None
    if points:
        coords = torch.tensor(np.array([[p[:2] for p in points]]) * scale, dtype=torch.float32)
        labels = torch.tensor([[p[2] for p in points]])
    if box:
        boxes = torch.tensor([np.array(box) * np.tile(scale, 2)], dtype=torch.float32)
    with torch.no_grad():
        embedding = sam.image_encoder(image)
        sparse, dense = sam.prompt_encoder(points=(coords, labels) if points else None, boxes=boxes, masks=None)
        masks, iou = sam.mask_decoder(image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(),
                                      sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense,
                                      multimask_output=False)
        masks = torch.nn.functional.interpolate(masks, (SIZE, SIZE), mode="bilinear", align_corners=False)
        masks = torch.nn.functional.interpolate(masks, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
    return masks[0, 0].numpy(), float(iou[0, 0])


def main():
    torch.set_num_threads(2)
    sam, rgb, wrong = network(), picture(), 0
    with tempfile.TemporaryDirectory() as folder:
        weights, image, out = (f"{folder}/{name}" for name in ("sam-med2d_b.pth", "picture.png", "mask.png"))
        torch.save({"model": sam.state_dict(), "optimizer": {"state": {}, "param_groups": []}, "epoch": 3}, weights)
        Image.fromarray(rgb).save(image)
        for name, arguments, points, box in PROMPTS:
            logits, iou = answer(sam, rgb, points, box)
            said = subprocess.run([sys.argv[1], "prompt", image, *arguments, "--weights", weights, "--out", out,
                                   "--json"], check=True, capture_output=True, text=True).stdout
            mask = np.asarray(Image.open(out).convert("L")) > 0
            sure = np.abs(logits) > 1e-3 * np.ptp(logits)
            different = int(((mask != (logits > 0)) & sure).sum())
            wrong += different
            print(json.dumps({"prompt": name, "pixels": mask.size, "inside": int(mask.sum()), "different": different,
                              "left_out": int((~sure).sum()), "iou_pytorch": round(iou, 5), "said": json.loads(said)}),
                  flush=True)
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
