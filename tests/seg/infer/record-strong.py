#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what seg_augment_strong() must give, with SciPy's splines and filters, as strong-golden.h.

The versions stand in the header. The random numbers are drawn here as
seg/infer/random-stream.h says, so the very same angles and factors are used.
"""
import pathlib

import numpy
import scipy
import scipy.ndimage

MASK = 0xFFFFFFFF
SIZE = (3, 6, 7)
CHOICE, ROTATE, SCALE, BLUR, BRIGHTNESS, CONTRAST, GAMMA = range(7, 14)
PARAMS = dict(degrees=15, scale=0.7, blur=(0.7, 1.3), brightness=(0.7, 1.3), contrast=(0.7, 1.3), gamma=(0.7, 1.3))


class Stream:
    def __init__(self, seed, purpose, item):
        self.seed, self.stream, self.counter = seed, purpose << 56 | item, 0

    def u32(self):
        block = self.counter // 4
        c = [block & MASK, block >> 32, self.stream & MASK, self.stream >> 32]
        k = [self.seed & MASK, self.seed >> 32]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
            k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
        self.counter += 1
        return c[(self.counter - 1) % 4]

    def uniform(self):
        high, low = self.u32() >> 5, self.u32() >> 6
        return (high * 2**26 + low) / 2**53

    def range(self, low, high):
        return low + (high - low) * self.uniform()

    def below(self, n):
        reject = (2**32 - n) % n
        while True:
            product = self.u32() * n
            if product & MASK >= reject:
                return product >> 32

    def shuffle(self, values):
        for i in range(len(values), 1, -1):
            j = self.below(i)
            values[i - 1], values[j] = values[j], values[i - 1]


def warp(image, label, matrix):
    centre = numpy.array(SIZE) / 2 - 0.5
    grid = numpy.stack(numpy.meshgrid(*[numpy.arange(n) for n in SIZE], indexing="ij")).reshape(3, -1)
    at = (matrix @ (grid - centre[:, None]) + centre[:, None]).reshape(3, *SIZE)
    out = scipy.ndimage.map_coordinates(image, at, order=3, mode="constant", cval=0)
    classes = numpy.zeros_like(label)
    for value in numpy.unique(label):
        share = scipy.ndimage.map_coordinates((label == value).astype(float), at, order=1, mode="constant", cval=0)
        classes[share >= 0.5] = value
    return out, classes


def rotate(image, label, stream):
    angle = numpy.radians(stream.range(-PARAMS["degrees"], PARAMS["degrees"]))
    c, s = numpy.cos(angle), numpy.sin(angle)
    return warp(image, label, numpy.array([[1, 0, 0], [0, c, -s], [0, s, c]]))


def zoom(image, label, stream):
    active, s = stream.below(2), stream.range(PARAMS["scale"], 1)
    return warp(image, label, s * numpy.eye(3)) if active else (image, label)


def blur(image, label, stream):
    sigma = stream.range(*PARAMS["blur"])
    return scipy.ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=4), label


def brightness(image, label, stream):
    return image * stream.range(*PARAMS["brightness"]), label


def either(stream, low, high):
    return stream.range(low, 1) if stream.below(2) else stream.range(1, high)


def contrast(image, label, stream):
    factor = either(stream, *PARAMS["contrast"])
    return numpy.clip((image - image.mean()) * factor + image.mean(), image.min(), image.max()), label


def gamma(image, label, stream):
    power, low, span = either(stream, *PARAMS["gamma"]), image.min(), image.max() - image.min() + 1e-7
    out = ((image - low) / span) ** power * span + low
    return (out - out.mean()) / (out.std() + 1e-8) * image.std() + image.mean(), label


OPS = [(ROTATE, rotate), (SCALE, zoom), (BLUR, blur), (BRIGHTNESS, brightness), (CONTRAST, contrast), (GAMMA, gamma)]


def augment(image, label, seed, item, n_ops):
    choice, order = Stream(seed, CHOICE, item), list(range(6))
    choice.shuffle(order)
    for n in range(n_ops):
        if choice.uniform() < 1:
            purpose, op = OPS[order[n]]
            image, label = op(image, label, Stream(seed, purpose, item))
    return image, label


def main():
    i = numpy.arange(numpy.prod(SIZE))
    image = (numpy.sin(i * 0.37) * 2 + (i % 7) * 0.25).astype(numpy.float32).astype(float).reshape(SIZE)
    label = (i // 5 % 3).astype(numpy.uint8).reshape(SIZE)
    lines = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        f"/* Written by record-strong.py with SciPy {scipy.__version__}, NumPy {numpy.__version__}. */",
        f"enum {{ STRONG_N = {i.size} }};",
        "static const struct { int n_ops, item; float image[STRONG_N]; guint8 label[STRONG_N]; } strong_golden[] = {",
    ]
    for n_ops, items in ((1, range(14)), (6, range(4))):
        for item in items:
            out, classes = augment(image, label, 21, item, n_ops)
            values = ",".join(f"{v:.7g}f" if "." in f"{v:.7g}" or "e" in f"{v:.7g}" else f"{v:.7g}.f" for v in out.ravel())
            lines.append(f"{{ {n_ops}, {item}, {{ {values} }}, {{ {','.join(map(str, classes.ravel()))} }} }},")
    lines.append("};")
    (pathlib.Path(__file__).parent / "strong-golden.h").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
