#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on real scans, driven as a radiologist would: a new project from a folder that also
holds broken files, by the assistant and its file chooser; the first case's three slices with
brush, polygon and livewire; signed, exported; what is on the disk is what was painted, voxel by
voxel. Then kill -9 in mid-stroke, restart, a second window on the same project."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

DATA = pathlib.Path(os.environ.get("CROSSLABEL_DATA", ""))
if not (DATA / "laseg").is_dir() or not (DATA / "hippocampus").is_dir():
    print(f"1..0 # SKIP no real scans at CROSSLABEL_DATA={DATA}")
    sys.exit(0)
drive.inside_display(os.path.abspath(__file__))

import nibabel  # noqa: E402
import numpy  # noqa: E402
import slices  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
FOLDER = d.work / "scans"
FOLDER.mkdir()
hearts = sorted(p for p in (DATA / "laseg").glob("*.nii.gz") if "_label" not in p.name)[:3]
heads = sorted(p for p in (DATA / "hippocampus").glob("*.nii.gz") if "_label" not in p.name)[:2]
for scan in hearts + heads:
    (FOLDER / scan.name).symlink_to(scan)
truth = heads[0].with_name(heads[0].name.replace(".nii.gz", "_label.nii.gz"))
(FOLDER / truth.name).symlink_to(truth)
(FOLDER / "not-a-scan.nii.gz").write_bytes(b"no scan at all")
(FOLDER / "cut-short.nii.gz").write_bytes(hearts[0].read_bytes()[:20000])
PROJECT = d.work / "Atria.crosslabel"


def labels_of(name):
    d.settle()
    folder = d.work / "out"
    shutil.rmtree(folder, ignore_errors=True)
    d.cli("export", PROJECT, "--out", folder)
    volume = nibabel.load(folder / f"{name}_labels.nii.gz")
    domain = nibabel.load(folder / f"{name}_domain.nii.gz")
    return volume.get_fdata().astype(int), domain.get_fdata().astype(int), volume


def type_path(path):
    """Into a GTK file chooser."""
    time.sleep(1.0)
    d.key("ctrl+l")
    d.type(str(path))
    time.sleep(0.4)
    d.key("Return")
    time.sleep(0.5)


