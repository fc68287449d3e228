#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The mouse and the generalist: the three mouse profiles, presets of the window, hiding while held,
and prompts by point, box and scribble. Real pointer and keys; each answer that is accepted is
compared, voxel by voxel, with what the command line answers to the same prompt."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import nibabel  # noqa: E402
import numpy  # noqa: E402
import project  # noqa: E402
import slices  # noqa: E402
import x11  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
p = project.Project(d, "Prompts", 2, validation=0)
until = drive.points(d, tap)


def number(name):
    return d.find(name, role="spin button").queryValue().currentValue


def index_of(plane):
    return int(d.find(f"{plane} slice").queryValue().currentValue) - 1


def mouse(profile, nick):
    d.key("ctrl+comma")
    d.dialog("Preferences")
    d.choose(d.find("Mouse", role="combo box"), profile)
    until(f"the mouse is {profile}", lambda: d.setting("mouse-profile") == f"'{nick}'")
    d.shut("Preferences")


def voxel(x, y):
    """What the status line tells of the voxel under the pointer, counted from 0."""
    d.point(x, y)
    d.point(x + 1, y)
    d.point(x, y)
    told = d.wait(lambda: next((i.name for i in d.look(part="Voxel ", every=True)), None),
                  "the voxel under the pointer")
    return tuple(int(n) - 1 for n in told[6:].split("    ")[0].split(","))


def answers(timeout=60):
    """The message of the answer shown: (which, of how many, expected overlap in %)."""
    text = d.find(part="expected overlap", timeout=timeout).name
    words = text.replace(",", "").split()
    return int(words[1]), int(words[3]), int(words[words.index("overlap") + 1])


def no_answer():
    return not d.look(part="expected overlap")


def asked(*prompt):
    """The best of the masks that the command line gives on this slice."""
    out = d.work / "asked.nii.gz"
    d.cli("prompt", SCAN, "--plane", "axial", "--index", here, "--multimask", *prompt, "--out", out)
    return nibabel.load(out).get_fdata() > 0


def ijk(x, y):
    """A place of the screen as voxels of this slice, not rounded."""
    u, v = view.to_uv(x, y)
    place = [0.0, 0.0, 0.0]
    place[view.axes[0][0]], place[view.axes[1][0]], place[view.normal] = u, v, float(here)
    return place


def text_of(place):
    return ",".join(f"{c:.6f}" for c in place)


def same(name, got, wanted):
    different = int((got != wanted).sum())
    return tap.ok(different == 0, name + (f": {different} voxels differ" if different else ""))


