#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scans written by nibabel in every axis order, type, byte order and form, read by the program:
values and affines must be nibabel's; what goes out again must keep the spatial header bit for bit.
Speaks TAP. Arguments: the scan-tool program; --full for the whole product of the cases."""
import itertools
import os
import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
FROM = ["sform", "qform", "pixdim", "assumed"]
# What must go out as it came in (I5).
SPATIAL = ["pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
           "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units"]


class Tool:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode().rstrip("\n")
        if not line.startswith("ok"):
            raise AssertionError(line or "the program died")
        return line.split()[1:]

    def dump(self, path, volume=0):
        words = self.ask("dump", path, volume)
        size = tuple(int(word) for word in words[:3])
        affine = np.array([float(word) for word in words[3:19]]).reshape(4, 4)
        raw = self.process.stdout.read(4 * int(np.prod(size)))
        values = np.frombuffer(raw, np.float32).reshape(size, order="F")
        return values, affine, FROM[int(words[19])], words[20], words[21]


def make_data(rng, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        data = (rng.normal(size=shape) * 1000).astype(dtype)
        data.flat[3], data.flat[5], data.flat[7] = np.nan, np.inf, -np.inf
        return data
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, size=shape, dtype=dtype.newbyteorder("="), endpoint=True)


def axis_orders():
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((-1, 1), repeat=3):
            affine = np.zeros((4, 4))
            for axis in range(3):
                affine[order[axis], axis] = signs[axis] * (0.75, 1.25, 3.0)[axis]
            affine[:, 3] = 11.5, -42.25, 7.0, 1
            yield affine


def save(path, data, affine, byte_order, version, sform=True, qform=True):
    """Through nibabel's headers, with the numbers as they are."""
    if path.endswith(".img"):
        kind = nib.Nifti1Pair if version == 1 else nib.Nifti2Pair
    else:
        kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    header = kind.header_class(endianness=byte_order)
    header.set_data_dtype(np.dtype(data.dtype).newbyteorder(byte_order))
    header["descrip"] = b"free text"
    image = kind(data, affine, header)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code=1 if sform else 0)
    if qform:
        image.set_qform(affine, code=1)
    else:
        image.set_qform(None, code=0)
        zooms = np.sqrt((affine[:3, :3] ** 2).sum(0)).tolist()
        image.header.set_zooms((zooms + [1] * data.ndim)[: data.ndim])
    image.header.set_slope_inter(1, 0)
    nib.save(image, path)


def patch_scaling(path, slope, inter, version, byte_order):
    offset = 112 if version == 1 else 176
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(np.array([slope, inter], byte_order + ("f4" if version == 1 else "f8")).tobytes())


def compare(tool, path, volume=None, tolerance=1e-5):
    image = nib.load(path)
    expected = image.get_fdata()
    if volume is not None:
        expected = expected.reshape(expected.shape[:3] + (-1,), order="F")[..., volume]
    expected = expected.reshape(expected.shape + (1,) * (3 - expected.ndim)).astype(np.float32)
    values, affine, came_from, letters, dtype = tool.dump(path, volume or 0)
    assert values.shape == expected.shape, (path, values.shape, expected.shape)
    assert np.array_equal(values, expected, equal_nan=True), path
    assert np.abs(affine - image.affine).max() <= tolerance * max(1, np.abs(image.affine).max()), (
        path, affine, image.affine)
    assert letters == "".join(nib.aff2axcodes(image.affine)), path
    return came_from, dtype


def test_axis_orders(tool, folder, full):
    rng = np.random.default_rng(1)
    count = 0
    forms = [("a.nii", 1), ("a.nii.gz", 1), ("a.img", 1), ("a.nii", 2), ("a.nii.gz", 2), ("a.img", 2)]
    for number, affine in enumerate(axis_orders()):
        for kind, byte_order in itertools.product(TYPES, "<>"):
            for form in forms if full else [forms[count % len(forms)]]:
                path = os.path.join(folder, form[0])
                data = make_data(rng, byte_order + kind, (5, 4, 3))
                save(path, data, affine, byte_order, form[1])
                came_from, dtype = compare(tool, path)
                assert came_from == "sform"
                assert dtype == np.dtype(kind).name, (dtype, kind)
                count += 1
    return f"{count} files"