try:
    d.start()
    d.key("ctrl+n")
    d.find("Name of the project")
    d.type("Atria")
    d.click(d.find(part="Add F_older"))
    type_path(FOLDER)
    d.find(part="2 files cannot be used", timeout=60)
    d.wait(lambda: not d.look(part="Looking at it"), "all files are looked at", 60)
    tap.ok(bool(d.look(part="5 scans, 2 files")), "five scans are found, two broken files told")
    rows = d.look(part="Structure", role="text", every=True)
    tap.ok(len([r for r in d.walk() if (r.name or "") == "Name of the label"
                and r.getRoleName() == "text"]) == 2,
           "a label is offered for each value of the existing label files")
    d.find("Scans to label in each round", role="spin button").queryValue().currentValue = 3
    d.shot("new-project-real")
    d.click(d.find(part="C_hoose"))
    type_path(d.work)
    d.click(d.find(part="C_reate"))
    d.find("Axial view", timeout=90)
    time.sleep(1.5)
    d.shot("real-project")
    info = drive.json_of(d.cli("info", PROJECT, "--json"))
    tap.ok(len([1 for line in info["scans"]]) == 5, "the project holds the five scans")
    tap.ok(sum(1 for case in info["scans"] if case.get("validation")) == 2,
           "two of them are kept for validation")

    with sqlite3.connect(f"file:{PROJECT}/project.sqlite?mode=ro", uri=True) as db:
        budget = db.execute("SELECT value FROM setting WHERE key = 'budget'").fetchone()
    tap.ok(budget == ("3",), f"the budget is kept: {budget}")

    # The first heart that is shown
    name = d.find(part="0 of 3 signed") and d.title().strip()
    if name not in [p.name[:-7] for p in hearts]:
        for row in d.look(part=hearts[0].name[:-7] + ",", every=True):
            d.click(row)
            name = hearts[0].name[:-7]
            time.sleep(2.0)
            break
    tap.ok(name in [p.name[:-7] for p in hearts], f"a heart is open: {name}")
    if not d.look(part="0 of 3 signed"):
        d.click(d.find(part="Propose Here"))
        d.find(part="0 of 3 signed")
    image = nibabel.load(FOLDER / f"{name}.nii.gz")
    views = {p: slices.View(image.affine, image.shape, p, d.box(d.find(f"{p} view")))
             for p in ("Axial", "Coronal", "Sagittal")}
    index = {p: int(d.find(f"{p} slice").queryValue().currentValue) - 1 for p in views}
    wanted = numpy.zeros(image.shape, int)
    unsure = numpy.zeros(image.shape, bool)

    def draw(plane, mask, doubtful, label):
        pixels = views[plane].take(wanted, index[plane])
        pixels[mask] = label
        views[plane].put(wanted, index[plane], pixels)
        there = views[plane].take(unsure, index[plane])
        views[plane].put(unsure, index[plane], there | doubtful)

    # Axial: the brush, three strokes
    d.key("1", "b")
    size = d.find("Size", role="spin button").queryValue().currentValue
    v = views["Axial"]
    n, m = v.size
    for a, b in (((.35, .45), (.6, .45)), ((.6, .45), (.58, .6)), ((.58, .6), (.36, .58))):
        start, end = v.to_screen(n * a[0], m * a[1]), v.to_screen(n * b[0], m * b[1])
        d.drag([start, end])
        draw("Axial", *v.stroke(start, end, size), 1)
    # Coronal: a polygon
    d.key("2", "p")
    v = views["Coronal"]
    n, m = v.size
    corners = [v.to_screen(n * a, m * b) for a, b in
               ((.3, .3), (.55, .25), (.68, .5), (.5, .72), (.28, .6))]
    for corner in corners:
        d.click_at(*corner)
        time.sleep(0.15)
    d.key("Return")
    draw("Coronal", *v.polygon(corners), 2)
    got, _domain, _file = labels_of(name)
    different = (got != wanted) & ~unsure
    tap.ok(not different.any(), f"brush and polygon: {int(different.sum())} of "
           f"{int((wanted > 0).sum())} voxels differ")
    # Sagittal: a livewire; it follows edges, so what it encloses is known by its own slice alone
    before = got
    d.key("1", "l")
    v = views["Sagittal"]
    n, m = v.size
    for a, b in ((.35, .35), (.55, .3), (.65, .5), (.5, .68), (.33, .6)):
        d.click_at(*v.to_screen(n * a, m * b))
        time.sleep(0.25)
    d.shot("real-livewire")
    d.key("Return")
    got, _domain, _file = labels_of(name)
    changed = got != before
    only = changed.copy()
    v.put(only, index["Sagittal"], numpy.zeros(v.size, bool))
    pixels = v.take(got, index["Sagittal"])
    tap.ok(not only.any() and changed.any(), f"the livewire drew {int(changed.sum())} voxels "
           "on its slice alone")
    tap.ok(pixels[int(n * .48), int(m * .48)] == 1, "its inside is filled")

    for count in range(3):
        d.click(d.find("Sign Off"))
        d.find(part=f"{count + 1} of 3 signed")
    d.shot("real-signed")
    signed, domain, volume = labels_of(name)
    tap.ok((signed == got).all(), "signing changed no voxel")
    expected = numpy.zeros(image.shape, int)
    for plane in views:
        views[plane].put(expected, index[plane], 1)
    tap.ok((domain == expected).all(), "the domain is the three signed slices")
    tap.ok((volume.affine == image.affine).all()
           and (volume.header.get_zooms() == image.header.get_zooms()),
           "the labels lie on the scan's own grid")

    # By the window's own export dialog
    d.key("ctrl+shift+e")
    d.click(d.find(part="_Export", role="push button"))
    d.wait(lambda: (d.work / "Atria-labels").is_dir()
           and list((d.work / "Atria-labels").glob(f"{name}_labels.nii.gz")), "the exported file")
    time.sleep(0.5)
    again = nibabel.load(d.work / "Atria-labels" / f"{name}_labels.nii.gz").get_fdata()
    tap.ok((again == signed).all(), "the export dialog writes the same labels")

    # The next case; zoomed, scrolled, painted; killed in the middle of a stroke
    d.key("n")
    d.wait(lambda: d.title() not in ("", name), "the next case")
    second = d.title()
    time.sleep(1.5)
    scan = nibabel.load(FOLDER / f"{second}.nii.gz")
    box = d.box(d.find("Axial view"))
    v = slices.View(scan.affine, scan.shape, "Axial", box)
    n, m = v.size
    d.key("b", "1")
    start, end = v.to_screen(n * .4, m * .45), v.to_screen(n * .55, m * .45)
    at = int(d.find("Axial slice").queryValue().currentValue) - 1
    before = labels_of(second)[0] if (d.work / "out" / f"{second}_labels.nii.gz").exists() \
        else numpy.zeros(scan.shape, int)
    d.drag([start, end])
    d.settle()
    d.point(*v.to_screen(n * .5, m * .5))
    for step in range(3):
        d.xdotool("click", "4")
        time.sleep(0.05)
    slice_then = d.find("Axial slice").queryValue().currentValue
    time.sleep(1.0)
    d.drag([v.to_screen(n * .3, m * .6), v.to_screen(n * .5, m * .6), v.to_screen(n * .5, m * .65)],
           release=False)
    d.kill()
    d.xdotool("mouseup", 1)
    got = labels_of(second)[0]
    stroke, doubtful = v.stroke(start, end, size)
    pixels, there = v.take(got, at), v.take(before, at)
    there[stroke] = 1
    tap.ok(((pixels == there) | doubtful).all(), "kill -9: the finished stroke is there, all of it")
    pixels = v.take(got, int(slice_then) - 1)
    tap.ok((pixels == v.take(before, int(slice_then) - 1)).all(), "and nothing of the unfinished")
    d.start(PROJECT)
    d.find("Axial view")
    d.wait(lambda: d.title() == second, "the case of before")
    time.sleep(1.0)
    tap.ok(d.find("Axial slice").queryValue().currentValue == slice_then, "the slice is the same")
    pressed = [item for item in d.look("Brush", every=True)
               if item.getState().contains(d.atspi.STATE_PRESSED)]
    tap.ok(len(pressed) == 1, "the brush is in hand again")
    d.shot("real-restored")

    # A second window on the same project is told who has it
    first = d.process
    first_app, first_origin = d.app, d.origin
    d.start(PROJECT)
    dialog = d.find(part="Project Is Open Elsewhere")
    told = d.find(part=str(first.pid))
    tap.ok(dialog is not None and told is not None, f"the second window is told: {told.name}")
    d.shot("locked")
    d.key("Escape")
    time.sleep(0.5)
    d.find(part="New Project…")
    tap.ok(d.close() == 0, "the second window closes")
    d.process, d.app, d.origin = first, first_app, first_origin
    d.xdotool("mousemove", 800, 60, "click", 1)
    time.sleep(0.5)
    tap.ok(d.close() == 0, "and so does the first")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
