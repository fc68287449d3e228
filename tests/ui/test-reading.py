#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A reader's session around the tools: the slices of a case and its three signatures, moving and
skipping, disagreements, the history, labels and their locks. Real pointer and keys; what counts is
what is on the disk afterwards."""
import os
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import numpy  # noqa: E402
import project  # noqa: E402
import slices  # noqa: E402
import x11  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
p = project.Project(d, "Session", 4)
until = drive.points(d, tap)
case, labels, info = p.case, p.labels, p.info


def index_of(plane):
    return int(d.find(f"{plane} slice").queryValue().currentValue) - 1


def turn(name, on):
    """A switch of the panel; a click that comes while the panel grows may miss it."""
    for _ in range(3):
        switch = next(item for item in d.look(name, every=True) if item.getRoleName() != "label")
        end = time.monotonic() + 3
        if switch.getState().contains(d.atspi.STATE_CHECKED) == on:
            return
        d.click(switch)
        while time.monotonic() < end:
            if switch.getState().contains(d.atspi.STATE_CHECKED) == on:
                return
            time.sleep(0.1)
    raise RuntimeError(f"the switch “{name}” does not turn")


def task(name, plane):
    return next(s for s in case(name)["slices"] if s["plane"] == plane)


try:
    d.start(p.path)
    d.find("Axial view")
    first = d.wait(d.title, "the first case")
    tap.ok(case(first)["validation"], f"a validation scan is offered first: {first}")
    image = p.image(first)
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

    # What is unlabelled is lightly hatched, on the slice to be labelled and on no other
    screen = x11.Display()
    box = (view.x + 12, view.y + 40, 60, 60)
    d.point(*at(48, 40))
    time.sleep(0.6)
    hatched = screen.grab(*box)[0]
    d.shot("hatched")
    turn("Hatch what is unlabelled", False)
    d.point(*at(48, 40))
    until("what is unlabelled is hatched until the switch is off",
          lambda: screen.grab(*box)[0] != hatched)
    time.sleep(0.3)
    plain = screen.grab(*box)[0]
    changed = [abs(a - b) for a, b in zip(hatched, plain) if a != b]
    tap.ok(changed and max(changed) < 50, f"lightly: no value is more than {max(changed)} off")
    tap.ok(len(changed) < 0.2 * len(plain), "and sparsely")
    turn("Hatch what is unlabelled", True)
    d.point(*at(48, 40))
    until("and again when it is on", lambda: screen.grab(*box)[0] == hatched)
    d.xdotool("keydown", "h")
    until("H held down takes it away with the labels", lambda: screen.grab(*box)[0] == plain)
    d.xdotool("keyup", "h")
    until("and brings it back", lambda: screen.grab(*box)[0] == hatched)

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
    d.page("History")
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
    d.page("Display")

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
    tap.ok(case(first)["seconds"] > 0, "the seconds of work are kept")

    # Skip with a reason, and the next case
    d.key("n")
    second = d.wait(lambda: d.title() not in ("", first) and d.title(), "the next case")
    tap.ok(case(second)["validation"], "the other validation scan comes next")

    # What was set to background is not unlabelled any more; where labels came from can be seen
    (one, top), (other, _) = at(42, 40), at(54, 40)

    def row():
        """Pixels along the middle of a stroke, away from the pointer."""
        d.point(*at(48, 70))
        return screen.grab(round(min(one, other)), round(top) - 2, round(abs(one - other)), 4)[0]

    d.key("g")
    time.sleep(1)
    hatched = row()
    turn("Hatch what is unlabelled", False)
    until("its slice is hatched", lambda: row() != hatched)
    time.sleep(1)
    plain = row()
    turn("Hatch what is unlabelled", True)
    until("as it was before", lambda: row() == hatched)
    d.key("1", "b")
    stroke = (at(38, 40), at(58, 40))
    d.drag(stroke)
    until("a stroke lies there", lambda: row() not in (hatched, plain))
    d.key("v")  # the panel is short: its last switch is in sight
    time.sleep(1)
    drawn = row()
    turn("Colour by origin", True)
    until("its origin has a colour", lambda: row() != drawn)
    turn("Colour by origin", False)
    until("when that is asked for", lambda: row() == drawn)
    d.key("e")
    d.drag(stroke)
    until("what was erased is background, not hatched", lambda: row() == plain)
    d.key("ctrl+z", "ctrl+z")
    until("and is unlabelled again after both steps back", lambda: row() == hatched)

    time.sleep(0.5)
    d.key("ctrl+shift+n")
    d.find("Reason")
    d.type("motion artefact")
    d.shot("skip")
    d.key("Return")
    third = d.wait(lambda: d.title() not in ("", second) and d.title(), "the case after")
    d.settle()
    rows = sqlite3.connect(f"file:{p.path}/project.sqlite?mode=ro", uri=True).execute(
        "SELECT * FROM event WHERE kind = 'skip'").fetchall()
    tap.ok(len(rows) == 1 and "motion artefact" in str(rows[0]), "the reason of the skip is kept")

    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
