#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what PyTorch computes for V-Net, for test-vnet.c: record-vnet.py > data/vnet.txt

Parameters, input and target come from a formula, so only results are recorded: logits and gradients
as their norm and their product with formula values, in double precision; ten losses of SGD whose
parameters, gradients and momentum are kept in single precision, as the engine keeps them."""
import sys

import torch
from torch import nn

MULTIPLIER = 2654435761
SIZE = (2, 1, 32, 32, 16)


def formula(n, salt):
    """n values in [-1, 1), the same as formula() in test-vnet.c"""
    i = torch.arange(n, dtype=torch.int64)
    h = ((i + 1) * MULTIPLIER + salt * 40503 + (i * salt) * 69069) & 0xFFFFFFFF
    h = h ^ (h >> 15)
    h = (h * 0x2C1B3C6D) & 0xFFFFFFFF
    h = h ^ (h >> 12)
    return h.double() / 2**31 - 1


class Unit(nn.Module):
    def __init__(self, convs, norm):
        super().__init__()
        ops = []
        for conv in convs:
            ops += [conv, norm(conv.out_channels), nn.ReLU(inplace=True)]
        self.conv = nn.Sequential(*ops)

    def forward(self, x):
        return self.conv(x)


class VNet(nn.Module):
    def __init__(self, f, norm):
        super().__init__()
        names = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        self.names = names
        width = [f, 2 * f, 4 * f, 8 * f, 16 * f]
        for level in range(5):
            convs = []
            for u in range(min(level + 1, 3)):
                inside = (1 if level == 0 else width[level]) if u == 0 else width[level]
                convs.append(nn.Conv3d(inside, width[level], 3, padding=1))
            setattr(self, "block_" + names[level], Unit(convs, norm))
            if level < 4:
                down = nn.Conv3d(width[level], width[level + 1], 2, stride=2)
                setattr(self, f"block_{names[level]}_dw", Unit([down], norm))
        for level in range(3, -1, -1):
            number = 8 - level
            up = nn.ConvTranspose3d(width[level + 1], width[level], 2, stride=2)
            setattr(self, f"block_{names[number - 1]}_up", Unit([up], norm))
            convs = [nn.Conv3d(width[level], width[level], 3, padding=1)
                     for _ in range(min(level + 1, 3))]
            setattr(self, "block_" + names[number], Unit(convs, norm))
        self.out_conv = nn.Conv3d(f, 2, 1)

    def forward(self, x):
        skips = []
        for level in range(5):
            x = getattr(self, "block_" + self.names[level])(x)
            if level < 4:
                skips.append(x)
                x = getattr(self, f"block_{self.names[level]}_dw")(x)
        for level in range(3, -1, -1):
            number = 8 - level
            x = getattr(self, f"block_{self.names[number - 1]}_up")(x) + skips[level]
            x = getattr(self, "block_" + self.names[number])(x)
        return self.out_conv(x)


def loss_of(logits, target):
    p = torch.softmax(logits, 1)[:, 1]
    y = (target == 1).double()
    dice = 1 - (2 * (p * y).sum() + 1e-5) / ((p * p).sum() + (y * y).sum() + 1e-5)
    return 0.5 * (nn.functional.cross_entropy(logits, target) + dice)


class Sgd:
    """torch.optim.SGD (momentum 0.9, decay 1e-4), computed in double, kept in single precision."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.momentum = None

    def step(self, lr=0.01):
        grads = [p.grad.float().double() + 1e-4 * p.data for p in self.parameters]
        if self.momentum is not None:
            grads = [0.9 * m + g for m, g in zip(self.momentum, grads)]
        for p, m in zip(self.parameters, grads):
            p.data = (p.data - lr * m).float().double()
            p.grad = None
        self.momentum = [m.float().double() for m in grads]


def say(what, name, t):
    flat = t.detach().reshape(-1).double()
    print(what, name, "%.17g %.17g" % (flat.norm(), (flat * formula(flat.numel(), 7)).sum()))


def main():
    filters = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    print("# PyTorch", torch.__version__.split("+")[0], "filters", filters)
    torch.set_default_dtype(torch.float64)
    net = VNet(filters, nn.BatchNorm3d)
    print("count", sum(p.numel() for p in net.parameters()))
    for salt, (name, p) in enumerate(net.named_parameters()):
        values = formula(p.numel(), salt + 1).reshape(p.shape)
        if name.endswith("weight") and p.dim() > 1:
            values = values * (3.0 / (p.numel() / p.shape[0])) ** 0.5
        elif name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values = 0.1 * values
        p.data = values.float().double()
    n = 1
    for s in SIZE:
        n *= s
    x = formula(n, 1001).float().double().reshape(SIZE)
    smooth = nn.functional.avg_pool3d(x, 5, 1, 2)
    target = (smooth[:, 0] > 0).long()
    optimiser = Sgd(net.parameters())
    for step in range(10):
        logits = net(x)
        loss = loss_of(logits, target)
        print("loss", step, "%.17g" % loss.item())
        loss.backward()
        if step == 0:
            say("logits", "logits", logits)
            for name, p in net.named_parameters():
                say("grad", name, p.grad)
            for name, b in net.named_buffers():
                if b.dtype == torch.float64:
                    say("state", name, b)
        optimiser.step()
    for name, p in net.named_parameters():
        say("param", name, p)
    for name, b in net.named_buffers():
        if b.dtype == torch.float64:
            say("after", name, b)


main()
