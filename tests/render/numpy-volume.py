#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The 3-D view of `crosslabel render --volume` beside rays cast here in numpy: what a homogeneous
scan absorbs, how surfaces lie in the light, and what is seen through them. Speaks TAP."""
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

SHAPE = (40, 48, 36)
DIAGONAL = np.linalg.norm(SHAPE)  # voxels are 1 mm
SIDE = 200  # of the pictures, pixels
INKS = np.array([(0, 0, 0), (230, 159, 0), (86, 180, 233)]) / 255.0
BACKGROUNDS = np.array([(0, 0, 0), (0.5, 0.7, 1.0)])


class Rays:
    """Parallel rays from the viewer's place, RAS, in millimetres from the scan's middle."""

    def __init__(self, azimuth, elevation):
        az, el = np.deg2rad(azimuth), np.deg2rad(elevation)
        # From in front of the patient for 0, 0; patient right on screen left.
        self.into = np.array((np.cos(el) * np.sin(az), -np.cos(el) * np.cos(az), -np.sin(el)))
        self.right = np.array((-np.cos(az), -np.sin(az), 0))
        self.up = np.cross(self.right, self.into)
        at = (np.arange(SIDE) + 0.5 - SIDE / 2) * DIAGONAL / SIDE
        self.start = (at[None, :, None] * self.right - at[:, None, None] * self.up
                      - DIAGONAL * self.into)

    def enter(self, low, high):
        """Into a box: whether, the normal (view space) of the side, and how far from its edges."""
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (low - self.start) / self.into, (high - self.start) / self.into
        near, far = np.minimum(a, b), np.maximum(a, b)
        near[..., self.into == 0], far[..., self.into == 0] = -np.inf, np.inf
        axis, t = near.argmax(-1), near.max(-1)
        point = self.start + t[..., None] * self.into
        to_edge = np.minimum(point - low, high - point)
        np.put_along_axis(to_edge, axis[..., None], np.inf, -1)
        hit = (t < far.min(-1)) & (to_edge > 0).all(-1)
        outward = -np.sign(self.into)[axis, None] * np.eye(3)[axis]
        normal = np.stack([outward @ v for v in (self.right, self.up, -self.into)], -1)
        return hit, normal, np.where(hit, to_edge.min(-1), 0.0), t


def lit(ink, normal):
    """Blinn and Phong's model: light from the viewer's upper left, a darker rim."""
    light = np.array((-0.36, 0.48, 0.8))
    half = light + np.array((0, 0, 1.0))
    diffuse = np.clip(normal @ light, 0, None)
    gloss = np.clip(normal @ (half / np.linalg.norm(half)), 0, None) ** 40
    rim = np.clip(1 - normal[..., 2], 0, 1) ** 3
    return ink * ((0.30 + 0.75 * diffuse) * (1 - 0.35 * rim))[..., None] + 0.22 * gloss[..., None]


class Cases:
    def __init__(self, folder):
        self.work = folder

    def write(self, name, array, code):
        path = self.work / name
        write_nifti(path, array, np.eye(4), code)
        return path

    def scan(self, value):
        return self.write("scan.nii", np.full(SHAPE, value, np.int16), 4)

    def boxes(self, *boxes):
        labels = np.zeros(SHAPE, np.uint8)
        for label, (low, high) in enumerate(boxes, 1):
            labels[tuple(map(slice, low, high))] = label
        return self.write("labels.nii", labels, 2)

    def draw(self, scan, *options, camera=(0, 0), background=(0, 0, 0), window=(500, 1000)):
        path = self.work / "out.png"
        tap.ok("render", scan, "--volume", "--out", path, "--size", f"{SIDE}x{SIDE}", "--window",
               "%g,%g" % window, "--camera", "%g,%g,1" % camera, "--background",
               "%g,%g,%g" % tuple(background), *options)
        return read_png(path) / 255.0

    def compare(self, name, picture, expected, where):
        off = 255 * np.abs(picture - expected).max(-1)[where]
        print(f"# {name}: {off.max():.2f} levels off at most in {off.size} pixels")
        assert off.size > 300, f"{name}: only {off.size} pixels are compared"
        # Half a level of rounding and the device's own arithmetic.
        assert off.max() < 1.0, f"{name}: {off.max()} levels off"


def to_mm(low, high):
    """The sides of a box of voxels, from the scan's middle."""
    middle = np.array(SHAPE) / 2
    return np.array(low) - middle, np.array(high) - middle


def test_absorption(folder):
    """One sample per voxel: opacity 0.2 per 1 % of the diagonal at the upper end of the window, and
    as the square of the shade below; a ray's first sample is brighter for the rise."""
    cases = Cases(folder)
    scan = cases.scan(500)
    n = SHAPE[1]
    hit, _, to_edge, _ = Rays(0, 0).enter(*to_mm((0, 0, 0), SHAPE))
    for shade in (0.2, 0.4, 0.6):
        window = (500 + (0.5 - shade) * 1000, 1000)
        opacity = (1 - 0.8 ** (100 / DIAGONAL)) * shade**2
        left = (1 - opacity) ** np.arange(n + 1)
        n_seen = n if left[-1] >= 0.02 else int(np.argmax(left < 0.02))
        factor = np.full(n, 0.72)
        factor[0] += 0.38 * min(2.5 * shade, 1)
        own = shade * opacity * (left[:n_seen] * factor[:n_seen]).sum()
        for background in BACKGROUNDS:
            picture = cases.draw(scan, background=background, window=window)
            cases.compare(f"absorption at shade {shade}", picture,
                          own + left[n_seen] * background, hit & (to_edge > 1))


