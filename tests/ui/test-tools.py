#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every drawing tool, driven by a real pointer on a phantom. After each gesture the labels on the
disk are compared, voxel by voxel, with what the header, the place of the view and the pointer say
(slices.py), or, where a tool smooths, with what it must never do."""
import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import nibabel  # noqa: E402
import numpy  # noqa: E402
import slices  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
d.cli("phantom", "--out", d.work / "phantoms", "--count", "1", "--seed", "3", "--size", "96,80,40")
SCAN = d.work / "phantoms" / "phantom_000.nii.gz"
PROJECT = d.work / "Tools.crosslabel"
d.cli("new", PROJECT, "--scan", SCAN, "--label", "liver", "--label", "kidney", "--validation", "0",
      "--seed", "1")
image = nibabel.load(SCAN)
values = image.get_fdata()


def labels():
    """The labels as they are on the disk, once the last gesture is committed."""
    d.settle()
    folder = d.work / "out"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        d.cli("export", PROJECT, "--out", folder)
    except RuntimeError as error:
        if "nothing is labelled" not in str(error):
            raise
        return numpy.zeros(image.shape, int)
    return nibabel.load(next(folder.glob("*_labels.nii.gz"))).get_fdata().astype(int)


def same(name, got, wanted, unsure=None):
    different = got != wanted
    if unsure is not None:
        different &= ~unsure
    where = [tuple(int(c) for c in p) for p in numpy.argwhere(different)[:3]]
    tap.ok(not different.any(), name + (f": {int(different.sum())} voxels differ, {where}"
                                        if different.any() else ""))


def edit(name, before, index, view, change):
    """Compares the disk with @before where slice @index became change(slice)."""
    wanted = before.copy()
    result = change(view.take(before, index))
    unsure = numpy.zeros(before.shape, bool)
    if isinstance(result, tuple):
        result, doubtful = result
        view.put(unsure, index, doubtful)
    view.put(wanted, index, result)
    got = labels()
    same(name, got, wanted, unsure)
    return got


def number(name):
    return d.find(name, role="spin button").queryValue().currentValue


def painted(mask, label):
    def change(pixels):
        inside, unsure = mask
        pixels[inside] = label
        return pixels, unsure
    return change


try:
    d.start(PROJECT)
    view = slices.View(image.affine, image.shape, "Axial", d.box(d.find("Axial view")))
    index = image.shape[view.normal] // 2
    at = view.to_screen
    now = labels()
    tap.ok(not now.any(), "nothing is labelled at first")

    d.key("1", "b")
    size = number("Size")
    start, end = at(30, 40), at(60, 44)
    d.drag([start, end])
    now = edit("brush", now, index, view, painted(view.stroke(start, end, size), 1))

    d.key("bracketright", "bracketright")
    size = number("Size")
    tap.ok(abs(size - 6 * 1.25 ** 2) < 0.1, f"] made the brush larger: {size:.2f} mm")
    d.key("2")
    start, end = at(30, 60), at(50, 58)
    d.drag([start, end])
    now = edit("larger brush, second label", now, index, view,
               painted(view.stroke(start, end, size), 2))

    d.key("e")
    start, end = at(44, 30), at(45, 68)
    d.drag([start, end])
    now = edit("eraser", now, index, view, painted(view.stroke(start, end, size), 0))

    d.key("b", "1")
    start, end = at(56, 42), at(58, 43)
    d.drag([start, end], modifier="ctrl")
    now = edit("brush with Ctrl erases", now, index, view,
               painted(view.stroke(start, end, size), 0))

    d.key("o")
    loop = [at(*p) for p in ((64, 20), (80, 22), (84, 34), (74, 44), (62, 36))]
    d.drag(loop, pause=0.08)
    now = edit("lasso", now, index, view, painted(view.polygon(loop), 1))

    d.key("t")
    low, high = number("From"), number("To")
    pixels = view.take(values, index)
    loop = [at(*p) for p in ((20, 8), (76, 6), (78, 18), (18, 20))]
    d.drag(loop, pause=0.08)
    inside, unsure = view.polygon(loop)
    wanted = inside & (pixels >= low) & (pixels <= high)
    tap.ok(wanted.any() and (inside & ~wanted).any(), "the limits cut through the region")
    now = edit("threshold in region", now, index, view, painted((wanted, unsure), 1))

    # A ring with the brush, then its inside
    d.key("v", "b", "2", "bracketleft", "bracketleft", "bracketleft", "bracketleft")
    size = number("Size")
    ring = [at(*p) for p in ((20, 62), (30, 62), (30, 74), (20, 74), (20, 62))]
    for a, b in zip(ring, ring[1:]):
        d.drag([a, b])
        now = edit("a side of a ring", now, index, view, painted(view.stroke(a, b, size), 2))
    d.key("f", "1")
    d.click_at(*at(25, 68))

    def bucket(pixels):
        pixels[slices.component(pixels == pixels[25, 68], (25, 68))] = 1
        return pixels
    now = edit("fill", now, index, view, bucket)
    d.key("ctrl+z")
    now[now != labels()] = 0
    same("undo takes the filling back", labels(), now)

    d.key("u")
    d.click_at(*at(20, 68))

    def fill_holes(pixels):
        pixels[slices.holes(pixels == 2) & (pixels == 0)] = 2
        return pixels
    now = edit("fill holes", now, index, view, fill_holes)

    d.key("i")
    d.click_at(*at(25, 68))

    def keep_piece(pixels):
        piece = slices.component(pixels == 2, (25, 68))
        pixels[(pixels == 2) & ~piece] = 0
        return pixels
    tap.ok((view.take(now, index) == 2).sum() > (keep_piece(view.take(now, index)) == 2).sum(),
           "there is an island to remove")
    now = edit("remove islands", now, index, view, keep_piece)

    d.key("r", "1")
    seed = (48, 52)
    d.click_at(*at(*seed))
    reach = numpy.float32(number("Width") * number("Tolerance, %") / 100)
    value = numpy.float32(view.take(values, index)[seed])

    def flood(pixels):
        near = view.take(values, index).astype(numpy.float32)
        mask = slices.component((near >= value - reach) & (near <= value + reach), seed)
        tap.ok(1 < mask.sum() < mask.size, f"{int(mask.sum())} similar voxels are joined")
        pixels[mask] = 1
        return pixels
    now = edit("flood", now, index, view, flood)

    d.key("y")
    d.click_at(*at(25, 68))
    got = labels()
    before, after = view.take(now, index) == 2, view.take(got, index) == 2
    changed = got != now
    view.put(changed, index, numpy.zeros(before.shape, bool))
    tap.ok(not changed.any(), "smoothing stays on its slice")
    tap.ok((before != after).any(), "smoothing changed the outline")
    corners = [(20, 62), (30, 62), (20, 74), (30, 74)]
    tap.ok(all(not after[u, v] or not before[u, v]
               for u, v in ((16, 58), (34, 58), (16, 78), (34, 78))),
           "smoothing does not reach out of the shape")
    tap.ok(abs(int(before.sum()) - int(after.sum())) < 0.15 * before.sum(),
           "smoothing keeps the area nearly")
    tap.ok(((view.take(now, index) == 1) == (view.take(got, index) == 1)).all(),
           "smoothing leaves other labels alone")
    now = got

    # Copy from the neighbour: one slice up, then take over from below
    d.point(*at(48, 40))
    d.xdotool("click", "4")
    d.key("ctrl+Page_Down")
    same_slice = view.take(now, index)

    def copied(pixels):
        pixels[same_slice == 1] = 1
        return pixels
    now = edit("copy from the slice below", now, index + 1, view, copied)

    # Interpolate between two discs, four slices apart
    d.key("b", "2", "bracketright", "bracketright", "bracketright", "bracketright",
          "bracketright", "bracketright", "bracketright", "bracketright")
    size = number("Size")
    first, last = index + 3, index + 7
    d.point(*at(48, 40))
    for step in range(2):
        d.xdotool("click", "4")
        time.sleep(0.05)
    for target, centre in ((first, (30, 30)), (last, (36, 30))):
        p = at(*centre)
        d.drag([p, (p[0] + 1, p[1])])
        now = edit(f"a disc on slice {target + 1}", now, target, view,
                   painted(view.stroke(p, (p[0] + 1, p[1]), size), 2))
        if target == first:
            for step in range(4):
                d.xdotool("click", "4")
                time.sleep(0.05)
    for step in range(2):
        d.xdotool("click", "5")
        time.sleep(0.05)
    d.key("ctrl+i")
    got = labels()
    changed = got != now
    outside = changed.copy()
    for between in range(first + 1, last):
        view.put(outside, between, numpy.zeros(view.size, bool))
    tap.ok(not outside.any(), "interpolation touches the slices in between alone")
    ends = [view.take(now, n) == 2 for n in (first, last)]
    for between in range(first + 1, last):
        disc = view.take(got, between) == 2
        tap.ok((ends[0] & ends[1] & ~disc).sum() == 0 and (disc & ~(ends[0] | ends[1])).sum()
               <= 0.1 * disc.sum(), f"slice {between + 1} lies between its neighbours")
    middle = numpy.argwhere(view.take(got, (first + last) // 2) == 2).mean(axis=0)
    tap.ok(abs(middle[0] - 33) < 0.7 and abs(middle[1] - 30) < 0.7,
           f"the middle one stands in the middle: {middle[0]:.1f}, {middle[1]:.1f}")
    now = got

    # Measure: told in words as well, and no part of the labels
    d.key("m")
    a, b = at(20, 20), at(60, 50)
    d.drag([a, b])
    (u0, v0), (u1, v1) = view.to_uv(*a), view.to_uv(*b)
    wanted = ((u0 - u1) ** 2 * view.mm[0] ** 2 + (v0 - v1) ** 2 * view.mm[1] ** 2) ** 0.5
    told = d.find(part=" mm", role="label")
    text = d.wait(lambda: next((x.name for x in d.look(part=" mm", role="label", every=True)
                                if x.name.split(" ")[0].replace(".", "").isdigit()), None),
                  "the distance")
    tap.ok(abs(float(text.split(" ")[0]) - wanted) < 0.11, f"measured {text}, {wanted:.2f} wanted")
    d.shot("measure")
    same("measuring labels nothing", labels(), now)

    # Undo all the way, redo all the way: bit for bit
    d.key("b")
    for step in range(22):
        d.key("ctrl+z")
    tap.ok(not labels().any(), "undone to the very beginning")
    for step in range(22):
        d.key("ctrl+shift+z")
    same("redone to the very end", labels(), now)
    d.shot("tools")
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:  # the log says more than a trace
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
