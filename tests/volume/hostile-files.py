#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged, lying and hostile files given to `crosslabel info`: exit status 1, one clear sentence on
standard error that names the file, nothing on standard output, little memory, little time. And the
near misses beside them that are ordinary files. Speaks TAP."""
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import h5py
import nibabel as nib
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

PROGRAM = os.environ["CROSSLABEL"]
# Filling new memory with a pattern, as the test runner asks of malloc, would count as using it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}
MEMORY_KIB = 64 * 1024  # of which the program itself takes about a quarter
CASES = {}


def case(refused=True):
    def add(function):
        CASES[function.__name__] = (function, refused)
        return function
    return add


def nifti(shape=(8, 7, 6), dtype=np.int16):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 100, size=shape).astype(dtype)
    image = nib.Nifti1Image(data, np.diag([2, 2, 2, 1.0]))
    image.header.set_slope_inter(1, 0)
    return bytearray(image.to_bytes())


def patched(offset, form, *values, base=None):
    raw = base if base is not None else nifti()
    struct.pack_into("<" + form, raw, offset, *values)
    return raw


def put(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


# NIfTI. Offsets by nifti1.h: dim 40, datatype 70, bitpix 72, pixdim 76, vox_offset 108, slope 112,
# inter 116, qform_code 252, sform_code 254, quatern_b 256, srow_x 280, magic 344.

@case()
def empty(folder):
    return put(folder, "a.nii", b"")


@case()
def one_byte(folder):
    return put(folder, "a.nii", b"\x5c")


@case()
def not_a_scan(folder):
    return put(folder, "a.nii", b"This is no scan, but a long enough text. " * 40)


@case()
def header_only(folder):
    return put(folder, "a.nii", nifti()[:348])


@case()
def cut_in_header(folder):
    return put(folder, "a.nii", nifti()[:200])


@case()
def cut_in_voxels(folder):
    return put(folder, "a.nii", nifti()[:-1])


@case()
def huge_claim_small_file(folder):
    return put(folder, "a.nii", patched(40, "8h", 3, 20000, 20000, 20, 1, 1, 1, 1))


@case()
def overflowing_claim(folder):
    return put(folder, "a.nii", patched(40, "8h", 7, *[32767] * 7))


@case()
def huge_claim_small_gzip(folder):
    return put(folder, "a.nii.gz", gzip.compress(patched(40, "8h", 3, 20000, 20000, 20, 1, 1, 1, 1)))


@case()
def large_claim_within_gzip_ratio(folder):
    raw = patched(40, "8h", 3, 1000, 1000, 100, 1, 1, 1, 1)
    # Poorly compressible padding lifts the bound on what the file could hold.
    return put(folder, "a.nii.gz", gzip.compress(bytes(raw) + os.urandom(400000)))


@case()
def many_volumes_claimed(folder):
    return put(folder, "a.nii", patched(40, "8h", 4, 8, 7, 6, 32767, 1, 1, 1))


@case()
def zero_dimension(folder):
    return put(folder, "a.nii", patched(40, "8h", 3, 8, 0, 6, 1, 1, 1, 1))


@case()
def negative_dimension(folder):
    return put(folder, "a.nii", patched(40, "8h", 3, 8, -7, 6, 1, 1, 1, 1))


@case()
def no_dimensions(folder):
    return put(folder, "a.nii", patched(40, "h", 0))


@case()
def eight_dimensions(folder):
    return put(folder, "a.nii", patched(40, "h", 8))


@case()
def unknown_type(folder):
    return put(folder, "a.nii", patched(70, "h", 12345))


@case()
def complex_type(folder):
    return put(folder, "a.nii", patched(70, "2h", 32, 64))


@case()
def offset_in_header(folder):
    return put(folder, "a.nii", patched(108, "f", 100.0))


@case()
def offset_nan(folder):
    return put(folder, "a.nii", patched(108, "f", float("nan")))


@case()
def offset_negative(folder):
    return put(folder, "a.nii", patched(108, "f", -352.0))


@case()
def offset_beyond_file(folder):
    return put(folder, "a.nii", patched(108, "f", 1e12))


@case()
def zero_spacing(folder):
    return put(folder, "a.nii", patched(76, "4f", 1, 2, 0, 2))


@case()
def negative_spacing(folder):
    return put(folder, "a.nii", patched(76, "4f", 1, -2, 2, 2))


@case()
def nan_spacing(folder):
    return put(folder, "a.nii", patched(76, "4f", 1, 2, 2, float("nan")))


@case()
def infinite_spacing(folder):
    return put(folder, "a.nii", patched(76, "4f", 1, float("inf"), 2, 2))


@case()
def nan_affine(folder):
    return put(folder, "a.nii", patched(280, "4f", float("nan"), 0, 0, 0))


@case()
def singular_affine(folder):
    return put(folder, "a.nii", patched(280, "12f", *[1.0] * 12))


@case()
def nan_quaternion(folder):
    raw = patched(252, "2h", 1, 0)
    return put(folder, "a.nii", patched(256, "f", float("nan"), base=raw))


@case()
def nan_intercept(folder):
    return put(folder, "a.nii", patched(112, "2f", 2.0, float("nan")))


@case(refused=False)
def nan_slope_means_none(folder):
    return put(folder, "a.nii", patched(112, "2f", float("nan"), 5.0))


@case(refused=False)
def nan_voxels_stay(folder):
    raw = nifti(dtype=np.float32)
    raw[352:364] = struct.pack("<3f", float("nan"), float("inf"), float("-inf"))
    return put(folder, "a.nii", raw)


@case(refused=False)
def singular_sform_good_qform(folder):
    raw = patched(252, "2h", 1, 1)
    return put(folder, "a.nii", patched(280, "12f", *[0.0] * 12, base=raw))


@case()
def half_a_pair_header(folder):
    raw = nifti()
    raw[344:348] = b"ni1\0"
    return put(folder, "a.hdr", raw[:348])


@case()
def half_a_pair_image(folder):
    return put(folder, "a.img", b"\0" * 1000)


@case()
def short_image_of_a_pair(folder):
    raw = nifti()
    raw[344:348] = b"ni1\0"
    struct.pack_into("<f", raw, 108, 0.0)
    put(folder, "a.img", bytes(raw[352:-1]))
    return put(folder, "a.hdr", raw[:348])


@case(refused=False)
def a_whole_pair(folder):
    raw = nifti()
    raw[344:348] = b"ni1\0"
    struct.pack_into("<f", raw, 108, 0.0)
    put(folder, "a.img", bytes(raw[352:]))
    return put(folder, "a.hdr", raw[:348])


@case()
def truncated_gzip(folder):
    data = gzip.compress(bytes(nifti((40, 40, 40))))
    return put(folder, "a.nii.gz", data[: len(data) // 2])


@case()
def gzip_without_its_end(folder):
    return put(folder, "a.nii.gz", gzip.compress(bytes(nifti((40, 40, 40))))[:-4])


@case()
def gzip_with_wrong_checksum(folder):
    data = bytearray(gzip.compress(bytes(nifti((40, 40, 40)))))
    data[-7] ^= 1
    return put(folder, "a.nii.gz", data)


@case()
def gzip_damaged_inside(folder):
    data = bytearray(gzip.compress(bytes(nifti((40, 40, 40)))))
    data[len(data) // 2] ^= 0xFF
    return put(folder, "a.nii.gz", data)


@case()
def gzip_header_only(folder):
    return put(folder, "a.nii.gz", gzip.compress(b"")[:10] + b"\0" * 20)


@case()
def gzip_of_nothing(folder):
    return put(folder, "a.nii.gz", gzip.compress(b""))


@case(refused=False)
def gzip_bomb_behind_the_voxels(folder):
    """A gigabyte of zeros behind a small scan: read, without keeping it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = packer.compress(bytes(nifti()))
    for _ in range(64):
        data += packer.compress(b"\0" * (1 << 22))
    return put(folder, "a.nii.gz", data + packer.flush())


