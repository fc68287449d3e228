#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What stands around the slices: keys that are changed, names of labels in and out, labels of a case
from a file (and files that do not fit), statistics. Real pointer and keys; what counts is what is on
the disk afterwards."""
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

tap = drive.Tap()
d = drive.Driver()
p = project.Project(d, "Files", 2, validation=0)
until = drive.points(d, tap)


def in_hand(name):
    return any(item.getState().contains(d.atspi.STATE_PRESSED)
               for item in d.look(name, every=True))


def choose_file(title, path, folder=False):
    """Types a path into the file dialog of that title and takes it."""
    d.dialog(title)
    time.sleep(0.8)
    d.key("ctrl+l" if not folder else "ctrl+a")
    time.sleep(0.3)
    d.key("ctrl+a")
    d.type(str(path))
    time.sleep(0.6)
    d.key("Return")
    d.wait(lambda: not any(w[0] == title for w in d.windows()), f"“{title}” closes")
    time.sleep(0.3)


def key_button(title):
    """The button with the key of a command, in the keys' page."""
    row = next(item for item in d.walk() if item.getRoleName() == "list item"
               and any(inner.name == title and inner.getRoleName() == "label"
                       for inner in d.walk(item)))
    button = next(item for item in d.walk(row) if item.getRoleName() == "push button")
    d.bring(button, "Preferences")
    return button


def names():
    return [(label["id"], label["name"], label["colour"]) for label in p.info()["labels"]]


