#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, driven as a person would: a phantom project, three slices labelled with brush,
polygon and livewire, undo, sign-off, kill -9 while painting, a second window, export; what is on
the disk is compared voxel by voxel with what the journal says and where the pointer was."""
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

tap = drive.Tap()
d = drive.Driver()


def export(folder):
    shutil.rmtree(folder, ignore_errors=True)
    d.cli("export", PROJECT, "--out", folder)
    return folder


def at(view, u, v):
    x, y, width, height = d.box(view)
    return (x + u * width, y + v * height)


def view(name):
    return d.find(f"{name} view")


def journal_edits():
    import json
    return json.loads(d.cli("info", PROJECT, "--json"))


def status_text():
    found = d.look(part="Voxel ")
    return found.name if found else ""


def voxel_under(x, y):
    """The voxel the status line tells for a point of the screen."""
    d.point(x, y)
    text = d.wait(lambda: status_text() if status_text().startswith("Voxel ") else None,
                  "the voxel under the pointer")
    time.sleep(0.15)
    text = status_text() or text
    numbers = text[len("Voxel "):].split("    ")[0].replace(",", " ").split()
    return tuple(int(n) - 1 for n in numbers[:3])


PHANTOMS = d.work / "phantoms"
PROJECT = d.work / "Heart.crosslabel"
d.cli("phantom", "--out", PHANTOMS, "--count", "3", "--seed", "3")
d.cli("new", PROJECT, "--scan", PHANTOMS / "phantom_000.nii.gz", "--scan",
      PHANTOMS / "phantom_001.nii.gz", "--scan", PHANTOMS / "phantom_002.nii.gz",
      "--label", "liver", "--label", "kidney", "--validation", "1", "--seed", "1")
try:
    began = time.monotonic()
    d.start(PROJECT)
    axial = view("Axial")
    tap.ok(True, f"the window shows the first case after {time.monotonic() - began:.1f} s")
    time.sleep(1.0)
    d.shot("project")

    # Brush on the axial slice
    centre = at(axial, 0.4, 0.5)
    voxel = voxel_under(*centre)
    d.key("1", "b")
    d.drag([at(axial, 0.34, 0.5), at(axial, 0.37, 0.5), centre, at(axial, 0.43, 0.5)])
    time.sleep(0.6)
    d.shot("brush")
    data = nibabel.load(next(export(d.work / "out1").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(data[voxel] == 1, f"the voxel {voxel} under the brush carries the label on the disk")
    after_brush = data.copy()

    # Polygon with the second label
    d.key("2", "p")
    corners = [at(axial, u, v) for u, v in ((0.6, 0.42), (0.72, 0.42), (0.72, 0.55), (0.6, 0.55))]
    inside = voxel_under(*at(axial, 0.66, 0.48))
    for corner in corners:
        d.click_at(*corner)
    d.shot("polygon")
    d.key("Return")
    time.sleep(0.6)
    data = nibabel.load(next(export(d.work / "out2").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(data[inside] == 2, f"the polygon filled the voxel {inside} inside it")
    after_polygon = data.copy()

    # Undo and redo are exact
    d.key("ctrl+z")
    time.sleep(0.8)
    data = nibabel.load(next(export(d.work / "out3").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(numpy.array_equal(data, after_brush), "undo gives the labels before the polygon back")
    d.key("ctrl+shift+z")
    time.sleep(0.8)
    data = nibabel.load(next(export(d.work / "out4").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(numpy.array_equal(data, after_polygon), "redo gives the polygon back, voxel by voxel")

    # Livewire on the coronal slice
    coronal = view("Coronal")
    d.key("1", "l")
    inside = voxel_under(*at(coronal, 0.34, 0.5))
    for u, v in ((0.24, 0.4), (0.36, 0.3), (0.46, 0.42), (0.44, 0.6), (0.3, 0.66)):
        d.click_at(*at(coronal, u, v))
        time.sleep(0.15)
    d.shot("livewire")
    d.key("Return")
    time.sleep(0.8)
    data = nibabel.load(next(export(d.work / "out5").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(data[inside] == 1, f"the livewire contour filled the voxel {inside}")
    changed = data != after_polygon
    tap.ok(changed.any() and len(numpy.unique(numpy.argwhere(changed), axis=0)) > 50
           and min(numpy.ptp(numpy.argwhere(changed), axis=0)) == 0,
           "the livewire changed one slice alone")

    # Brush on the sagittal slice, then sign all three
    sagittal = view("Sagittal")
    d.key("b")
    d.drag([at(sagittal, 0.4, 0.5), at(sagittal, 0.5, 0.55), at(sagittal, 0.55, 0.5)])
    time.sleep(0.6)
    d.shot("conflicts")
    d.key("k")
    time.sleep(0.3)
    d.key("g")
    time.sleep(0.3)
    for plane in range(3):
        buttons = d.look("Sign Off", every=True)
        d.click(buttons[0])
        time.sleep(0.8)
    d.shot("signed")
    tap.ok(bool(d.look(part="3 of 3 signed")), "three slices are signed")
    folder = export(d.work / "out6")
    domain = nibabel.load(next(folder.glob("*_domain.nii.gz"))).get_fdata()
    sizes = domain.shape
    expected = (sizes[0] * sizes[1] + sizes[1] * sizes[2] + sizes[0] * sizes[2]
                - sizes[0] - sizes[1] - sizes[2] + 1)
    tap.ok(domain.sum() == expected, "the labelled domain is these three slices and nothing else")
    signed = nibabel.load(next(folder.glob("*_labels.nii.gz"))).get_fdata()

    # Signed slices cannot be drawn on
    d.drag([at(sagittal, 0.3, 0.3), at(sagittal, 0.4, 0.3)])
    time.sleep(0.5)
    data = nibabel.load(next(export(d.work / "out7").glob("*_labels.nii.gz"))).get_fdata()
    tap.ok(numpy.array_equal(data, signed), "a signed slice takes no strokes")

    # A second window is told who has the project
    import subprocess
    second = subprocess.run([d.program, "edit", PROJECT, "--script", "/dev/null"],
                            capture_output=True, text=True, check=False)
    tap.ok(second.returncode == 1 and str(d.process.pid) in second.stderr,
           "a second program is told who has the project: " + second.stderr.strip()[:120])

    # Next case, then kill -9 in the middle of a stroke
    d.key("n")
    time.sleep(2.0)
    d.shot("next-case")
    axial = view("Axial")
    d.key("b")
    first = voxel_under(*at(axial, 0.4, 0.45))
    d.drag([at(axial, 0.38, 0.45), at(axial, 0.4, 0.45)])
    time.sleep(0.6)
    d.drag([at(axial, 0.6, 0.45), at(axial, 0.65, 0.45), at(axial, 0.65, 0.5)], release=False)
    d.kill()
    d.xdotool("mouseup", 1)
    folder = export(d.work / "out8")
    time.sleep(0.3)
    d.start(PROJECT)
    axial = view("Axial")
    time.sleep(1.5)
    d.shot("after-kill")
    finished = sorted(folder.glob("*_labels.nii.gz"))
    data = [nibabel.load(path).get_fdata() for path in finished]
    tap.ok(len(data) == 2 and any(numpy.array_equal(x, signed) for x in data),
           "after kill -9 the signed case is as it was")
    other = [x for x in data if x.shape != signed.shape or not numpy.array_equal(x, signed)]
    tap.ok(len(other) == 1 and other[0][first] != 0,
           "the finished stroke is there after kill -9")
    pressed = [item for item in d.look("Brush", every=True)
               if item.getState().contains(d.atspi.STATE_PRESSED)]
    tap.ok(len(pressed) == 1, "the brush is in hand again")
    tap.ok(d.close() == 0, "the window closes")

    # Pictures of the main states, in other looks (CROSSLABEL_SHOTS names a folder that keeps them)
    config = pathlib.Path(os.environ["HOME"]) / ".config" / "glib-2.0" / "settings"
    config.mkdir(parents=True, exist_ok=True)
    for name, theme, env in (("light", "light", {}), ("german", "dark", {"LANGUAGE": "de"}),
                             ("chinese", "light", {"LANGUAGE": "zh_CN"}),
                             ("rtl", "dark", {"CROSSLABEL_DIRECTION": "rtl"})):
        (config / "keyfile").write_text(f"[io/github/crosslabel/Crosslabel]\ntheme='{theme}'\n")
        d.start(PROJECT, env=dict(env, GSETTINGS_BACKEND="keyfile"))
        time.sleep(2.0)
        d.shot(f"project-{name}")
        tap.ok(d.process.poll() is None, f"the window stands in {name}")
        if name == "german":
            tap.ok(bool(d.look("Nächster Fall") or d.look(part="Nächster Fall")),
                   "the window speaks German")
        before = len(d.windows())
        d.key("ctrl+comma")
        d.wait(lambda: len(d.windows()) > before, "the preferences")
        time.sleep(0.8)
        d.shot(f"preferences-{name}")
        d.key("Escape")
        d.wait(lambda: len(d.windows()) == before, "the end of the preferences")
        tap.ok(d.close() == 0, f"it closes in {name}")
except Exception as error:  # the log says more than a trace
    tap.ok(False, f"the drive went through: {error}")
    print("# " + "\n# ".join((d.work / "program.log").read_text(errors="replace")
                            .splitlines()[-25:]))
finally:
    d.end()
tap.finish()