@case()
def folder_instead(folder):
    path = os.path.join(folder, "a.nii")
    os.mkdir(path)
    return path


@case()
def missing(folder):
    return os.path.join(folder, "nothing.nii")


@case()
def dangling_link(folder):
    path = os.path.join(folder, "a.nii")
    os.symlink("nowhere", path)
    return path


@case()
def named_pipe(folder):
    path = os.path.join(folder, "a.nii")
    os.mkfifo(path)
    return path


@case()
def endless_device(folder):
    return "/dev/zero"


@case()
def no_permission(folder):
    path = put(folder, "a.nii", nifti())
    os.chmod(path, 0)
    return path


# HDF5

def h5(folder, **datasets):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file.create_dataset(name, data=data, compression="gzip")
    return path


@case(refused=False)
def h5_good(folder):
    return h5(folder, image=np.random.default_rng(1).normal(size=(20, 30, 10)).astype("f4"))


@case()
def h5_without_image(folder):
    return h5(folder, other=np.zeros((4, 4, 4), "f4"))


@case()
def h5_two_dimensions(folder):
    return h5(folder, image=np.zeros((4, 4), "f4"))


@case()
def h5_text(folder):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        file["image"] = np.array([[[b"abc"]]])
    return path


@case()
def h5_image_is_a_group(folder):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        file.create_group("image")
    return path


