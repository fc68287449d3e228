#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What stands around a project: files dropped on the window out of another program, a project that
another program has open, generalists added, chosen and removed in the preferences. Real pointer and
keys, real drag and drop between two programs."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import project  # noqa: E402
import slices  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
p = project.Project(d, "Program", 2, size="48,40,24", validation=0)
until = drive.points(d, tap)
HERE = pathlib.Path(__file__).resolve().parent
MODELS = pathlib.Path(os.environ["HOME"]) / ".local/share/crosslabel/models"


def drop(paths, x, y):
    """Drags files out of another program's window to that place."""
    environment = dict(os.environ, G_DEBUG="", GTK_A11Y="none")
    source = subprocess.Popen(["/usr/bin/python3", str(HERE / "drag-source.py"), *map(str, paths)],
                              env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        window = d.wait(lambda: subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "^Drag source$"], capture_output=True,
            text=True, check=False).stdout.split(), "the window to drag from")[0]
        d.xdotool("windowmove", "--sync", window, 0, 0)
        d.xdotool("windowactivate", "--sync", window)
        time.sleep(0.5)
        d.point(60, 80)
        time.sleep(0.2)
        d.xdotool("mousedown", 1)
        for step in range(1, 6):
            d.point(60 + 6 * step, 80 + 4 * step)
            time.sleep(0.08)
        for step in range(1, 9):
            d.point(90 + (x - 90) * step / 8, 100 + (y - 100) * step / 8)
            time.sleep(0.1)
        time.sleep(0.6)
        d.shot("drop-over")
        d.xdotool("mouseup", 1)
        time.sleep(0.6)
    finally:
        source.terminate()
        source.wait()


def choose_file(title, path):
    d.dialog(title)
    time.sleep(0.8)
    d.key("ctrl+l")
    time.sleep(0.3)
    d.key("ctrl+a")
    d.type(str(path))
    time.sleep(0.6)
    d.key("Return")
    d.wait(lambda: not any(w[0] == title for w in d.windows()), f"“{title}” closes")
    time.sleep(0.3)


def computing():
    d.key("ctrl+comma")
    d.dialog("Preferences")
    time.sleep(0.5)
    d.click(d.find("Computing"))
    time.sleep(0.6)


try:
    # Files dropped on the window that has no project yet: a new one
    d.start()
    d.find(part="New Project")
    time.sleep(0.6)
    x, y, width, height = d.box(d.app[0])
    drop(p.scans, x + width / 2, y + height * 0.6)
    d.dialog("New Project")
    until("files dropped on the window begin a new project",
          lambda: all(d.look(part=scan.name) for scan in p.scans))
    d.shot("drop-new-project")
    _, x, y, width, height, _ = d.dialog("New Project")
    more = d.work / "more"
    more.mkdir()
    for scan in p.scans:
        shutil.copy(scan, more / f"again_{scan.name}")
    (more / "notes.txt").write_text("no scan\n")
    drop([more], x + width / 2, y + height * 0.6)
    until("a folder dropped there adds its scans",
          lambda: all(d.look(part=f"again_{scan.name}") for scan in p.scans))
    d.shot("drop-folder")
    d.shut("New Project")
    tap.ok(d.close() == 0, "the window closes")

    # A second window on a project
    d.start(p.path)
    first = d.wait(d.title, "the case")
    view = slices.View(p.image(first).affine, p.image(first).shape, "Axial",
                       d.box(d.find("Axial view")))
    holder = d.process.pid
    other = drive.Driver(beside=d)
    other.start(p.path)
    told = other.find(part="in use by").name
    tap.ok(str(holder) in told, f"a second window is told who has it: {told}")
    other.shot("open-elsewhere")
    other.key("Escape")
    other.find(part="New Project")
    tap.ok(True, "and shows the first page")
    d.xdotool("windowactivate", "--sync", d.window)
    d.key("b", "1")
    d.drag((view.to_screen(20, 20), view.to_screen(28, 20)))
    until("the first one works on", lambda: (p.labels(first) == 1).any())
    tap.ok(d.close() == 0, "it closes")
    other.xdotool("windowactivate", "--sync", other.window)
    recent = other.find(part="Program", role="list item")
    other.click(recent)
    tap.ok(other.wait(other.title, "the case") == first, "then the second one may have it")
    tap.ok(other.close() == 0, "the second window closes")

    # Generalists
    weights = d.work / "weights.safetensors"
    shutil.copy(HERE.parent.parent / "resources/generalist/compact.safetensors", weights)
    (d.work / "notes.pth").write_text("no weights\n")
    d.start(p.path)
    d.wait(d.title, "the case")
    computing()
    d.shot("generalists")
    tap.ok(d.setting("generalist") is None, "the built-in generalist is chosen")
    d.click(d.find(part="Add File", role="push button"))
    choose_file("Weights of a Generalist", d.work / "notes.pth")
    until("what holds no weights is refused in words", lambda: d.look(part="notes.pth"))
    d.shot("generalist-refused")
    tap.ok(d.setting("generalist") is None and not list(MODELS.glob("*")), "and not kept")
    d.click(d.find(part="Add File", role="push button"))
    choose_file("Weights of a Generalist", weights)
    kept = MODELS / "weights.safetensors"
    until("weights are kept", kept.exists)
    until("and chosen", lambda: d.setting("generalist") == f"'{kept}'")
    until("and listed", lambda: d.look(part="(weights.safetensors)"))
    d.shot("generalist-added")
    built_in = d.find("Built-in", role="label")
    d.click(built_in)
    until("the built-in one is chosen again", lambda: d.setting("generalist") == "''")
    d.click(d.find(part="(weights.safetensors)", role="label"))
    until("and the added one", lambda: d.setting("generalist") == f"'{kept}'")
    d.shut("Preferences")
    d.key("q")
    d.click_at(*view.to_screen(24, 20))
    until("it answers", lambda: d.look(part="expected overlap"), 60)
    d.key("Escape")
    computing()
    d.click(d.find(part="Remove Crosslabel (weights", role="push button"))
    d.find("Remove This Generalist?")
    d.shot("generalist-remove")
    d.key("Escape")
    time.sleep(0.4)
    tap.ok(kept.exists(), "Escape removes nothing")
    d.click(d.find(part="Remove Crosslabel (weights", role="push button"))
    d.find("Remove This Generalist?")
    d.key("alt+r")
    until("removed, its file is gone", lambda: not kept.exists())
    until("the built-in one is chosen", lambda: d.setting("generalist") == "''")
    until("and no row is left of it", lambda: not d.look(part="(weights.safetensors)"))
    tap.ok(weights.exists(), "the file it came from is still there")
    d.shot("generalist-removed")
    d.shut("Preferences")
    d.key("q")
    d.click_at(*view.to_screen(24, 20))
    until("prompts are answered again", lambda: d.look(part="expected overlap"), 60)
    d.key("Escape")
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