try:
    d.start(p.path)
    first = d.wait(d.title, "the case")
    SCAN = p.phantoms / f"{first}.nii.gz"
    image = p.image(first)
    truth = p.truth(first)
    d.find("Axial view")
    time.sleep(0.5)
    view = slices.View(image.affine, image.shape, "Axial", d.box(d.find("Axial view")))
    at = view.to_screen

    # The wheel and the right button as in ITK-SNAP
    u, v = 20, 20
    before = index_of("Axial")
    d.point(*at(u, v))
    d.xdotool("click", "4")
    until("the wheel goes to the next slice", lambda: index_of("Axial") == before + 1)
    d.xdotool("click", "5")
    until("and back", lambda: index_of("Axial") == before)
    still = voxel(*at(u, v))
    tap.ok(still == tuple(round(c) for c in (u, v)) + (before,), f"no zoom yet: {still}")
    d.point(*at(48, 40))
    d.xdotool("keydown", "ctrl", "click", "4", "click", "4", "click", "4", "keyup", "ctrl")
    zoomed = voxel(*at(u, v))
    tap.ok(abs(zoomed[0] - 48) < abs(u - 48) - 3 and index_of("Axial") == before,
           f"Ctrl and the wheel zoom about the pointer: {zoomed}")
    d.key("ctrl+0")
    tap.ok(voxel(*at(u, v)) == still, "Ctrl+0 fits again")
    d.drag((at(40, 40), at(40, 40 - 12)), button=2)
    moved = voxel(*at(u, v))
    tap.ok(moved != still, f"a middle drag pans: {moved}")
    d.key("ctrl+0")
    width, centre = number("Width"), number("Centre")
    d.drag((at(40, 40), at(55, 50)), button=3)
    tap.ok((number("Width"), number("Centre")) == (width, centre),
           "as in ITK-SNAP a right drag leaves the window alone")
    zoomed = voxel(*at(u, v))
    tap.ok(zoomed != still, f"it zooms: {zoomed}")
    d.key("ctrl+0")
    d.key("b")
    size = number("Size")
    d.point(*at(48, 40))
    d.xdotool("keydown", "shift", "click", "4", "keyup", "shift")
    until("Shift and the wheel change the brush", lambda: number("Size") > size)
    d.key("v")

    # At a viewing station the right button is the window's
    mouse("Viewing station", "pacs")
    d.drag((at(40, 40), at(55, 40)), button=3)
    until("at a viewing station a right drag sets the window", lambda: number("Width") != width)
    tap.ok(voxel(*at(u, v)) == still, "and zooms no more")
    d.shot("window-dragged")
    d.key("F3")
    until("F3 is soft tissue", lambda: (number("Centre"), number("Width")) == (40, 400))
    d.key("F6")
    until("F6 is bone", lambda: (number("Centre"), number("Width")) == (500, 2000))
    d.key("F2")
    until("F2 finds the window again", lambda: abs(number("Width") - width) < 0.01 * width
          and abs(number("Centre") - centre) < 0.01 * width)
    mouse("3D Slicer", "slicer")
    d.drag((at(40, 40), at(60, 40)))
    until("as in 3D Slicer a left drag sets the window",
          lambda: abs(number("Width") - width) > 0.02 * width)
    d.key("F2")
    d.wait(lambda: abs(number("Width") - width) < 0.01 * width, "the automatic window")
    mouse("ITK-SNAP", "itk-snap")
    d.drag((at(40, 40), at(60, 40)))
    tap.ok(abs(number("Width") - width) < 0.01 * width, "as in ITK-SNAP it does not")
    # Prompts: an answer is a preview, one of several, until it is accepted
    d.key("g")
    here = index_of("Axial")
    organ = view.take(truth, here) == 1
    tap.ok(organ.sum() > 30, f"the first organ lies on slice {here + 1}")
    inside = numpy.argwhere(organ)
    spot = at(*inside[len(inside) // 2])
    d.key("1", "q")
    d.click_at(*spot)
    which, count, overlap = answers()
    tap.ok(which == 1 and count == 3, f"the first of {count} answers is shown")
    d.shot("prompt")
    tap.ok(not p.labels(first).any(), "an answer is a preview until accepted")
    offered = [overlap]
    for n in range(2, count + 1):
        d.key("shift+q")
        d.wait(lambda: answers()[0] == n, f"answer {n}")
        offered.append(answers()[2])
        d.shot(f"prompt-{n}")
    tap.ok(offered == sorted(offered, reverse=True), f"the best answer comes first: {offered}")
    d.key("shift+q")
    until("after the last the first comes again", lambda: answers()[0] == 1)
    d.key("Escape")
    until("Escape discards it", no_answer)
    tap.ok(not p.labels(first).any(), "nothing is kept of a discarded answer")

    # A point; a second, negative one; taken back by one key; accepted
    point = ijk(*spot)
    d.click_at(*spot)
    overlap = answers()[2]
    edge = at(*inside[0])
    d.click_at(*edge, modifier="ctrl")
    until("a negative click changes the answer", lambda: answers()[2] != overlap, 20)
    d.shot("prompt-negative")
    d.key("BackSpace")
    until("Backspace takes that click back", lambda: answers()[2] == overlap, 20)
    d.key("Return")
    until("an accepted answer leaves the message", no_answer)
    one = numpy.where(asked("--point", text_of(point) + ",+"), 1, 0)
    tap.ok(one.any(), f"the command line answers with {int((one > 0).sum())} voxels")
    now = p.labels(first)
    same("point: the disk has what the command line answers", now, one)
    d.shot("prompt-accepted")

    # Hidden while H is held
    screen = x11.Display()
    x, y = spot
    d.point(*at(4, 4))
    time.sleep(0.4)
    shown = screen.grab(x - 20, y - 20, 40, 40)[0]
    d.xdotool("keydown", "h")
    time.sleep(0.5)
    hidden = screen.grab(x - 20, y - 20, 40, 40)[0]
    d.shot("hidden-while-held")
    tap.ok(hidden != shown, "H hides the labels while it is held")
    d.xdotool("keyup", "h")
    until("and shows them again", lambda: screen.grab(x - 20, y - 20, 40, 40)[0] == shown)
    d.key("s")
    until("S hides them just the same",
          lambda: screen.grab(x - 20, y - 20, 40, 40)[0] == hidden)
    d.key("s")
    until("until it is pressed again", lambda: screen.grab(x - 20, y - 20, 40, 40)[0] == shown)

    # Taken back alone: a stroke came after
    d.key("b", "2")
    line = (at(10, 70), at(24, 70))
    d.drag(line)
    both = p.labels(first)
    tap.ok((both == 2).any() and ((both == 1) == (now == 1)).all(), "a stroke beside it")
    d.page("History")
    backs = d.wait(lambda: d.look("Take this edit back, keep the later ones", every=True),
                   "the history")
    tap.ok(len(backs) == 2, f"two edits in the history, {len(backs)} seen")
    d.shot("history-prompt")
    d.click(max(backs, key=lambda item: d.box(item)[1]))
    only = numpy.where(both == 2, 2, 0)
    until("the prompt is taken back, the stroke stays", lambda: (p.labels(first) == only).all())
    d.key("ctrl+z")
    until("undone, the prompt is back", lambda: (p.labels(first) == both).all())
    d.key("ctrl+z", "ctrl+z")
    until("undo goes on to before the prompt", lambda: not p.labels(first).any())
    d.page("Display")

    # A box
    d.key("z", "1")
    low, high = inside.min(axis=0), inside.max(axis=0)
    a, b = at(*(low - 1)), at(*(high + 1))
    d.drag((a, ((a[0] + b[0]) // 2, (a[1] + b[1]) // 2), b))
    answers()
    d.shot("prompt-box")
    d.key("Return")
    until("the answer to the box is accepted", no_answer)
    corners = [[int(numpy.floor(c + 0.5)) for c in ijk(*corner)] for corner in (a, b)]
    wanted = numpy.where(asked("--box", ",".join(str(c) for c in corners[0] + corners[1])), 1, 0)
    now = p.labels(first)
    same("box: the disk has what the command line answers", now, wanted)
    dice = 2 * ((view.take(now, here) == 1) & organ).sum() / (
        (view.take(now, here) == 1).sum() + organ.sum())
    tap.ok(dice > 0.7, f"and it is the organ: Dice {dice:.2f}")
    d.key("ctrl+z")
    until("undo takes it back", lambda: not p.labels(first).any())

    # A scribble
    d.key("j")
    middle = inside.mean(axis=0)
    way = [at(*(middle + (step, 0))) for step in (-4, -2, 0, 2, 4)]
    d.drag(way, pause=0.08)
    answers()
    d.shot("prompt-scribble")
    d.key("Return")
    until("the answer to the scribble is accepted", no_answer)
    now = p.labels(first)
    wanted = asked("--scribble", "+:" + ";".join(text_of(ijk(*place)) for place in way))
    got = now == 1
    dice = 2 * (got & wanted).sum() / (got.sum() + wanted.sum())
    tap.ok(dice > 0.98, f"scribble: as the command line answers, Dice {dice:.4f}")
    tap.ok(not view.take(now == 2, here).any(), "the other label is left alone")

    # On to the neighbours
    d.key("ctrl+z")
    d.key("q")
    d.click_at(*spot)
    answers()
    d.click(d.find(part="Neighbours", role="push button"))
    until("the mask is carried on to other slices", lambda: d.look(part="Answer 1 of 1"), 60)
    d.key("Return")
    until("and accepted", lambda: no_answer())
    now = p.labels(first)
    slices_with = [k for k in range(image.shape[view.normal]) if (view.take(now, k) == 1).any()]
    tap.ok(len(slices_with) > 1 and here in slices_with
           and slices_with == list(range(slices_with[0], slices_with[-1] + 1)),
           f"slices {slices_with[0] + 1} to {slices_with[-1] + 1} are labelled")
    d.shot("prompt-neighbours")

    # I4: an answer leaves alone what is there and locked
    d.key("ctrl+z")
    d.key("b", "2")
    d.drag((spot, (spot[0] + 20, spot[1])))
    hand = p.labels(first)
    d.key("1", "q")
    d.click_at(spot[0], spot[1] - 12)
    answers()
    d.key("Return")
    until("an answer over a stroke is accepted", no_answer)
    now = p.labels(first)
    tap.ok(((now == 2) == (hand == 2)).all() and (now == 1).any(),
           "an answer changes nothing that a hand has drawn")
    d.key("b")
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