def test_qform_only(tool, folder, full):
    rng = np.random.default_rng(2)
    for number, affine in enumerate(axis_orders()):
        path = os.path.join(folder, "q.nii")
        save(path, make_data(rng, "<i2", (4, 3, 5)), affine, "<>"[number % 2], 1 + number % 2,
             sform=False)
        # A half turn in single precision leaves |w| up to 6e-4 of what should be 0; nibabel before
        # version 5 turned the grid by it.
        came_from, _ = compare(tool, path, tolerance=1.5e-3)
        assert came_from == "qform", came_from
    for number in range(50):
        angle = rng.normal(size=3)
        turn = nib.eulerangles.euler2mat(*angle)
        affine = nib.affines.from_matvec(turn @ np.diag([1, 2, -3 if number % 2 else 3]), rng.normal(size=3))
        save(path, make_data(rng, "<i2", (4, 3, 5)), affine, "<", 1, sform=False)
        compare(tool, path)


def test_no_orientation(tool, folder, full):
    rng = np.random.default_rng(3)
    path = os.path.join(folder, "p.nii")
    save(path, make_data(rng, "<i2", (4, 3, 5)), np.diag([2, 3, 4, 1.0]), "<", 1, sform=False, qform=False)
    came_from, _ = compare(tool, path)
    assert came_from == "pixdim", came_from


def test_oblique_and_sheared(tool, folder, full):
    rng = np.random.default_rng(4)
    path = os.path.join(folder, "o.nii")
    for _ in range(60):
        affine = nib.affines.from_matvec(rng.normal(size=(3, 3)), rng.normal(size=3) * 50)
        save(path, make_data(rng, "<u1", (4, 3, 5)), affine, "<", 1, qform=False)
        compare(tool, path)


def test_dimensions(tool, folder, full):
    rng = np.random.default_rng(5)
    for shape in [(7,), (6, 5), (6, 5, 4), (6, 5, 4, 3), (6, 5, 4, 3, 2), (6, 5, 1, 1, 3), (1, 1, 1)]:
        for name in ["d.nii", "d.nii.gz"]:
            path = os.path.join(folder, name)
            save(path, make_data(rng, "<i2", shape), np.diag([2, 3, 4, 1.0]), "<", 1)
            n_volumes = int(np.prod(shape[3:]))
            for volume in range(n_volumes):
                compare(tool, path, volume if len(shape) > 3 else None)
            try:
                tool.dump(path, n_volumes)
            except AssertionError as refusal:
                assert "volume" in str(refusal), refusal
            else:
                raise AssertionError("a volume that is not there")


def test_scaling(tool, folder, full):
    rng = np.random.default_rng(6)
    for kind, byte_order, version in itertools.product(TYPES, "<>", (1, 2)):
        path = os.path.join(folder, "s.nii")
        for slope, inter in [(0.5, -3.0), (2.0, 0.0), (-1.25, 100.0), (0.0, 5.0), (float("nan"), 0.0)]:
            save(path, make_data(rng, byte_order + kind, (4, 3, 2)), np.eye(4), byte_order, version)
            patch_scaling(path, slope, inter, version, byte_order)
            compare(tool, path)


def test_colours(tool, folder, full):
    rng = np.random.default_rng(7)
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    data = rng.integers(0, 256, size=(6, 5, 4, 3), dtype=np.uint8)
    path = os.path.join(folder, "c.nii")
    nib.save(nib.Nifti1Image(data.copy().view(rgb)[..., 0], np.eye(4)), path)
    values = tool.dump(path)[0]
    expected = data @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values - expected).max() <= 0.51


