#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`crosslabel render` beside slices sampled here in numpy from the voxels, the affine and what the
program promises (radiological convention, fit, window, interpolation, overlays). Nothing is taken
from the program but the pictures. Speaks TAP."""
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap  # noqa: E402

try:
    import numpy as np
except ImportError:
    print("1..0 # SKIP numpy is not installed: no picture is checked against it")
    sys.exit(0)

from pictures import read_png, write_nifti  # noqa: E402

INKS = np.array([(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115)]) / 255.0


# What the program promises

def axis_of_plane(affine):
    """Voxel axes nearest to the sagittal, coronal and axial axis: the best assignment of all."""
    unit = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    best = max(itertools.permutations(range(3)), key=lambda p: sum(unit[r, p[r]] for r in range(3)))
    return dict(zip(("sagittal", "coronal", "axial"), best))


class View:
    """For each pixel the voxel indices (float) of its centre."""

    def __init__(self, shape, affine, plane, index, size):
        axes = axis_of_plane(affine)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        # Patient right on screen left; sagittal: anterior on screen left. Down: posterior, inferior.
        world = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[plane]
        names = ("sagittal", "coronal", "axial")
        a, b = axes[names[world[0]]], axes[names[world[1]]]
        sign_a = -np.sign(affine[world[0], a])  # to the right is towards the patient's left, or back
        sign_b = -np.sign(affine[world[1], b])
        width, height = size
        self.px_per_mm = min(width / (shape[a] * spacing[a]), height / (shape[b] * spacing[b]))
        x = (np.arange(width) + 0.5 - width / 2) / self.px_per_mm / spacing[a] * sign_a
        y = (np.arange(height) + 0.5 - height / 2) / self.px_per_mm / spacing[b] * sign_b
        self.ijk = np.zeros((height, width, 3))
        self.ijk[..., a] = x[None, :] + (shape[a] - 1) / 2
        self.ijk[..., b] = y[:, None] + (shape[b] - 1) / 2
        self.ijk[..., axes[plane]] = index
        self.voxel_px = (self.px_per_mm * spacing[a], self.px_per_mm * spacing[b])
        self.find_edges(shape, affine)

    def find_edges(self, shape, affine):
        low, high = self.ijk + 0.5, np.array(shape) - 0.5 - self.ijk
        self.inside = (low > 0).all(-1) & (high > 0).all(-1)
        # Where rounding decides, nothing is compared.
        self.certain = (np.minimum(np.abs(low), np.abs(high)) > 1e-3).all(-1)


class ObliqueView(View):
    def __init__(self, shape, affine, centre, right, down, size):
        width, height = size
        edges = affine[:3, :3] * np.array(shape)
        diameter = max(np.linalg.norm(edges @ np.array((1, s, t))) for s in (1, -1) for t in (1, -1))
        self.px_per_mm = min(size) / diameter
        x = (np.arange(width) + 0.5 - width / 2) / self.px_per_mm
        y = (np.arange(height) + 0.5 - height / 2) / self.px_per_mm
        ras = (np.array(centre) + x[None, :, None] * np.array(right)
               + y[:, None, None] * np.array(down))
        self.ijk = (ras - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
        self.find_edges(shape, affine)


def fetch(array, ijk):
    clamped = [np.clip(ijk[..., c], 0, array.shape[c] - 1) for c in range(3)]
    return array[tuple(clamped)]


def nearest(array, ijk):
    return fetch(array, np.floor(ijk + 0.5).astype(int))


def ties(ijk):
    """Pixels so close to the middle between voxels that rounding decides."""
    return (np.abs(ijk - np.floor(ijk) - 0.5) < 2e-3).any(-1)


def weighted(array, ijk, weights_of):
    """A separable filter: weights_of(f) gives offsets and weights for the distances f."""
    base = np.floor(ijk).astype(int)
    parts = [weights_of(ijk[..., c] - base[..., c]) for c in range(3)]
    total = np.zeros(ijk.shape[:-1])
    for (oi, wi), (oj, wj), (ok, wk) in itertools.product(*parts):
        total += wi * wj * wk * fetch(array, base + np.array((oi, oj, ok)))
    return total


def linear_weights(f):
    return [(0, 1 - f), (1, f)]


def cubic_weights(f):
    """Keys 1981, a = -1/2, written as the two pieces of its kernel."""
    def kernel(x):
        x = np.abs(x)
        return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1,
                        np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    return [(o, kernel(f - o)) for o in (-1, 0, 1, 2)]


def sample(array, ijk, how):
    if how == "nearest":
        return nearest(array, ijk).astype(float)
    return weighted(array.astype(float), ijk, linear_weights if how == "linear" else cubic_weights)


def shade(values, window):
    return np.clip((values - window[0]) / window[1] + 0.5, 0, 1)


def mix(base, ink, part):
    part = np.asarray(part)[..., None] if np.ndim(part) else part
    return base * (1 - part) + ink * part


# Cases

class Cases:
    def __init__(self, folder):
        self.work = folder
        self.rng = np.random.default_rng(20)

    def draw(self, scan, *options, size=(150, 130), window=(500, 900)):
        path = self.work / "out.png"
        tap.ok("render", scan, "--out", path, "--size", "%dx%d" % size, "--window", "%g,%g" % window,
               *options)
        return read_png(path)

    def compare(self, name, picture, expected, view, ignore=None, background=0.0, levels=1):
        """@expected: 0…1, height × width × 3 or without colours."""
        if expected.ndim == 2:
            expected = np.repeat(expected[..., None], 3, axis=-1)
        expected = np.where(view.inside[..., None], expected, background)
        known = view.certain if ignore is None else view.certain & ~ignore
        off = np.abs(picture - 255 * expected).max(-1)[known]
        # Half a level of rounding and the device's own arithmetic.
        print(f"# {name}: {off.max():.2f} levels off at most in {known.sum()} pixels")
        assert known.mean() > 0.5, f"{name}: only {known.mean():.2f} of the pixels are compared"
        assert off.max() < levels + 0.51, f"{name}: {off.max()} levels off"

    def scan(self, name, shape, affine, dtype, code):
        values = self.rng.integers(0, 250 if dtype == np.uint8 else 1000, shape).astype(dtype)
        if dtype == np.float32:
            values += self.rng.random(shape, np.float32)
        path = self.work / name
        write_nifti(path, values, affine, code)
        return path, values


def flips_and_spacings():
    """Axis orders, mirror images, spacings, and one tilted grid."""
    plain = np.diag((1.0, 1.5, 2.5, 1.0))
    turned = np.array([(0, 0, -2.2, 10), (1.1, 0, 0, -20), (0, -0.9, 0, 5), (0, 0, 0, 1.0)])
    tilt = np.deg2rad(20)
    rotation = np.array([(np.cos(tilt), -np.sin(tilt), 0), (np.sin(tilt), np.cos(tilt), 0), (0, 0, 1)])
    tilted = np.eye(4)
    tilted[:3, :3] = rotation @ np.diag((-1.2, 0.8, 1.9))
    tilted[:3, 3] = (3, -7, 11)
    return {"plain": plain, "turned": turned, "tilted": tilted}


def test_planes(folder):
    cases = Cases(folder)
    kinds = [(np.int16, 4), (np.uint8, 2), (np.float32, 16)]
    for n, (name, affine) in enumerate(flips_and_spacings().items()):
        shape = (17, 13, 11)
        dtype, code = kinds[n]
        path, values = cases.scan(f"{name}.nii", shape, affine, dtype, code)
        window = (500, 900) if dtype != np.uint8 else (120, 200)
        for plane, how in itertools.product(("axial", "coronal", "sagittal"),
                                            ("nearest", "linear", "cubic")):
            index = {"axial": 4, "coronal": 6, "sagittal": 3}[plane]
            view = View(shape, affine, plane, index, (150, 130))
            picture = cases.draw(path, "--plane", plane, "--index", index, "--interpolation", how,
                                 window=window)
            cases.compare(f"{name}, {np.dtype(dtype).name}, {plane}, {how}", picture,
                          shade(sample(values, view.ijk, how), window), view,
                          ties(view.ijk) if how == "nearest" else None)


def test_oblique(folder):
    cases = Cases(folder)
    affine = flips_and_spacings()["tilted"]
    shape = (17, 13, 11)
    beside = np.array((0.2, 0.4, 0.6))
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    right, down = np.array((0.6, 0.8, 0.0)), np.array((0.48, -0.36, -0.8))
    view = ObliqueView(shape, affine, centre, right, down, (150, 130))
    numbers = ",".join(f"{v:.17g}" for v in (*centre, *right, *down))
    for dtype, code, window in ((np.int16, 4, (500, 900)), (np.uint8, 2, (120, 200))):
        path, values = cases.scan(f"oblique{code}.nii", shape, affine, dtype, code)
        for how in ("nearest", "linear", "cubic"):
            picture = cases.draw(path, f"--oblique={numbers}", "--interpolation", how,
                                 "--background", "0.2,0.4,0.6", window=window)
            cases.compare(f"oblique, {np.dtype(dtype).name}, {how}", picture,
                          shade(sample(values, view.ijk, how), window), view,
                          ties(view.ijk) if how == "nearest" else None, beside)


class Overlays:
    """The same axial slice with what can lie on it."""

    SHAPE, INDEX = (20, 16, 9), 4

    def __init__(self, cases, dtype):
        self.cases = cases
        self.affine = np.diag((-1.0, -1.25, 2.0, 1.0))
        self.WINDOW = (500, 900) if dtype == np.int16 else (120, 200)
        self.path, self.values = cases.scan("overlays.nii", self.SHAPE, self.affine, dtype,
                                            4 if dtype == np.int16 else 2)
        self.labels, self.label_path = self.blocks("labels.nii", 4)
        self.others, self.other_path = self.blocks("others.nii", 4)
        self.codes, self.code_path = self.blocks("codes.nii", 6)
        self.field = cases.rng.random(self.SHAPE, np.float32)
        self.field_path = cases.work / "field.nii"
        write_nifti(self.field_path, self.field, self.affine, 16)
        self.view = View(self.SHAPE, self.affine, "axial", self.INDEX, (150, 130))
        self.base = shade(sample(self.values, self.view.ijk, "linear"), self.WINDOW)
        self.base = np.repeat(self.base[..., None], 3, axis=-1)
        self.label = nearest(self.labels, self.view.ijk)
        self.ties = ties(self.view.ijk)

    def blocks(self, name, n):
        """Blocks of 4 x 4 x 3 voxels of one value."""
        i, j, k = np.indices((5, 4, 3))
        turn = self.cases.rng.integers(1, 3, (5, 4, 3)) if n < 6 else 1
        small = ((i + 2 * j * turn + k) % n).astype(np.uint8)
        array = np.repeat(np.repeat(np.repeat(small, 4, 0), 4, 1), 3, 2)
        path = self.cases.work / name
        write_nifti(path, array, self.affine, 2)
        return array, path

    def check(self, name, expected, *options, ignore=None):
        picture = self.cases.draw(self.path, "--plane", "axial", "--index", self.INDEX, *options,
                                  window=self.WINDOW)
        ignore = self.ties if ignore is None else ignore
        self.cases.compare(name, picture, expected, self.view, ignore)

    def fill(self):
        ink, there = INKS[self.label], self.label > 0
        options = ("--labels", self.label_path, "--style", "fill", "--opacity", "0.4")
        self.check("fill", mix(self.base, ink, 0.4 * there), *options)
        part = np.where(self.label == 2, 0.4, 0.4 * 0.3) * there
        self.check("fill, one label stands out", mix(self.base, ink, part), *options, "--highlight", 2)

    def outline(self):
        """Four whole pixels inside each label, measured as the larger of the two distances."""
        width = 4
        edge = self.distance_to_another()
        line = (self.label > 0) & (np.floor(edge) < width)
        near = np.abs(edge - width) < 1e-6
        options = ("--labels", self.label_path, "--style", "outline", "--outline", width)
        ignore = self.ties | near | self.beside_ties()
        self.check("outline of 4 pixels", mix(self.base, INKS[self.label], line.astype(float)),
                   *options, ignore=ignore)
        chosen = self.label == 2
        ink = np.where(chosen[..., None], mix(INKS[self.label], np.ones(3), 0.45), INKS[self.label])
        # With a field over it, here one that cannot be seen, a slice is drawn as on other devices.
        for more in ((), ("--field", self.field_path, "--field-opacity", "0.000001")):
            self.check("outline, one label stands out",
                       mix(self.base, ink, line * np.where(chosen, 1.0, 0.4)), *options,
                       "--highlight", 2, *more, ignore=ignore)

    def beside_ties(self):
        f = self.view.ijk[..., :2] + 0.5
        return (np.abs(f - np.round(f)) < 2e-3).any(-1)

    def distance_to_another(self):
        """Pixels from each pixel's middle to the nearest voxel with another label."""
        i, j = (np.floor(self.view.ijk[..., c] + 0.5).astype(int) for c in (0, 1))
        plane = self.labels[:, :, self.INDEX]
        f = [self.view.ijk[..., c] + 0.5 - np.floor(self.view.ijk[..., c] + 0.5) for c in (0, 1)]
        nearest_edge = np.full(i.shape, 1e6)
        for di, dj in itertools.product((-1, 0, 1), repeat=2):
            ni, nj = np.clip(i + di, 0, plane.shape[0] - 1), np.clip(j + dj, 0, plane.shape[1] - 1)
            here = plane[np.clip(i, 0, plane.shape[0] - 1), np.clip(j, 0, plane.shape[1] - 1)]
            gone = [np.where(d < 0, g, np.where(d > 0, 1 - g, 0)) * px
                    for d, g, px in ((di, f[0], self.view.voxel_px[0]), (dj, f[1], self.view.voxel_px[1]))]
            # A voxel is wider than the outline: only next neighbours count.
            away = np.maximum(np.floor(gone[0]), np.floor(gone[1]))
            nearest_edge = np.where(plane[ni, nj] != here, np.minimum(nearest_edge, away), nearest_edge)
        return nearest_edge

    def hatch(self):
        """Lines one pixel wide, with soft sides, 24 pixels from one to the next along x and y."""
        height, width = self.label.shape
        along = np.mod(np.arange(width)[None, :] + np.arange(height)[:, None] + 1.0, 24.0)
        away = np.abs(along - 12.0) / np.sqrt(2.0)
        ink = 0.18 * np.clip(1.0 - away, 0, 1) * (self.label == 0)
        self.check("hatch", mix(self.base, np.array((0.45, 0.70, 1.0)), ink), "--labels",
                   self.label_path, "--style", "none", "--hatch")

    def compare(self):
        other = nearest(self.others, self.view.ijk)
        blue, orange = np.array((0.0, 0.45, 0.70)), np.array((0.90, 0.62, 0.0))
        purple, green = np.array((0.80, 0.47, 0.65)), np.array((0.0, 0.62, 0.45))
        a, b = self.label[..., None], other[..., None]
        ink = np.where(a == b, green, np.where(b == 0, blue, np.where(a == 0, orange, purple)))
        part = np.where((self.label == 0) & (other == 0), 0, np.where(self.label == other, 0.35, 1.0))
        self.check("compare", mix(self.base, ink, 0.5 * part), "--labels", self.label_path, "--compare",
                   self.other_path, "--opacity", "0.5")

    def provenance(self):
        inks = np.array([(0, 0, 0), (0.90, 0.62, 0.0), (0.34, 0.71, 0.91), (0.94, 0.89, 0.26),
                         (0.0, 0.62, 0.45), (0.80, 0.47, 0.65)])
        code = nearest(self.codes, self.view.ijk)
        assert set(np.unique(code)) == set(range(6))
        self.check("provenance", mix(self.base, inks[code], 0.5 * (code > 0)), "--labels",
                   self.label_path, "--style", "none", "--provenance", self.code_path)

    def colour_maps(self):
        self.check("inverted", 1 - self.base, "--colour-map", "inverted")

    def uncertainty(self):
        value = sample(self.field, self.view.ijk, "linear")
        # Beyond the middle of the outermost voxels there is less of the field.
        inner = ((self.view.ijk[..., :2] > 0)
                 & (self.view.ijk[..., :2] < np.array(self.SHAPE[:2]) - 1)).all(-1)
        part = 0.6 * np.clip(4 * value, 0, 1)
        grey = np.repeat(np.clip(value, 0, 1)[..., None], 3, axis=-1)
        self.check("field", mix(self.base, grey, part), "--field", self.field_path, "--field-map", "grey",
                   "--field-opacity", "0.6", ignore=~inner)


def overlay(name):
    def test(folder):
        for dtype in (np.int16, np.uint8):
            getattr(Overlays(Cases(folder), dtype), name)()
    test.__name__ = f"test_{name}"
    return test


sys.exit(tap.main([test_planes, test_oblique, *map(overlay, ("fill", "outline", "hatch", "compare",
                                                             "provenance", "colour_maps", "uncertainty"))]))
