#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a person finds on the way: example scans from the first page, cases searched and filtered, a
view alone, the linked crosshair, how labels look, the line that tells of the voxel under the pointer,
labels added and named, preferences, what the program says of itself."""
import os
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import nibabel  # noqa: E402
import numpy  # noqa: E402
import slices  # noqa: E402
import x11  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
x = x11.Display()
until = drive.points(d, tap)
EXAMPLES = pathlib.Path(os.environ["HOME"]) / ".local/share/crosslabel/examples"
PROJECT = EXAMPLES / "Example.crosslabel"


def info():
    return drive.json_of(d.cli("info", PROJECT, "--json"))


def listed():
    """Names of the cases that the list shows."""
    names = [case["name"] for case in info()["scans"]]
    box = d.look("Cases", role="list")
    texts = [item.name or "" for item in d.walk(box)] if box else []
    return [name for name in names if any(name in text for text in texts)]


def slice_of(plane):
    return int(d.find(f"{plane} slice").queryValue().currentValue)


def picture(item, margin=0.15):
    """The middle of a view, without the pointer."""
    left, top, width, height = d.box(item)
    x.move(left - 60, top + 4)
    time.sleep(0.6)
    pixels, _ = x.grab(left + width * margin, top + height * margin, round(width * (1 - 2 * margin)),
                       round(height * (1 - 2 * margin)))
    return numpy.frombuffer(pixels, numpy.uint8).astype(int)


def differing(a, b):
    return float(numpy.mean(numpy.abs(a - b) > 12)) if a.shape == b.shape else 1.0


def told():
    return next((item.name for item in d.look(part="Voxel ", every=True)), "")


def preference(row, word):
    d.choose(d.find(row, role="combo box"), word)


try:
    # Example scans, from the first page
    d.start()
    d.click(d.find(part="Example Scans", role="push button"))
    first = d.wait(d.title, "the first example", 180)
    until("the examples are a project of phantoms, ready to label", lambda: d.look("Axial view"))
    cases = info()["scans"]
    tap.ok(len(cases) > 2 and all(case["name"] in listed() for case in cases),
           f"its {len(cases)} cases are listed")
    time.sleep(2.0)
    d.shot("examples")

    # Cases searched and filtered
    other = next(case["name"] for case in cases if case["name"] != first)
    d.key("ctrl+f")
    time.sleep(0.4)
    d.type(other[-3:])
    until(f"a search for “{other[-3:]}” leaves one case", lambda: listed() == [other])
    d.key("ctrl+a")
    d.type("nowhere")
    until("one for what is not there says so", lambda: d.look("No Such Case"))
    d.shot("cases-none")
    d.key("ctrl+a", "BackSpace")
    until("without words all are listed again", lambda: len(listed()) == len(cases))
    d.choose(d.find("Which cases are shown"), "Validation")
    kept = [case["name"] for case in cases if case["validation"]]
    until(f"the filter shows the {len(kept)} validation scans", lambda: listed() == kept)
    d.click(d.find("Which cases are shown"))
    time.sleep(0.6)
    d.key("Home", "Return")
    until("and all again", lambda: len(listed()) == len(cases))

    # A view alone
    d.key("v")
    small = d.box(d.find("Axial view"))
    d.double_click(d.find("Axial view"))
    until("a double click shows a view alone", lambda: not d.look("Coronal view")
          and d.box(d.look("Axial view"))[3] > 1.5 * small[3])
    d.shot("axial-alone")
    d.key("ctrl+1")
    until("its key shows all again", lambda: d.look("Coronal view"))
    d.key("ctrl+4")
    until("the 3-D view stands alone, too", lambda: not d.look("Axial view"))
    time.sleep(1.5)
    d.shot("volume-alone")
    d.key("ctrl+4")
    until("and goes back to its place", lambda: d.look("Axial view"))

    # The crosshair: one place in all views
    axial = d.find("Axial view")
    image = nibabel.load(EXAMPLES / f"{first}.nii.gz") if (EXAMPLES / f"{first}.nii.gz").exists() \
        else nibabel.load(next(EXAMPLES.rglob(f"{first}.nii.gz")))
    view = slices.View(image.affine, image.shape, "Axial", d.box(axial))
    time.sleep(0.5)
    at = view.to_screen(view.size[0] * 0.4, view.size[1] * 0.55)
    u, v = (round(c) for c in view.to_uv(*at))
    d.click_at(*at)
    codes = nibabel.aff2axcodes(image.affine)
    axis = {"Sagittal": next(n for n in (0, 1, 2) if codes[n] in "RL"),
            "Coronal": next(n for n in (0, 1, 2) if codes[n] in "AP"),
            "Axial": next(n for n in (0, 1, 2) if codes[n] in "SI")}
    place = [0, 0, 0]
    place[view.axes[0][0]], place[view.axes[1][0]] = u, v
    place[view.normal] = slice_of("Axial") - 1
    until("a click takes the crosshair of all views there",
          lambda: all(slice_of(plane) - 1 == place[axis[plane]] for plane in axis))
    shown = picture(axial, 0.02)
    d.key("x")
    hidden = picture(axial, 0.02)
    tap.ok(differing(shown, hidden) > 0.001, f"X hides it: {100 * differing(shown, hidden):.2f} %")
    d.key("x")
    again = picture(axial, 0.02)
    tap.ok(differing(shown, again) < 0.0005, "and shows it again")

    # The voxel under the pointer
    d.point(at[0] - 1, at[1])
    d.point(*at)
    wanted = "Voxel " + ", ".join(str(c + 1) for c in place)
    value = float(image.dataobj[tuple(place)])
    until(f"the line tells {wanted}", lambda: told().startswith(wanted))
    # The pointer is somewhere within the voxel
    mm = nibabel.affines.apply_affine(image.affine, place)
    reach = numpy.abs(image.affine[:3, :3]).sum(axis=1) / 2 + 0.06
    words = told().split("    ")[1].replace(" mm", "").split()
    shown_mm = [float(n) * (1 if side in "RAS" else -1) for side, n in zip(words[::2], words[1::2])]
    tap.ok(numpy.all(numpy.abs(mm - shown_mm) <= reach), f"where that is: {mm.round(1)}, {shown_mm} told")
    tap.ok(f"Value {value:.5g}" in told(), f"its value, {value:.5g}")
    tap.ok("no label" in told(), "and that it has no label")

    # How labels look
    d.key("b", "1")
    d.drag((view.to_screen(u - 8, v + 4), view.to_screen(u + 8, v + 4)))
    d.settle()
    name = info()["labels"][0]["name"]
    d.point(*view.to_screen(u, v + 4))
    d.point(view.to_screen(u, v + 4)[0] + 1, view.to_screen(u, v + 4)[1])
    until("over a stroke the line tells its label", lambda: told().endswith(name))
    full = picture(axial)
    d.key("a", "a", "a")
    faint = picture(axial)
    tap.ok(differing(full, faint) > 0.0005, f"A makes labels fainter: {100 * differing(full, faint):.2f} %")
    d.key("d", "d", "d")
    tap.ok(differing(full, picture(axial)) < 0.0002, "D brings them back")
    d.page("Display")
    d.click(next(item for item in d.look("Outlines", every=True)
                 if item.getRoleName() != "label"))
    time.sleep(0.5)
    lined = picture(axial)
    tap.ok(differing(full, lined) > 0.0003, f"outlines: {100 * differing(full, lined):.2f} % differ")
    d.shot("display")

    # Labels: volume, a new one, its name
    with sqlite3.connect(f"file:{PROJECT}/project.sqlite?mode=ro", uri=True) as db:
        count = db.execute("SELECT n_voxels FROM edit ORDER BY id DESC").fetchone()[0]
    ml = count * float(numpy.prod(numpy.sqrt((image.affine[:3, :3] ** 2).sum(axis=0)))) / 1000
    until(f"the label has its volume beside it, {ml:.2f} ml", lambda: d.look(f"{ml:.2f} ml"))
    before = info()["labels"]
    d.menu("Labels", "Add Label")
    until("a label is added", lambda: len(info()["labels"]) == len(before) + 1)
    entries = d.wait(lambda: [item for item in d.walk(d.look("Labels", role="list"))
                              if item.name == "Name of the label"][len(before):],
                     "the new label's row")
    d.click(entries[0])
    d.key("ctrl+a")
    d.type("cyst")
    d.key("Return")
    until("and named", lambda: info()["labels"][-1]["name"] == "cyst")
    palette = [label["colour"] for label in info()["labels"]]
    tap.ok(len(set(palette)) == len(palette), "in a colour of its own: " + " ".join(palette))
    d.shot("label-added")

    # Preferences
    d.key("ctrl+comma")
    d.dialog("Preferences")
    time.sleep(0.6)
    for row, word, key, value in (("Theme", "Light", "theme", "'light'"),
                                  ("Language", "Deutsch", "language", "'de'")):
        preference(row, word)
        until(f"{row}: {word}", lambda key=key, value=value: d.setting(key) == value)
    d.shot("preferences-light")
    d.click(d.find("Computing"))
    time.sleep(0.5)
    preference("Training and prompts", "ref")
    until("the device for computing is chosen", lambda: "ref" in (d.setting("backend") or ""))
    time.sleep(0.6)
    d.shut("Preferences")
    tap.ok(d.process.poll() is None, "the preferences close")
    status = d.close()
    tap.ok(status == 0, f"the window closes: {status}")
    if status != 0:
        d.tell_log()

    # In the language chosen; what the program says of itself
    d.start()
    until("the next start speaks German", lambda: d.look(part="Neues Projekt"))
    d.shot("welcome-german")
    d.key("F10")
    d.find(part="zu Crosslabel", role="menu item")
    time.sleep(0.4)
    d.walk_to("zu Crosslabel", "menu item")
    d.key("Return")
    until("it says that it is no medical device", lambda: d.look(part="Kein Medizinprodukt"))
    d.shot("about")
    d.key("Escape")
    time.sleep(0.6)
    tap.ok(d.close() == 0, "it closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
