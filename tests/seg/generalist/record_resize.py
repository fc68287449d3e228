#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records resize-golden.h: what scikit-image and OpenCV make of small pictures, in the calls that MedSAM's and
LiteMedSAM's inference code make. Needs numpy, scikit-image, OpenCV.

    record_resize.py > resize-golden.h
"""
import cv2
import numpy as np
import skimage
from skimage import transform


def picture(width, height):
    y, x = np.mgrid[:height, :width]
    return ((x * x * 7 + y * 13 + x * y * 3) % 251).astype(np.uint8)


def smooth(width, height):
    y, x = np.mgrid[:height, :width]
    return np.minimum(255, (x * 9 + y * 5) // 2).astype(np.uint8)


def show(name, make, cases):
    print(f"static const ResizeGolden {name}[] = {{")
    for draw, w, h, nw, nh in cases:
        out = make(draw(w, h), nw, nh)
        assert out.dtype == np.uint8 and out.shape == (nh, nw)
        values = ", ".join(str(v) for v in out.ravel())
        print(f"  {{ {int(draw is smooth)}, {w}, {h}, {nw}, {nh},\n    {{ {values} }} }},")
    print("};\n")


def cubic(image, width, height):
    return transform.resize(image, (height, width), order=3, preserve_range=True, anti_aliasing=True).astype(np.uint8)


def area(image, width, height):
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


print("/* SPDX-License-Identifier: Apache-2.0 */")
print(f"/* Made by record_resize.py with scikit-image {skimage.__version__} and OpenCV {cv2.__version__}. */")
print("/* clang-format off */")
print("typedef struct { int smooth, width, height, new_width, new_height; guint8 values[256]; } ResizeGolden;\n")
show("resize_cubic", cubic, [(picture, 9, 7, 16, 16), (picture, 40, 30, 16, 16), (picture, 12, 30, 15, 16),
                             (smooth, 20, 20, 16, 16), (picture, 2, 1, 8, 8), (smooth, 33, 5, 12, 12)])
show("resize_area", area, [(picture, 40, 30, 16, 12), (picture, 32, 24, 16, 12), (picture, 9, 7, 16, 12),
                           (smooth, 20, 12, 16, 10), (picture, 16, 12, 16, 12), (picture, 5, 16, 5, 16)])
