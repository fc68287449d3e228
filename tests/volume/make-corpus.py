#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/volume/corpus, the seeds of the fuzz targets. Run by hand when a format changes."""
import gzip
import os
import struct
import zlib

import h5py
import nibabel as nib
import numpy as np
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


def nifti(kind, dtype, byte_order, shape=(5, 4, 3)):
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    header = kind.header_class(endianness=byte_order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(byte_order))
    image = kind(data, np.array([[0, -2, 0.1, 5], [1, 0, 0, 6], [0, 0.2, 3, 7], [0, 0, 0, 1]]), header)
    image.header.set_slope_inter(1, 0)
    return image.to_bytes()


def number(value):
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        out += bytes([byte | (0x80 if value else 0)])
        if not value:
            return out


def edit(runs, tool=b"brush"):
    """The journal's form (volume/edit.c); runs: (step, row, own numbers, length, attributes or None)."""
    body = number(7) + number(1) + number(len(tool)) + tool + number(len(runs))
    for step, row, own, length, attributes in runs:
        body += number(step << 3 | (4 if attributes is None else 0) | row)
        body += b"".join(map(number, own)) + number(length)
        body += b"".join(map(number, attributes or ()))
    head = b"CLE1" + struct.pack("<I", 8 + len(body) + 4)
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def main():
    os.makedirs(HERE, exist_ok=True)
    put("scan-1-int16.nii", nifti(nib.Nifti1Image, "i2", "<"))
    put("scan-1-float-big-endian.nii", nifti(nib.Nifti1Image, "f4", ">"))
    put("scan-2-uint8.nii", nifti(nib.Nifti2Image, "u1", "<"))
    put("scan-1-4d.nii", nifti(nib.Nifti1Image, "u1", "<", (3, 3, 2, 3)))
    packed = gzip.compress(nifti(nib.Nifti1Image, "i2", "<"), mtime=0)
    put("scan-1-int16.nii.gz", packed)
    put("scan-members.nii.gz", packed + packed)
    with h5py.File(os.path.join(HERE, "scan.h5"), "w", libver="earliest") as file:
        file.create_dataset("image", data=np.zeros((4, 3, 2), "f4"), compression="gzip", track_times=False)
        file.create_dataset("label", data=np.zeros((4, 3, 2), "u1"), track_times=False)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    put("scan.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 4, 3, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0aaabbbcccddd" * 3)) + chunk(b"IEND", b""))
    Image.fromarray(np.arange(48, dtype="u1").reshape(4, 4, 3)).save(os.path.join(HERE, "scan.jpg"), quality=70)
    new = (0, 3, 0, 0)
    put("edit-empty.bin", edit([]))
    put("edit-stroke.bin", edit([(20, 3, (4, 14), 9, new)] + [(1, 1, (), 9, None)] * 6))
    put("edit-many.bin", edit([(2, 1, (), 3, new), (4, 0, (), 2, None), (0, 0, (), 5, (0, 700, 0, 3)),
                               (3, 2, (5,), 1, None), (8, 3, (2, 6), 40, (0, 1, 0, 9))], b"prompt"))
    put("labels.label", b'# comment\n0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "Left ventricle"\n')
    put("labels.ctbl", b"# Color table file\n0 Background 0 0 0 0\n2 Left_atrium 10 20 30 255\n")
    put("labels.csv", b'LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,"Liver, left",221,130,101,255\n')
    put("prompt.json", b'{"plane":"axial","slice":3,"box":[1,2,3,4,5,4],"points":[{"ijk":[1.5,2,3],"sign":1}],'
                       b'"scribbles":[{"ijk":[[1,2,3],[2,2,3]],"sign":0}]}')


if __name__ == "__main__":
    main()
