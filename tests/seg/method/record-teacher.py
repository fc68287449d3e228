#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what PyTorch computes in three steps of a mean teacher on real patches, for
test-mean-teacher.c:

    record-teacher.py LASEG > data/teacher.txt

LASEG is the folder of the scans. Four patches of two of them, noise by Philox as the engine draws it,
parameters by a formula; recorded are scalars only: losses, and of momentum, parameters and running
state their norm and their product with formula values. Computed in double precision; parameters,
gradients and momentum are kept in single precision, as the engine keeps them."""
import gzip
import math
import pathlib
import struct
import sys

import numpy
import torch
from torch import nn

FILTERS = 8
PATCH = (64, 64, 48)
SCANS = ("06SR5RBREL16DQ6M8LWS", "0RZDK210BSMWAA6467LU")
SEED = 5
N_STEPS = 4
CONSISTENCY = 50.0
RECORDED_STEPS = 3


def load_vnet():
    path = pathlib.Path(__file__).parent.parent / "model" / "record-vnet.py"
    space = {}
    source = path.read_text(encoding="utf-8").rsplit("main()", 1)[0]
    exec(compile(source, str(path), "exec"), space)  # pylint: disable=exec-used
    return space


VNET = load_vnet()
formula = VNET["formula"]
say = VNET["say"]


def load(path):
    """Voxels as [i, j, k]."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    shape = struct.unpack_from("<8h", data, 40)[1:4]
    dtype = {2: "<u1", 16: "<f4"}[struct.unpack_from("<h", data, 70)[0]]
    start = int(struct.unpack_from("<f", data, 108)[0])
    slope, inter = struct.unpack_from("<2f", data, 112)
    n = shape[0] * shape[1] * shape[2]
    values = numpy.frombuffer(data, dtype, n, start).reshape(shape, order="F")
    return values.astype(numpy.float64) * (slope or 1.0) + inter


def cut(values, turn):
    """The middle of the scan, moved by 8 voxels with each turn."""
    at = [(s - p) // 2 + 8 * turn for s, p in zip(values.shape, PATCH)]
    return values[tuple(slice(a, a + p) for a, p in zip(at, PATCH))]


def philox(seed, stream, block):
    m32 = numpy.uint64(0xFFFFFFFF)
    shift = numpy.uint64(32)
    c = [block & m32, block >> shift, numpy.full_like(block, stream & 0xFFFFFFFF),
         numpy.full_like(block, stream >> 32)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0 = numpy.uint64(0xD2511F53) * c[0]
        p1 = numpy.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> shift) ^ c[1] ^ numpy.uint64(k0), p1 & m32,
             (p0 >> shift) ^ c[3] ^ numpy.uint64(k1), p0 & m32]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def normals(seed, item, n):
    """Stream 5 (noise) of an item, as seg_random_stream_fill_normal()."""
    w = philox(seed, (5 << 56) | item, numpy.arange((n + 3) // 4, dtype=numpy.uint64))
    out = numpy.empty((len(w[0]), 4))
    for pair in (0, 2):
        u = ((w[pair] >> numpy.uint64(8)).astype(numpy.float64) + 1) * 2.0**-24
        angle = (w[pair + 1] >> numpy.uint64(8)).astype(numpy.float64) * (2 * math.pi * 2.0**-24)
        radius = numpy.sqrt(-2 * numpy.log(u))
        out[:, pair] = radius * numpy.cos(angle)
        out[:, pair + 1] = radius * numpy.sin(angle)
    return out.reshape(-1)[:n]


def fill(net, first_salt):
    for salt, (name, p) in enumerate(net.named_parameters()):
        values = formula(p.numel(), salt + first_salt).reshape(p.shape)
        if name.endswith("weight") and p.dim() > 1:
            values = values * (3.0 / (p.numel() / p.shape[0])) ** 0.5
        elif name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values = 0.1 * values
        p.data = values.float().double()


def supervised(logits, label, domain):
    """Half cross-entropy on the labelled voxels, patch by patch, half Dice on all of them."""
    nll = nn.functional.cross_entropy(logits, label, reduction="none")
    ce = torch.stack([(l * d).sum() / d.sum() for l, d in zip(nll, domain)]).mean()
    p = torch.softmax(logits, 1)[:, 1]
    y = (label == 1).double()
    both = 2 * (p * y * domain).sum() + 1e-5
    dice = 1 - both / ((p * p * domain).sum() + (y * y * domain).sum() + 1e-5)
    return 0.5 * (ce + dice)


def main():
    folder = pathlib.Path(sys.argv[1])
    print("# PyTorch", torch.__version__.split("+")[0], "filters", FILTERS)
    torch.set_default_dtype(torch.float64)
    image, label = [], []
    for scan in SCANS:
        values = load(folder / (scan + ".nii.gz"))
        truth = load(folder / (scan + "_label.nii.gz"))
        for turn in (0, 1):
            image.append(cut(values, turn).astype(numpy.float32).astype(numpy.float64))
            label.append(cut(truth, turn))
    n_voxels = PATCH[0] * PATCH[1] * PATCH[2]
    x = torch.tensor(numpy.stack(image))[:, None]
    y = torch.tensor(numpy.stack(label[:2])).long()
    domain = torch.zeros(PATCH)
    domain[PATCH[0] // 2] = domain[:, PATCH[1] // 2] = domain[:, :, PATCH[2] // 2] = 1
    domain = torch.stack([domain, domain])
    print("foreground %d %d" % tuple((y[i] == 1).sum() for i in range(2)))
    student = VNET["VNet"](FILTERS, nn.BatchNorm3d)
    teacher = VNET["VNet"](FILTERS, nn.BatchNorm3d)
    fill(student, 1)
    fill(teacher, 301)
    optimiser = VNET["Sgd"](student.parameters())
    for step in range(RECORDED_STEPS):
        released = step * 6000 / N_STEPS
        rest = 1 - min(math.floor(released / 150), 40) / 40
        weight = CONSISTENCY * math.exp(-5 * rest * rest)
        lr = 0.01 * (0.01 if released >= 5000 else 0.1 if released >= 2500 else 1)
        noisy = []
        for i in (2, 3):
            noise = numpy.clip(0.1 * normals(SEED, (step * 4 + i) * 16, n_voxels), -0.2, 0.2)
            noisy.append(image[i] + noise.reshape(PATCH))
        with torch.no_grad():
            target = torch.softmax(teacher(torch.tensor(numpy.stack(noisy))[:, None]), 1)
        logits = student(x)
        one = supervised(logits[:2], y, domain)
        two = ((torch.softmax(logits[2:], 1) - target) ** 2).mean()
        print("loss.supervised", step, "%.17g" % one.item())
        print("loss.consistency", step, "%.17g" % two.item())
        (one + weight * two).backward()
        optimiser.step(lr)
        if step == 0:  # the gradient and 1e-4 of the parameter
            for (name, _), m in zip(student.named_parameters(), optimiser.momentum):
                say("momentum", name, m)
        decay = min(1 - 1 / (step + 1), 0.99)
        for p, q in zip(teacher.parameters(), student.parameters()):
            p.data = (decay * p.data + (1 - decay) * q.data).float().double()
    for what, net in (("student", student), ("teacher", teacher)):
        for name, p in net.named_parameters():
            say(what, name, p)
        for name, b in net.named_buffers():
            if b.dtype == torch.float64:
                say(what, name, b)


main()
