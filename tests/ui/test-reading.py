#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A reader's session around the tools: the slices of a case and its three signatures, moving and
skipping, disagreements, the history, labels and their locks, keys, mouse profiles, prompts, files
in and out. Real pointer and keys; what counts is what is on the disk afterwards."""
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
d.cli("phantom", "--out", d.work / "phantoms", "--count", "4", "--seed", "3", "--organs", "2",
      "--size", "96,80,40")
PROJECT = d.work / "Session.crosslabel"
scans = sorted(p for p in (d.work / "phantoms").glob("*.nii.gz") if "_label" not in p.name)
d.cli("new", PROJECT, *[a for s in scans for a in ("--scan", s)], "--label", "liver",
      "--label", "kidney", "--validation", "2", "--seed", "1")


def info():
    return drive.json_of(d.cli("info", PROJECT, "--json"))


def case(name):
    return next(s for s in info()["scans"] if s["name"] == name)


def labels(name):
    d.settle()
    folder = d.work / "out"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        d.cli("export", PROJECT, "--out", folder)
    except RuntimeError as error:
        if "nothing is labelled" not in str(error):
            raise
    path = folder / f"{name}_labels.nii.gz"
    if not path.exists():
        return numpy.zeros(image.shape, int)
    return nibabel.load(path).get_fdata().astype(int)


def index_of(plane):
    return int(d.find(f"{plane} slice").queryValue().currentValue) - 1


def until(name, what):
    """A test point that something comes true."""
    try:
        return tap.ok(bool(d.wait(what, name, 8)), name)
    except RuntimeError as error:
        return tap.ok(False, f"{name}: {error}")


def task(name, plane):
    return next(s for s in case(name)["slices"] if s["plane"] == plane)


def menu(*path):
    d.key("F10")
    time.sleep(0.4)
    for word in path:
        d.click(d.find(part=word, role="menu item"))
        time.sleep(0.5)


def choose_file(path):
    time.sleep(1.0)
    d.key("ctrl+l")
    d.type(str(path))
    time.sleep(0.4)
    d.key("Return")
    time.sleep(0.6)


try:
    d.start(PROJECT)
    d.find("Axial view")
    first = d.wait(d.title, "the first case")
    tap.ok(case(first)["validation"], f"a validation scan is offered first: {first}")
    image = nibabel.load(d.work / "phantoms" / f"{first}.nii.gz")
    view = slices.View(image.affine, image.shape, "Axial", d.box(d.find("Axial view")))
    at = view.to_screen

    # A slice by its number; back to the proposed one by key
    proposed = index_of("Axial")
    tap.ok(proposed == task(first, "axial")["index"], "the window opens at the proposed slice")
    d.click(d.find("Axial slice number"))
    d.key("ctrl+a")
    d.type("7")
    d.key("Return")
    until("a number typed shows that slice", lambda: index_of("Axial") == 6)
    d.key("g")
    until("G shows the slices to be labelled again", lambda: index_of("Axial") == proposed)

    # Moving a proposed slice
    d.point(*at(48, 40))
    d.xdotool("click", "4")
    d.xdotool("click", "4")
    d.click(d.find("Move Here"))
    until("the proposed slice has moved two up",
          lambda: task(first, "axial")["index"] == proposed + 2)
    d.point(*at(48, 40))
    d.xdotool("click", "5")
    d.click_at(*at(48, 40))
    d.key("ctrl+m")
    until("and by key one back", lambda: task(first, "axial")["index"] == proposed + 1)

    # Labels: keys choose, the lock protects, hidden is not gone
    d.key("1", "b")
    size = d.find("Size", role="spin button").queryValue().currentValue
    here = index_of("Axial")
    one = (at(30, 40), at(60, 40))
    d.drag(one)
    now = labels(first)
    stroke_one = view.stroke(*one, size)[0]
    tap.ok(((view.take(now, here) == 1) == stroke_one).all(), "key 1 paints the first label")
    d.click(d.look("Lock label", every=True)[0])
    until("the label is locked", lambda: info()["labels"][0]["locked"])
    d.key("2")
    two = (at(45, 30), at(45, 50))
    d.drag(two)
    now = labels(first)
    stroke_two = view.stroke(*two, size)[0]
    pixels = view.take(now, here)
    tap.ok((pixels[stroke_one] == 1).all(), "the locked label kept every voxel")
    tap.ok((pixels[stroke_two & ~stroke_one] == 2).all(), "around it the second label is painted")
    d.key("e")
    d.drag((at(30, 40), at(36, 40)))
    tap.ok((labels(first) == now).all(), "the eraser takes nothing from a locked label")
    d.click(d.look("Unlock label", every=True)[0])
    until("the label is unlocked", lambda: not info()["labels"][0]["locked"])
    d.click(d.look("Hide label", every=True)[0])
    until("a hidden label says so", lambda: bool(d.look("Show label")))
    tap.ok((labels(first) == now).all(), "hiding changes no voxel")
    d.click(d.look("Show label", every=True)[0])

    # History: take back the first stroke, keep the second; jump to the start and back
    d.click(d.find("History", role="page tab"))
    backs = d.wait(lambda: d.look("Take this edit back, keep the later ones", every=True),
                   "the history")
    tap.ok(len(backs) == 2, f"two edits in the history, {len(backs)} seen")
    d.click(max(backs, key=lambda item: d.box(item)[1]))
    wanted = now.copy()
    wanted[now == 1] = 0
    until("taking back the first stroke keeps the second",
          lambda: (labels(first) == wanted).all())
    d.shot("history")
    rows = [item for item in d.walk() if item.getRoleName() == "list item"
            and any("voxel" in (c.name or "") for c in d.walk(item))]
    bottom = max(rows, key=lambda item: d.box(item)[1])
    d.double_click(bottom)
    alone = numpy.zeros(image.shape, int)
    pixels = view.take(alone, here)
    pixels[stroke_one] = 1
    view.put(alone, here, pixels)
    until("a double click in the history jumps there", lambda: (labels(first) == alone).all())
    d.key("ctrl+shift+z", "ctrl+shift+z")
    until("redo leads back to the newest", lambda: (labels(first) == wanted).all())
    d.click(d.find("Display", role="page tab"))

    # Crossing slices that disagree: told, and a key leads there
    d.key("b", "1")
    d.drag((at(40, 20), at(56, 20)))
    side = slices.View(image.affine, image.shape, "Sagittal", d.box(d.find("Sagittal view")))
    d.drag((side.to_screen(50, 10), side.to_screen(60, 10)))
    until("disagreements are told", lambda: bool(d.look(part="disagree")))
    d.click_at(*at(10, 10))
    d.key("v")
    d.key("k")
    time.sleep(0.6)
    tap.ok(len(d.look("Disagrees with a slice it crosses", every=True)) >= 2,
           "K leads to a place where both slices are marked")
    place = [0, 0, 0]
    for plane in ("Sagittal", "Coronal", "Axial"):
        place[slices.View(image.affine, image.shape, plane, (0, 0, 9, 9)).normal] = index_of(plane)
    tap.ok(labels(first)[tuple(place)] == 1, f"voxel {place} is one of them")
    d.shot("disagreement")

    # Done is three signatures
    for count in range(3):
        d.key("g")
        d.click(d.find("Sign Off"))
        d.find(part=f"{count + 1} of 3 signed")
    until("three signatures are the case done", lambda: case(first)["state"] == "signed")
    d.click(d.look("Unsign", every=True)[0])
    until("a signature can be taken back", lambda: case(first)["state"] != "signed")
    d.key("g")
    d.click(d.find("Sign Off"))
    until("and given again", lambda: case(first)["state"] == "signed")
    tap.ok(sum(s["seconds"] for s in case(first)["slices"]) > 0
           if "seconds" in case(first)["slices"][0] else case(first)["seconds"] > 0,
           "the seconds of work are kept")

    # Skip with a reason, and the next case
    d.key("n")
    second = d.wait(lambda: d.title() not in ("", first) and d.title(), "the next case")
    tap.ok(case(second)["validation"], "the other validation scan comes next")
    time.sleep(0.5)
    d.key("ctrl+shift+n")
    d.find("Reason")
    d.type("motion artefact")
    d.shot("skip")
    d.key("Return")
    third = d.wait(lambda: d.title() not in ("", second) and d.title(), "the case after")
    d.settle()
    import sqlite3
    rows = sqlite3.connect(f"file:{PROJECT}/project.sqlite?mode=ro", uri=True).execute(
        "SELECT * FROM event WHERE kind = 'skip'").fetchall()
    tap.ok(len(rows) == 1 and "motion artefact" in str(rows[0]), "the reason of the skip is kept")

    # Mouse: wheel, Ctrl+wheel, right drag
    image = nibabel.load(d.work / "phantoms" / f"{third}.nii.gz")
    view = slices.View(image.affine, image.shape, "Axial", d.box(d.find("Axial view")))
    at = view.to_screen
    time.sleep(0.5)
    width = d.find("Width", role="spin button").queryValue().currentValue
    d.drag((at(40, 40), at(55, 50)), button=3)
    tap.ok(d.find("Width", role="spin button").queryValue().currentValue == width,
           "as in ITK-SNAP a right drag leaves the window alone")
    x, y = at(20, 20)
    d.point(x, y)
    zoomed = d.wait(lambda: next((i.name for i in d.look(part="Voxel ", every=True)), None),
                    "the voxel under the pointer")
    u, v = view.to_uv(x, y)
    told = tuple(int(n) - 1 for n in zoomed[6:].split("R ")[0].replace(",", " ").split()[:2])
    tap.ok(told != (round(u), round(v)), f"it zooms: {told}")
    d.key("ctrl+0")
    d.key("ctrl+comma")
    d.click(d.find("Mouse", role="combo box"))
    time.sleep(0.6)
    d.click(d.find("Viewing station", role="label"))
    time.sleep(0.4)
    d.shot("preferences-mouse")
    d.key("Escape")
    time.sleep(0.5)
    d.drag((at(40, 40), at(55, 40)), button=3)
    until("at a viewing station it sets the window",
          lambda: d.find("Width", role="spin button").queryValue().currentValue != width)
    d.key("F2")
    until("F2 finds the window again",
          lambda: abs(d.find("Width", role="spin button").queryValue().currentValue - width)
          < 0.01 * width)

    # A prompt: answer, another mask, discard; accept; a stroke; the prompt taken back alone
    d.key("1", "q")
    spot = at(30, 36)
    d.click_at(*spot)
    message = d.find(part="Answer 1 of", timeout=60)
    count = int(message.name.split(" of ")[1].split(",")[0].split(".")[0])
    d.shot("prompt")
    tap.ok(not labels(third).any(), "an answer is a preview until accepted")
    if count > 1:
        d.key("shift+q")
        until("Shift+Q shows the next of the answers", lambda: bool(d.look(part="Answer 2 of")))
    d.key("Escape")
    until("Escape discards it", lambda: not d.look(part="Answer "))
    tap.ok(not labels(third).any(), "nothing is kept of a discarded answer")
    d.key("z")
    d.drag((at(14, 18), at(44, 56)))
    d.find(part="Answer 1 of", timeout=60)
    d.key("q")
    time.sleep(0.2)
    d.click_at(*spot)
    d.find(part="Answer 1 of", timeout=60)
    d.key("Return")
    until("an accepted answer is on the disk", lambda: (labels(third) == 1).any())
    answer = labels(third)
    d.key("b", "2")
    line = (at(64, 60), at(80, 60))
    d.drag(line)
    both = labels(third)
    tap.ok((both == 2).any() and ((both == 1) == (answer == 1)).all(), "a stroke beside it")
    d.click(d.find("History", role="page tab"))
    backs = d.wait(lambda: d.look("Take this edit back, keep the later ones", every=True),
                   "the history")
    d.click(max(backs, key=lambda item: d.box(item)[1]))
    only = both.copy()
    only[both == 1] = 0
    until("the prompt is taken back, the stroke stays", lambda: (labels(third) == only).all())
    d.key("j")
    d.drag((at(26, 30), at(30, 40)))
    d.find(part="Answer 1 of", timeout=60)
    d.key("Escape")
    d.click(d.find("Display", role="page tab"))

    # Keys can be changed
    d.key("ctrl+comma")
    d.click(d.find("Keys", role="page tab") if d.look("Keys", role="page tab")
            else d.find(part="Keys"))
    time.sleep(0.6)
    d.shot("keys")
    row = d.find("Navigate", role="list item") if d.look("Navigate", role="list item") \
        else d.find("Navigate", role="label")
    d.click(row)
    time.sleep(0.5)
    d.key("F12")
    time.sleep(0.5)
    d.shot("keys-changed")
    d.key("Escape")
    time.sleep(0.4)
    d.click_at(*at(5, 5))
    d.key("b")
    d.key("F12")

    def in_hand(name):
        return any(item.getState().contains(d.atspi.STATE_PRESSED)
                   for item in d.look(name, every=True))
    until("a changed key works", lambda: in_hand("Navigate"))
    d.key("b")
    time.sleep(0.2)
    d.key("v")
    time.sleep(0.3)
    tap.ok(not in_hand("Navigate"), "and the old one does not any more")

    # Names of labels out and in
    menu("Labels", "Export Label Names")
    time.sleep(1.0)
    d.key("ctrl+a")
    d.type(str(d.work / "names.label"))
    d.key("Return")
    until("label names are written", lambda: (d.work / "names.label").exists())
    text = (d.work / "names.label").read_text()
    tap.ok('"liver"' in text and '"kidney"' in text, "in ITK-SNAP's way")
    (d.work / "others.label").write_text(text.replace('"liver"', '"hepar"')
                                         + '    7  10  20 200        1  1  1    "spleen"\n')
    menu("Labels", "Import Label Names")
    choose_file(d.work / "others.label")
    until("label names are read", lambda: [x["name"] for x in info()["labels"]]
          == ["hepar", "kidney", "spleen"])

    # Labels of a case from a file; a file that does not fit is told, not fatal
    truth = d.work / "phantoms" / f"{third}_label.nii.gz"
    before = labels(third)
    d.key("ctrl+shift+i")
    choose_file(truth)
    given = nibabel.load(truth).get_fdata().astype(int)
    wanted = before.copy()
    # I4: what a hand has set stays.
    wanted[(before == 0) & (given != 0)] = given[(before == 0) & (given != 0)]
    until("labels of a file are imported around what a hand has drawn",
          lambda: (labels(third) == wanted).all())
    d.key("ctrl+shift+i")
    choose_file(scans[0].with_name("phantom_000_label.nii.gz")
                if third != "phantom_000" else scans[1].with_name("phantom_001_label.nii.gz"))
    if nibabel.load(scans[0]).shape != image.shape or third == "phantom_000":
        until("labels of another grid are refused in words",
              lambda: bool(d.look(part="cannot be imported")) or (labels(third) != wanted).any())
    d.key("ctrl+t")
    d.find(part="Statistics", role="label")
    time.sleep(0.5)
    d.shot("statistics")
    d.key("Escape")
    time.sleep(0.3)
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