try:
    d.start(p.path)
    first = d.wait(d.title, "the case")
    image = p.image(first)
    view = slices.View(image.affine, image.shape, "Axial", d.box(d.find("Axial view")))
    at = view.to_screen

    # Keys can be changed
    d.click_at(*at(5, 5))
    d.key("ctrl+question")
    d.dialog("Preferences")
    time.sleep(0.6)
    d.shot("keys")
    button = d.wait(lambda: key_button("Window and Level"), "the row of Window and Level")
    d.click(button)
    until("a key is waited for", lambda: d.look("Press a key…"))
    d.shot("keys-waiting")
    d.key("F12")
    until("a changed key is kept",
          lambda: "'win.tool::window-level': 'F12'" in (d.setting("shortcuts") or ""))
    d.click(d.wait(lambda: key_button("Measure"), "the row of Measure"))
    time.sleep(0.4)
    d.key("b")
    until("and one that another command had",
          lambda: "'win.tool::measure': 'b'" in (d.setting("shortcuts") or ""))
    tap.ok("'win.tool::brush': ''" in d.setting("shortcuts"), "which has none any more")
    until("and is told", lambda: d.look(part="Taken from “Brush”"))
    d.shot("keys-changed")
    d.shut("Preferences")
    d.key("F12")
    until("the changed key works", lambda: in_hand("Window and Level"))
    d.key("v")
    until("others work as before", lambda: in_hand("Navigate"))
    d.key("w")
    time.sleep(0.4)
    tap.ok(in_hand("Navigate"), "the old key does nothing any more")
    d.key("b")
    until("the key that was taken has its new command", lambda: in_hand("Measure"))
    d.key("ctrl+question")
    d.dialog("Preferences")
    reset = d.find(part="Reset All", role="push button")
    d.bring(reset, "Preferences")
    d.click(reset)
    until("all keys are as they were",
          lambda: d.setting("shortcuts") in (None, "@a{ss} {}"))
    d.shut("Preferences")
    d.key("v", "b")
    until("B is the brush again", lambda: in_hand("Brush"))
    tap.ok(not in_hand("Measure"), "and not the ruler")

    # Names of labels out and in
    d.menu("Labels", "Export Label Names")
    choose_file("Export Label Names", d.work / "names.label")
    until("label names are written", lambda: (d.work / "names.label").exists())
    text = (d.work / "names.label").read_text()
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    tap.ok([(int(r[0]), r[7]) for r in rows if r[0] != "0"] == [(1, '"liver"'), (2, '"kidney"')],
           "in ITK-SNAP's way")
    tap.ok([f"#{int(r[1]):02x}{int(r[2]):02x}{int(r[3]):02x}" for r in rows if r[0] != "0"]
           == [colour for _, _, colour in names()], "with their colours")
    (d.work / "others.label").write_text(text.replace('"liver"', '"hepar"')
                                         + '    7  10  20 200        1  1  1    "spleen"\n')
    d.menu("Labels", "Import Label Names")
    choose_file("Import Label Names", d.work / "others.label")
    until("label names are read", lambda: [(n[0], n[1]) for n in names()]
          == [(1, "hepar"), (2, "kidney"), (7, "spleen")])
    tap.ok(names()[2][2] == "#0a14c8", "with the new one's colour")
    d.shot("labels-imported")
    (d.work / "wrong.label").write_text("this is no list of labels\n")
    before = names()
    d.menu("Labels", "Import Label Names")
    choose_file("Import Label Names", d.work / "wrong.label")
    until("what is no list of labels is refused in words",
          lambda: d.look(part="These label names cannot be imported"))
    d.shot("labels-refused")
    tap.ok(names() == before, "and changes none")

    # Labels of a case from a file: not into a locked label, otherwise the file counts
    d.key("b", "2")
    d.drag((at(30, 40), at(60, 40)))
    hand = p.labels(first)
    truth = p.truth(first)
    tap.ok((hand == 2).any() and ((hand == 2) & (truth == 1)).any(),
           "a stroke lies where the file has another label")
    d.click(d.look("Lock label", every=True)[1])
    until("the second label is locked", lambda: p.info()["labels"][1]["locked"])
    d.key("ctrl+shift+i")
    choose_file("Import Labels of This Case", p.phantoms / f"{first}_label.nii.gz")
    until("labels of a file do not go into a locked one",
          lambda: d.look(part="“kidney” is locked"), 20)
    tap.ok((p.labels(first) == hand).all(), "and then none of them is imported")
    d.shot("labels-of-a-file-locked")
    d.click(d.look("Unlock label", every=True)[0])
    until("the second label is unlocked", lambda: not p.info()["labels"][1]["locked"])
    d.key("ctrl+shift+i")
    choose_file("Import Labels of This Case", p.phantoms / f"{first}_label.nii.gz")
    wanted = numpy.where(truth != 0, truth, hand)
    until("what the file has labelled is imported, the rest stays",
          lambda: (p.labels(first) == wanted).all(), 20)
    d.shot("labels-of-a-file")

    # Files that do not fit
    small = nibabel.Nifti1Image(numpy.ones((12, 10, 8), numpy.uint8), image.affine)
    nibabel.save(small, d.work / "small.nii.gz")
    unknown = truth.copy()
    unknown[0, 0, 0] = 5
    nibabel.save(nibabel.Nifti1Image(unknown.astype(numpy.uint8), image.affine),
                 d.work / "unknown.nii.gz")
    (d.work / "broken.nii.gz").write_bytes(
        (p.phantoms / f"{first}_label.nii.gz").read_bytes()[:300])
    edits = p.case(first)["edits"]
    for path, words in (("small.nii.gz", "not on the scan's grid (12 × 10 × 8"),
                        ("unknown.nii.gz", "The file holds label 5"),
                        ("broken.nii.gz", "cannot be imported: broken.nii.gz")):
        d.key("ctrl+shift+i")
        choose_file("Import Labels of This Case", d.work / path)
        until(f"{path} is refused in words", lambda words=words: d.look(part=words), 15)
        d.shot(f"refused-{path.split('.')[0]}")
        tap.ok(p.case(first)["edits"] == edits and (p.labels(first) == wanted).all(),
               f"{path} changes nothing")

    # Statistics
    d.key("ctrl+t")
    d.dialog("Statistics")
    time.sleep(0.6)
    d.shot("statistics")
    millilitres = numpy.prod(numpy.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))) / 1000
    shown = [item.name or "" for item in d.walk() if item.getRoleName() == "label"]
    for value, name in ((1, "hepar"), (2, "kidney")):
        count = int((wanted == value).sum())
        tap.ok(f"{count} voxels, {count * millilitres:.3f} ml" in shown,
               f"{name}: {count} voxels, {count * millilitres:.3f} ml are told")
    tap.ok("0 of 2" in shown, "none of two cases is done")
    d.shut("Statistics")
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