@case()
def h5_huge_and_never_written(folder):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("image", shape=(100000, 10000, 1000), dtype="f4", chunks=(64, 64, 64))
    return path


@case()
def h5_one_huge_chunk(folder):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        data = file.create_dataset("image", shape=(1000, 1000, 900), dtype="f4", compression="gzip",
                                   chunks=(1000, 1000, 900))
        data.id.write_direct_chunk((0, 0, 0), zlib.compress(b"\0" * 4000000))
    return path


@case()
def h5_external_link(folder):
    h5(folder, image=np.zeros((4, 4, 4), "f4"))
    path = os.path.join(folder, "b.h5")
    with h5py.File(path, "w") as file:
        file["image"] = h5py.ExternalLink("a.h5", "/image")
    return path


@case()
def h5_external_storage(folder):
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("image", shape=(4, 4, 4), dtype="u1", external=[("/etc/passwd", 0, 64)])
    return path


@case()
def h5_virtual(folder):
    h5(folder, image=np.zeros((4, 4, 4), "f4"))
    path = os.path.join(folder, "b.h5")
    layout = h5py.VirtualLayout(shape=(4, 4, 4), dtype="f4")
    layout[:] = h5py.VirtualSource(os.path.join(folder, "a.h5"), "image", shape=(4, 4, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("image", layout)
    return path


@case()
def h5_cut(folder):
    path = h5(folder, image=np.random.default_rng(1).normal(size=(20, 30, 10)).astype("f4"))
    data = open(path, "rb").read()
    return put(folder, "b.h5", data[: len(data) // 2])


@case()
def h5_signature_only(folder):
    return put(folder, "a.h5", b"\x89HDF\r\n\x1a\n")


# Pictures

def png(width, height, rows, depth=8, colour=0):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@case(refused=False)
def png_good(folder):
    return put(folder, "a.png", png(5, 4, b"\0abcde" * 4))


@case()
def png_cut(folder):
    data = png(50, 40, b"".join(b"\0" + os.urandom(50) for _ in range(40)))
    return put(folder, "a.png", data[: len(data) // 2])


@case()
def png_huge_claim(folder):
    return put(folder, "a.png", png(60000, 60000, b"\0" * 1000))


@case()
def png_too_wide(folder):
    return put(folder, "a.png", png(2000000000, 2, b"\0" * 1000))


@case()
def jpeg_start_only(folder):
    return put(folder, "a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")


@case()
def jpeg_huge_claim(folder):
    return put(folder, "a.jpg", b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0\xff\xda"
                                b"\0\x08\x01\x01\0\0\x3f\0" + b"\0" * 50)


# A reader of HDF5 files and pictures that a hostile file has taken over: what it says is not believed.

def taken_over(folder, reply):
    """The path of a picture whose reader answers with these bytes."""
    answer = put(folder, "reply", reply)
    reader = put(folder, "reader", f"#!/bin/sh\nexec cat {answer}\n".encode())
    os.chmod(reader, 0o700)
    ENVIRONMENT["CROSSLABEL_DECODER"] = reader
    return put(folder, "a.png", png(5, 4, b"\0abcde" * 4))


def reply(kind=1, code=0, size=(5, 4, 1), dtype=0, samples=1, n_bytes=20, rest=b"x" * 20, magic=0x31444C43):
    return struct.pack("<10IQ", magic, kind, code, *size, dtype, samples, 0, 0, n_bytes) + rest


@case(refused=False)
def reader_honest(folder):
    return taken_over(folder, reply())


@case()
def reader_silent(folder):
    return taken_over(folder, b"")


@case()
def reader_garbled(folder):
    return taken_over(folder, os.urandom(4096))


@case()
def reader_claims_terabytes(folder):
    return taken_over(folder, reply(size=(1 << 20, 1 << 20, 4), n_bytes=1 << 42))


@case()
def reader_overflows(folder):
    return taken_over(folder, reply(size=(0xFFFFFFFF,) * 3, n_bytes=20))


@case()
def reader_sizes_disagree(folder):
    return taken_over(folder, reply(n_bytes=21))


@case()
def reader_nothing_at_all(folder):
    return taken_over(folder, reply(size=(0, 4, 1), n_bytes=0))


@case()
def reader_stops_early(folder):
    return taken_over(folder, reply(rest=b"x" * 19))


@case()
def reader_unknown_type(folder):
    return taken_over(folder, reply(dtype=99))


@case()
def reader_colours_unasked(folder):
    return taken_over(folder, reply(samples=3, n_bytes=60, rest=b"x" * 60))


@case()
def reader_endless_excuse(folder):
    return taken_over(folder, reply(kind=3, n_bytes=1 << 40, rest=b"y" * 5000))


@case()
def reader_odd_excuse(folder):
    return taken_over(folder, reply(kind=3, code=77777, n_bytes=4, rest=b"\xff\xfe\xfdz"))


@case()
def reader_missing(folder):
    ENVIRONMENT["CROSSLABEL_DECODER"] = os.path.join(folder, "nowhere")
    return put(folder, "a.png", png(5, 4, b"\0abcde" * 4))


def run(path, who):
    """Exit status, output, errors, peak memory in KiB, seconds of work: a busy machine's clock says
    nothing of the program, and one that waits for ever meets the test's own limit."""
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    if who:
        os.chmod(os.path.dirname(path), 0o755)
    program = subprocess.Popen([PROGRAM, "info", "--json", path], env=ENVIRONMENT, stdout=out, stderr=err,
                               cwd="/", **who)
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = 0  # waited for
    out.seek(0)
    err.seek(0)
    return (os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode(),
            usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


def judge(path, refused, who):
    status, output, errors, memory, seconds = run(path, who)
    if refused:
        assert status == 1, f"exit status {status}, {errors}"
        assert output == "", output
        assert errors.count("\n") == 1 and errors.startswith("crosslabel: "), repr(errors)
        assert os.path.basename(path).split(".")[0] + "." in errors or path.startswith("/dev"), errors
        assert "CRITICAL" not in errors and "WARNING" not in errors, errors
    else:
        assert status == 0, f"exit status {status}, {errors}"
        json.loads(output)
    assert "ASAN_OPTIONS" in os.environ or memory <= MEMORY_KIB, f"{memory} KiB"
    assert seconds < 20, f"{seconds:.1f} s"
    return errors.strip()


def main():
    print(f"1..{len(CASES)}")
    failed = False
    for number, (name, (function, refused)) in enumerate(CASES.items(), 1):
        with tempfile.TemporaryDirectory() as folder:
            who = tap.NOBODY if name == "no_permission" else {}
            if name == "no_permission" and not tap.nobody_can_run():
                print(f"ok {number} - {name} # SKIP the program lies where only root may run it")
                continue
            ENVIRONMENT.pop("CROSSLABEL_DECODER", None)
            try:
                said = judge(function(folder), refused, who)
                print(f"ok {number} - {name}")
                if "-v" in sys.argv:
                    print(f"# {said}")
            except Exception as error:
                failed = True
                print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