def test_members(tool, folder, full):
    """gzip files of several members, padded, and with more behind the voxels."""
    import gzip
    rng = np.random.default_rng(8)
    path, packed = os.path.join(folder, "m.nii"), os.path.join(folder, "m.nii.gz")
    save(path, make_data(rng, "<i4", (20, 20, 20)), np.eye(4), "<", 1)
    plain = open(path, "rb").read()
    parts = [plain[:100], plain[100:352], plain[352:5000], plain[5000:]]
    for packing in [
        b"".join(map(gzip.compress, parts)),
        gzip.compress(plain) + b"\0" * 512,
        gzip.compress(plain + b"more than the voxels"),
        gzip.compress(plain) + gzip.compress(b"another member"),
        gzip.compress(plain, 0),
    ]:
        with open(packed, "wb") as file:
            file.write(packing)
        compare(tool, packed)


def test_rewrite(tool, folder, full):
    rng = np.random.default_rng(9)
    source, out = os.path.join(folder, "r.nii"), os.path.join(folder, "out.nii")
    packed = out + ".gz"
    for number in range(120):
        affine = nib.affines.from_matvec(rng.normal(size=(3, 3)), rng.normal(size=3) * 50)
        byte_order, version = "<>"[number % 2], 1 + number // 2 % 2
        data = rng.integers(0, 300 if number % 3 else 200, size=(5, 4, 6)).astype("u2")
        save(source, data, affine, byte_order, version, qform=number % 5 != 0, sform=number % 7 != 0)
        # Bits no arithmetic would keep.
        raw = bytearray(open(source, "rb").read())
        header = nib.load(source).header
        header["pixdim"][1:4] = rng.uniform(0.1, 3, 3)
        header["pixdim"][4:] = rng.uniform(0.1, 3, 4)
        for name in ("quatern_b", "quatern_c", "quatern_d"):
            header[name] = rng.uniform(-0.5, 0.5)
        header["qform_code"] = 1 + number % 4
        header["vox_offset"] = 352 if version == 1 else 544  # nibabel forgets it while loading
        bytes_ = header.binaryblock
        raw[: len(bytes_)] = bytes_
        with open(source, "wb") as file:
            file.write(raw)
        tool.ask("rewrite", source, out)
        tool.ask("rewrite", source, packed)
        for path in (out, packed):
            before, after = nib.load(source), nib.load(path)
            assert type(before) is type(after), (type(before), type(after))
            for name in SPATIAL:
                a = np.asarray(before.header[name]).astype(np.asarray(before.header[name]).dtype.newbyteorder("="))
                b = np.asarray(after.header[name])
                assert a.tobytes() == b.astype(b.dtype.newbyteorder("=")).tobytes(), (name, a, b)
            assert before.shape == after.shape
            for name in ("descrip", "aux_file", "db_name", "intent_name"):
                if name in after.header.keys():
                    assert bytes(after.header[name].tobytes()).strip(b"\0") == b"", name
            assert np.array_equal(np.asarray(before.dataobj), np.asarray(after.dataobj))
        first = open(packed, "rb").read()
        tool.ask("rewrite", source, packed)
        assert first == open(packed, "rb").read(), "two writes differ"
        assert sorted(name for name in os.listdir(folder) if name.startswith(".")) == []


def main():
    full = "--full" in sys.argv
    tests = [(name[5:], test) for name, test in sorted(globals().items()) if name.startswith("test_")]
    failed = False
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        tool = Tool(sys.argv[1])
        with tempfile.TemporaryDirectory() as folder:
            try:
                note = test(tool, folder, full)
                print(f"ok {number} - {name}{' # ' + note if note else ''}")
            except Exception as error:
                failed = True
                print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}".replace("\n", "\n# "))
        tool.process.stdin.close()
        tool.process.wait()
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
