#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Classical answers to the simulated clicks of `crosslabel bench prompt`, for comparison alone.

    crosslabel bench prompt --data DIR --cases 30 --dump CASES
    bench-prompt-classical.py CASES/laseg.bin …

Needs numpy, scipy, scikit-image and OpenCV. The same cases, the same clicks: first the deepest pixel
of the truth, then of the largest error. One JSON line per set and method; Dice is simulated.
"""
import json
import struct
import sys

import cv2
import numpy as np
from scipy import ndimage
from skimage.morphology import reconstruction
from skimage.segmentation import random_walker

ASKED = (1, 3, 5, 10)


def cases(path):
    with open(path, "rb") as file:
        while head := file.read(12):
            width, height, channels = struct.unpack("<iii", head)
            size = width * height
            pixels = np.frombuffer(file.read(4 * size * channels), np.float32)
            truth = np.frombuffer(file.read(size), np.uint8).reshape(height, width) > 0
            yield pixels.reshape(height, width, channels), truth


def dice(a, b):
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else 2.0 * (a & b).sum() / total


def next_click(truth, answer):
    best = None
    for positive, wrong in ((True, truth & ~answer), (False, answer & ~truth)):
        labels, count = ndimage.label(wrong)
        if count == 0:
            continue
        sizes = np.bincount(labels.ravel())[1:]
        size = sizes.max()
        if best is None or size > best[0]:
            best = (size, positive, labels == 1 + sizes.argmax())
    if best is None:
        return None
    depth = ndimage.distance_transform_edt(np.pad(best[2], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return x, y, best[1]


def grey(pixels):
    value = pixels.mean(axis=2)
    low, high = np.percentile(value, (0.5, 99.5))
    return np.clip((value - low) / max(high - low, 1e-6), 0, 1)


def disc(shape, x, y, radius):
    yy, xx = np.ogrid[: shape[0], : shape[1]]
    return (xx - x) ** 2 + (yy - y) ** 2 <= radius**2


def walk(beta):
    def answer(pixels, clicks, box):
        image = grey(pixels)
        seeds = np.zeros(image.shape, np.int32)
        seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = 2, 2, 2, 2
        for x, y, positive in clicks:
            seeds[disc(image.shape, x, y, 2)] = 1 if positive else 2
        return random_walker(image, seeds, beta=beta, mode="cg_j", tol=1e-3) == 1

    return answer


def grow(tolerance):
    """Seeded region growing: a pixel costs the largest step from the seeds' mean on the way to it, and goes to the
    cheaper side if that stays within the tolerance."""

    def answer(pixels, clicks, box):
        image = ndimage.gaussian_filter(grey(pixels), 1)
        costs = []
        for side in (True, False):
            seeds = [(y, x) for x, y, positive in clicks if positive == side]
            cost = np.full(image.shape, np.inf)
            for seed in seeds:
                level = image[disc(image.shape, seed[1], seed[0], 2)].mean()
                step = np.abs(image - level)
                start = np.full(image.shape, step.max())
                start[seed] = step[seed]
                cost = np.minimum(cost, reconstruction(start, step, method="erosion"))
            costs.append(cost)
        found = (costs[0] <= tolerance) & (costs[0] <= costs[1])
        return ndimage.binary_fill_holes(ndimage.binary_opening(found))

    return answer


def cut(pixels, clicks, box, reach=0.06):
    image = np.repeat((grey(pixels) * 255).astype(np.uint8)[..., None], 3, 2)
    if pixels.shape[2] == 3:
        image = np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8)[..., ::-1])
    mask = np.full(image.shape[:2], cv2.GC_PR_BGD, np.uint8)
    if box is not None:
        x0, y0, x1, y1 = (int(round(v)) for v in box)
        mask[:] = cv2.GC_BGD
        mask[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
    for x, y, positive in clicks:
        radius = reach * max(mask.shape)
        if positive:
            mask[disc(mask.shape, x, y, radius) & (mask == cv2.GC_PR_BGD)] = cv2.GC_PR_FGD
        mask[disc(mask.shape, x, y, 2)] = cv2.GC_FGD if positive else cv2.GC_BGD
    if box is None:
        mask[0], mask[-1], mask[:, 0], mask[:, -1] = (cv2.GC_BGD,) * 4
    try:
        cv2.grabCut(image, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        pass  # too few pixels of a kind: the mask stays as it was drawn
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def ellipse(truth, jitter):
    ys, xs = np.nonzero(truth)
    box = np.array([xs.min(), ys.min(), xs.max(), ys.max()], float)
    size = np.array([box[2] - box[0] + 1, box[3] - box[1] + 1] * 2)
    box = box + jitter.uniform(-0.05, 0.05, 4) * size
    limit = np.array([truth.shape[1] - 1, truth.shape[0] - 1] * 2)
    return np.clip(box, 0, limit)


LONGEST = 256


def reduced(method):
    """Photos are answered at a longest side of 256, as such methods are run in practice; Dice is at full size."""

    def answer(pixels, clicks, box):
        height, width = pixels.shape[:2]
        scale = LONGEST / max(height, width)
        if scale >= 1:
            return method(pixels, clicks, box)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
        few = [(min(int(x * scale), size[0] - 1), min(int(y * scale), size[1] - 1), sign) for x, y, sign in clicks]
        found = method(small, few, None if box is None else box * scale)
        return cv2.resize(found.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0

    return answer


METHODS = {
    "random walker, beta 130": walk(130),
    "random walker, beta 500": walk(500),
    "random walker, beta 4000": walk(4000),
    "region growing, tolerance 0.06": grow(0.06),
    "region growing, tolerance 0.12": grow(0.12),
    "GrabCut": cut,
    "GrabCut, wide start": lambda pixels, clicks, box: cut(pixels, clicks, box, 0.15),
}


def main():
    for path in sys.argv[1:]:
        loaded = list(cases(path))
        for name, method in METHODS.items():
            method = reduced(method)
            sums = np.zeros(10)
            box_sum = 0.0
            jitter = np.random.default_rng(1)
            for pixels, truth in loaded:
                answer = np.zeros(truth.shape, bool)
                clicks, value = [], 0.0
                for k in range(10):
                    click = next_click(truth, answer)
                    if click is not None:
                        clicks.append(click)
                        answer = method(pixels, clicks, None)
                        value = dice(truth, answer)
                    sums[k] += value
                if name.startswith("GrabCut"):
                    box_sum += dice(truth, method(pixels, [], ellipse(truth, jitter)))
            row = {str(k): round(sums[k - 1] / len(loaded), 4) for k in ASKED}
            if name.startswith("GrabCut"):
                row["box"] = round(box_sum / len(loaded), 4)
            print(json.dumps({"simulated": True, "set": path, "method": name, "cases": len(loaded), "dice": row}),
                  flush=True)


if __name__ == "__main__":
    main()
