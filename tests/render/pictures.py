# SPDX-License-Identifier: Apache-2.0
"""The files that the tests in numpy give the program and get from it."""
import struct
import zlib

import numpy as np


def write_nifti(path, array, affine, code):
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *array.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, array.dtype.itemsize * 8)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    struct.pack_into("<8f", header, 76, 1, *spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[123] = 2  # mm
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + b"\0\0\0\0" + array.tobytes(order="F"))


def read_png(path):
    """Eight-bit RGB, all five filters."""
    data = path.read_bytes()
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", body)
            assert (depth, colour) == (8, 2)
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    rows = np.zeros((height, width, 3), np.int32)
    for y in range(height):
        kind, line = int(raw[y, 0]), raw[y, 1:].astype(np.int32).reshape(width, 3)
        up = rows[y - 1] if y else np.zeros((width, 3), np.int32)
        if kind == 0:
            rows[y] = line
        elif kind == 2:
            rows[y] = (line + up) & 255
        elif kind == 1:
            rows[y] = np.cumsum(line, axis=0) & 255
        else:
            left, corner = np.zeros(3, np.int32), np.zeros(3, np.int32)
            for x in range(width):
                if kind == 3:
                    guess = (left + up[x]) // 2
                else:
                    p = left + up[x] - corner
                    a, b, c = abs(p - left), abs(p - up[x]), abs(p - corner)
                    guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, up[x], corner))
                left = rows[y, x] = (line[x] + guess) & 255
                corner = up[x]
    return rows
