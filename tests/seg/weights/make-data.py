#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the weight files in data/ that the tests of seg/weights read.

Recorded with PyTorch 2.15.0 and safetensors 0.8.0. Element i (row major) of every tensor "t-DTYPE"
is (i * 7 % 97 - 48) / 8, for whole-number dtypes i * 7 % 97, for bool i % 3 == 0.
"""
import argparse
import collections
import pathlib

import safetensors.torch
import torch

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
}


def pattern(shape, dtype):
    n = 1
    for side in shape:
        n *= side
    i = torch.arange(n)
    if dtype == torch.bool:
        values = i % 3 == 0
    elif dtype.is_floating_point:
        values = (i * 7 % 97 - 48) / 8
    else:
        values = i * 7 % 97
    return values.to(dtype).reshape(shape)


def plain():
    return collections.OrderedDict((f"t-{name}", pattern((2, 3, 5), dtype)) for name, dtype in DTYPES.items())


def tricky():
    """Strided and shared storages, scalars, empties, parameters, nesting."""
    base = pattern((4, 6), torch.float32)
    shared = pattern((3, 8), torch.float32)
    return {
        "transposed": base.t(),
        "every-other": base[:, ::2],
        "offset": base[1:3, 2:5],
        "expanded": torch.tensor([1.5, -2.0])[:, None].expand(2, 3),
        "shared.first": shared[0],
        "shared.third": shared[2],
        "scalar": torch.tensor(2.25),
        "count": torch.tensor(12345678901, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(pattern((5,), torch.float32)),
        "nested": {"list": [pattern((2,), torch.float32), pattern((3,), torch.float32)], 7: torch.ones(1)},
        "none": None,
    }


def checkpoint():
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.BatchNorm3d(2))
    for parameter in net.parameters():
        parameter.data = pattern(parameter.shape, torch.float32)
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.5)
    net(torch.ones(1, 1, 4, 4, 4)).sum().backward()
    optimiser.step()
    for parameter in net.parameters():
        parameter.data = pattern(parameter.shape, torch.float32)
    return {"state_dict": net.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 7, "arch": "tiny", "best": 0.5}


class Runs:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data")
    out = parser.parse_args().out
    out.mkdir(exist_ok=True)
    torch.save(plain(), out / "plain-zip.pth")
    torch.save(plain(), out / "plain-old.pth", _use_new_zipfile_serialization=False)
    torch.save(plain(), out / "plain-protocol4.pth", pickle_protocol=4)
    torch.save(tricky(), out / "tricky-zip.pth")
    torch.save(tricky(), out / "tricky-old.pth", _use_new_zipfile_serialization=False)
    torch.save(checkpoint(), out / "checkpoint-zip.pth")
    torch.save(checkpoint(), out / "checkpoint-old.pth", _use_new_zipfile_serialization=False)
    torch.save({"weight": torch.ones(2), "args": argparse.Namespace(lr=0.1)}, out / "refused-namespace.pth")
    torch.save({"weight": torch.ones(2), "boom": Runs()}, out / "refused-call.pth")
    safetensors.torch.save_file(dict(plain()), out / "plain.safetensors", metadata={"made": "by the peer"})


if __name__ == "__main__":
    main()
