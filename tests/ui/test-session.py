#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A session as a person lives it: a quick stroke bends where the pointer did, a skipped case is not
offered again, and after a crash the program comes back to the same case, slice, zoom and tool."""
import os
import pathlib
import shutil
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import nibabel  # noqa: E402
import numpy  # noqa: E402
import x11  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
x = x11.Display()
PHANTOMS = d.work / "phantoms"
PROJECT = d.work / "Session.crosslabel"
N_CASES = 4  # that are proposed; one more is not


def labels_of(case):
    folder = d.work / "out"
    shutil.rmtree(folder, ignore_errors=True)
    d.cli("export", PROJECT, "--out", folder)
    found = [path for path in folder.glob("*_labels.nii.gz") if case in path.name]
    return nibabel.load(found[0]).get_fdata() if found else None


def at(box, u, v):
    return (box[0] + u * box[2], box[1] + v * box[3])


def shown_case():
    """The title under the project's name."""
    return d.title() or None


def slice_number(plane):
    return d.find(f"{plane} slice").queryValue().currentValue


def shot_of(box):
    """The view's middle, without the pointer's own outline."""
    x.move(box[0] - 40, box[1] + 5)
    time.sleep(0.6)
    return x.grab(box[0] + box[2] * 0.2, box[1] + box[3] * 0.2, round(box[2] * 0.6),
                  round(box[3] * 0.6))[0]


def differing(a, b):
    return numpy.mean(numpy.abs(numpy.frombuffer(a, numpy.uint8).astype(int)
                                - numpy.frombuffer(b, numpy.uint8)) > 12)


def skipped():
    with sqlite3.connect(f"file:{PROJECT}/project.sqlite?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT detail FROM event WHERE kind = 'skip'")]


def skip(reason):
    d.key("ctrl+shift+n")
    d.find("Reason", timeout=10)
    d.type(reason)
    d.key("Return")


until = drive.points(d, tap)
d.cli("phantom", "--out", PHANTOMS, "--count", N_CASES + 1, "--seed", "5", "--size", "64,64,40")
d.cli("new", PROJECT, *(word for n in range(N_CASES + 1)
                        for word in ("--scan", PHANTOMS / f"phantom_{n:03d}.nii.gz")),
      "--label", "one", "--validation", "1", "--seed", "1")
script = d.work / "propose.txt"
script.write_text("".join(f"scan {n + 1}\npropose axial 20\npropose coronal 32\npropose sagittal 32\n"
                          for n in range(N_CASES)))
d.cli("edit", PROJECT, "--script", script)
try:
    d.start(PROJECT)
    axial = d.box(d.find("Axial view"))
    time.sleep(1.5)
    case = d.wait(shown_case, "the first case")

    # A quick stroke: over to the right and back below, faster than any picture
    d.key("1", "b")
    x.move(*at(axial, 0.35, 0.35))
    time.sleep(0.3)
    x.button(1, True)
    time.sleep(0.3)
    for u, v in ((0.45, 0.35), (0.55, 0.35), (0.65, 0.35), (0.65, 0.45), (0.65, 0.55), (0.65, 0.65),
                 (0.55, 0.65), (0.45, 0.65), (0.35, 0.65)):
        x.move(*at(axial, u, v))
        time.sleep(0.0005)
    time.sleep(0.3)
    x.button(1, False)
    time.sleep(0.8)
    drawn = numpy.argwhere(labels_of(case) == 1)  # on one slice, whichever axis is axial
    _, across, along = sorted(numpy.ptp(drawn, axis=0) + 1)
    tap.ok(min(across, along) > 15,
           f"a stroke drawn between two pictures bends where the pointer did ({across} × {along})")

    # Skip: it is asked why, and the case does not come back
    order, name = [], case
    skip("too noisy")
    d.wait(lambda: shown_case() not in (None, case), "the next case")
    tap.ok("too noisy" in "".join(skipped()), "the reason of a skip is kept")
    for _ in range(N_CASES):
        order.append(d.wait(shown_case, "a case"))
        d.key("n")
        d.wait(lambda: shown_case() not in (None, order[-1]), "the next case", timeout=6)
        time.sleep(0.2)
    tap.ok(case not in order and len(set(order)) == N_CASES - 1,
           "a skipped case is not offered again: " + " ".join(order))

    # Crash: same case, slice, zoom and tool
    case = shown_case()
    d.key("e")
    x.move(*at(axial, 0.5, 0.5))
    time.sleep(0.3)
    for _ in range(5):
        x.click(4)
        time.sleep(0.05)
    x.move(*at(axial, 0.5, 0.6))
    x.button(3, True)
    for n in range(20):
        x.move(*at(axial, 0.5, 0.6 - 0.01 * n))
        time.sleep(0.01)
    x.button(3, False)
    time.sleep(0.3)
    index = slice_number("Axial")
    before = shot_of(axial)
    time.sleep(0.8)  # the view is kept a moment after its last change
    d.kill()
    d.start(PROJECT)
    time.sleep(2.0)
    tap.ok(shown_case() == case, "after kill -9 the same case is open")
    tap.ok(slice_number("Axial") == index, f"on the same slice ({index:.0f})")
    pressed = [item for item in d.look("Eraser", every=True)
               if item.getState().contains(d.atspi.STATE_PRESSED)]
    tap.ok(len(pressed) == 1, "with the same tool in hand")
    after = shot_of(axial)
    tap.ok(differing(before, after) < 0.01,
           f"and the same zoom: {100 * differing(before, after):.1f} % of the picture differ")
    tap.ok(d.close() == 0, "the window closes")

    # The next case is one to be labelled, proposed ones first
    left = [name for name in order[:N_CASES - 1] if name != case]
    script.write_text(f"scan {int(left[0][-3:]) + 1}\n"
                      "sign axial 20\nsign coronal 32\nsign sagittal 32\n")
    d.cli("edit", PROJECT, "--script", script)
    d.start(PROJECT)
    d.wait(lambda: shown_case() == case, "the case again")
    d.key("g")
    for plane in ("Axial", "Coronal", "Sagittal"):
        d.click(d.find(f"{plane} view"))  # with the eraser: nothing is there
        time.sleep(0.3)
        d.key("ctrl+Return")
        time.sleep(0.5)
    d.find(part="All slices of this case are signed", timeout=10)
    d.key("n")
    d.wait(lambda: shown_case() == left[1], "the only other case that is proposed")
    tap.ok(True, "signed, the next one is the other that is proposed")
    skip("too dark")
    until("after a skip comes what is not labelled yet, not what is signed",
          lambda: shown_case() == f"phantom_{N_CASES:03d}")
    skip("too bright")
    until("where no case is left that is said", lambda: d.look(part="No case is left to be labelled"))
    time.sleep(0.5)
    tap.ok(shown_case() == f"phantom_{N_CASES:03d}", "and no signed case is opened instead")
    d.shot("no-case-left")
    tap.ok(d.close() == 0, "the window closes again")
except Exception as error:  # the log says more than a trace
    tap.ok(False, f"the drive went through: {error}")
    print("# " + "\n# ".join((d.work / "program.log").read_text(errors="replace")
                            .splitlines()[-25:]))
finally:
    d.end()
tap.finish()