def test_light(folder):
    """The sides of a box, turned about: each lies in the light as its normal says."""
    cases = Cases(folder)
    scan, box = cases.scan(0), ((10, 12, 8), (32, 38, 30))
    labels = cases.boxes(box)
    for camera in ((0, 0), (35, 20), (-50, 35), (120, -30), (200, 60)):
        rays = Rays(*camera)
        hit, normal, to_edge, _ = rays.enter(*to_mm(*box))
        picture = cases.draw(scan, "--labels", labels, "--mode", "labels", camera=camera)
        inner = hit & (to_edge > 5)
        cases.compare(f"light from {camera}", picture, lit(INKS[1], normal), inner)
        n_sides = len({tuple(v) for v in np.round(normal[inner], 3)})
        assert n_sides == (1 if camera == (0, 0) else 3)


def test_translucent(folder):
    """Two boxes one behind the other, over two backgrounds: each lets through its part of what is
    behind it, in every mode."""
    cases = Cases(folder)
    front, back = ((10, 30, 8), (32, 42, 30)), ((8, 8, 6), (34, 20, 32))
    scan, labels = cases.scan(0), cases.boxes(front, back)
    for alpha, camera in ((0.25, (0, 0)), (0.6, (20, 15))):
        rays = Rays(*camera)
        parts = [rays.enter(*to_mm(*box)) for box in (front, back)]
        assert (parts[0][3] < parts[1][3])[parts[0][0] & parts[1][0]].all()
        certain = [to_edge > 5 for _, _, to_edge, _ in parts]
        missed = [clear_of(rays, box) for box in (front, back)]
        for mode, background in itertools.product(("labels", "composite", "mip"), BACKGROUNDS):
            # The maximum, here none, is veiled by what surfaces do not cover in full.
            cover = alpha * (0.65 if mode == "mip" else 1.0)
            picture = cases.draw(scan, "--labels", labels, "--mode", mode, "--surface-opacity", alpha,
                                 camera=camera, background=background)
            seen = np.broadcast_to(background, picture.shape)
            for label, (hit, normal, _, _) in ((2, parts[1]), (1, parts[0])):
                over = seen * (1 - cover) + cover * lit(INKS[label], normal)
                seen = np.where(hit[..., None], over, seen)
            where = (certain[0] | missed[0]) & (certain[1] | missed[1])
            assert (where & certain[0] & certain[1]).sum() > 300
            cases.compare(f"{mode}, opacity {alpha}, from {camera}", picture, seen, where)


def test_cut(folder):
    """An octant cut away in front of the viewer: its face shows the slice as it is, under the labels
    with 0.55 of their own opacity; nothing of what was there before it."""
    cases = Cases(folder)
    values = np.full(SHAPE, 600, np.int16)
    values[:20] = 400
    scan = cases.write("halves.nii", values, 4)
    labels = cases.boxes(((16, 18, 8), (26, 26, 30)))
    at = (10, 23, 5)
    picture = cases.draw(scan, "--labels", labels, "--cut", "%d,%d,%d" % at)
    # From in front: what has larger j than the cut, on one side of it in i and k, is away.
    rays = Rays(0, 0)
    point = rays.start + np.array(SHAPE) / 2 - 0.5  # voxel indices, but for j
    i, k = point[..., 0], point[..., 2]
    shade = np.where(i < 19.5, 0.4, 0.6)
    base = np.repeat(shade[..., None], 3, -1)
    over = (i > 15.5) & (i < 25.5) & (k > 7.5) & (k < 29.5)
    expected = np.where(over[..., None], 0.45 * base + 0.55 * INKS[1], base)
    # Away from the octant's sides, the labels' and the step of the scan.
    sides = [(i, 15.5), (i, 25.5), (i, 19.5), (i, at[0]), (k, 7.5), (k, 29.5), (k, at[2])]
    clear = np.min([np.abs(a - b) for a, b in sides], axis=0) > 1.0
    off = [255 * np.abs(picture - expected).max(-1)[clear & side] for side in octants(i, k, at)]
    print("# levels off in the four quarters:", *(f"{v.max():.2f}" for v in off))
    assert [v.max() < 1.0 for v in off] == [True, False, False, False]
    assert off[0].size > 300


def octants(i, k, at):
    """The quarters of the scan about a voxel, the one with the larger indices first."""
    on_scan = (i > 0.5) & (i < SHAPE[0] - 1.5) & (k > 0.5) & (k < SHAPE[2] - 1.5)
    return [on_scan & (s * (i - at[0]) > 0) & (t * (k - at[2]) > 0)
            for s in (1, -1) for t in (1, -1)]


def clear_of(rays, box):
    """Rays that pass a box at a distance."""
    low, high = to_mm(*box)
    return ~rays.enter(low - 3, high + 3)[0]


sys.exit(tap.main([test_absorption, test_light, test_translucent, test_cut]))
