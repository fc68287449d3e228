#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the hostile and the unusual weight files in data/attack-*.pth that test-attacks.c reads.

Each begins as a file of torch.save (PyTorch 2.15.0), so that everything else about it is as real
files are; then one thing is wrong with it. None of them does harm when it is loaded by PyTorch with
weights_only=True; do not load them otherwise.
"""
import argparse
import io
import os
import pathlib
import re
import struct
import zipfile

import torch


def saved(thing, **options):
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


def entries(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(parts, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return file.getvalue()


def edited(thing, edit, **options):
    """A saved zip whose entries went through @edit."""
    parts = entries(saved(thing, **options))
    edit(parts)
    return zipped(parts)


def pickle_of(parts):
    return next(name for name in parts if name.endswith("/data.pkl"))


def replace_in_pickle(old, new):
    def edit(parts):
        name = pickle_of(parts)
        assert old in parts[name], (old, parts[name])
        parts[name] = parts[name].replace(old, new)
    return edit


class Calls:
    """Would run a program."""

    def __reduce__(self):
        return (os.system, ("true",))


class Builds:
    """Would have its state set."""

    def __init__(self):
        self.state = 1


def zip_in_zip():
    inner = saved({"weight": torch.ones(4)})
    return edited({"weight": torch.ones(4)}, lambda parts: parts.update({pickle_of(parts): inner}))


def zip_beside():
    """A zip of a good file, as one gets by archiving it once more."""
    return zipped({"model.pth": saved({"weight": torch.ones(4)})})


def bomb():
    parts = entries(saved({"weight": torch.zeros(1 << 20)}))
    return zipped(parts, zipfile.ZIP_DEFLATED)


def lying_storage():
    """Its storage claims 2³¹ − 1 elements where there are four."""
    four, many = b"K\x04tq", b"J\xff\xff\xff\x7ftq"
    return edited({"weight": torch.ones(4)}, replace_in_pickle(four, many))


def lying_directory():
    """The directory at the end says an entry is a gigabyte long."""
    data = bytearray(saved({"weight": torch.ones(4)}))
    at = [m.start() for m in re.finditer(b"PK\x01\x02", data)
          if b"data/0" in data[m.start():m.start() + 120]][0]
    struct.pack_into("<II", data, at + 20, 1 << 30, 1 << 30)
    return bytes(data)


def huge_shape():
    """A shape of 2⁶² × 2 over four elements, by strides of 0."""
    wide = b"\x8a\x08" + struct.pack("<q", 1 << 62)
    return edited({"weight": torch.ones(4, 2)[:, :1].expand(4, 5)},
                  replace_in_pickle(b"K\x04K\x05\x86", wide + b"K\x02\x86"))


def unfolding():
    """A terabyte by a stride of 0."""
    return saved({"weight": torch.ones(1).expand(1 << 38)})


def negative_stride():
    return edited({"weight": torch.ones(6)[::2]},
                  replace_in_pickle(b"K\x02\x85", b"J\xfe\xff\xff\xff\x85"))


def shared():
    """Two views that overlap: ordinary in PyTorch."""
    base = torch.arange(6.0)
    return saved({"head": base[:4], "tail": base[2:]})


def on_gpu():
    """Saved from a GPU: the storage's place is not ours to care about."""
    return edited({"weight": torch.arange(4.0)}, replace_in_pickle(b"X\x03\x00\x00\x00cpu",
                                                                  b"X\x06\x00\x00\x00cuda:0"))


def big_endian():
    def edit(parts):
        name = next(name for name in parts if name.endswith("/byteorder"))
        parts[name] = b"big"
    return edited({"weight": torch.ones(4)}, edit)


def script():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), file)
    return file.getvalue()


def old_calls():
    return saved({"weight": torch.ones(4), "boom": Calls()}, _use_new_zipfile_serialization=False)


def old_lying():
    """The old format, with the count before the elements 2⁶²."""
    data = bytearray(saved({"weight": torch.ones(4)}, _use_new_zipfile_serialization=False))
    at = data.rindex(struct.pack("<q", 4))
    struct.pack_into("<q", data, at, 1 << 62)
    return bytes(data)


FILES = {
    "calls": lambda: saved({"weight": torch.ones(4), "boom": Calls()}),
    "builds": lambda: saved({"weight": torch.ones(4), "boom": Builds()}),
    "module": lambda: saved(torch.nn.Linear(2, 1)),
    "sparse": lambda: saved({"weight": torch.eye(3).to_sparse()}),
    "complex": lambda: saved({"weight": torch.ones(2, dtype=torch.complex64)}),
    "zip-in-zip": zip_in_zip,
    "zip-beside": zip_beside,
    "bomb": bomb,
    "lying-storage": lying_storage,
    "lying-directory": lying_directory,
    "huge-shape": huge_shape,
    "unfolding": unfolding,
    "negative-stride": negative_stride,
    "shared": shared,
    "on-gpu": on_gpu,
    "big-endian": big_endian,
    "script": script,
    "old-calls": old_calls,
    "old-lying": old_lying,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data")
    out = parser.parse_args().out
    for name, make in FILES.items():
        (out / f"attack-{name}.pth").write_bytes(make())


if __name__ == "__main__":
    main()
