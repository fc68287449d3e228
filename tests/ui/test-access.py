#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""For everybody: every control has a name in the accessibility tree, the main ways go without a
mouse, and in each look – small window, large text, high contrast, German, Chinese, right to left –
nothing stands outside the window. Pictures of each look are kept in CROSSLABEL_SHOTS."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

tap = drive.Tap()
d = drive.Driver()
d.cli("phantom", "--out", d.work / "phantoms", "--count", "3", "--seed", "3", "--size", "64,56,32")
PROJECT = d.work / "Everybody.crosslabel"
scans = sorted(p for p in (d.work / "phantoms").glob("*.nii.gz") if "_label" not in p.name)
d.cli("new", PROJECT, *[a for s in scans for a in ("--scan", s)], "--label", "liver",
      "--label", "kidney", "--validation", "1", "--seed", "1")

CONTROLS = {"push button", "toggle button", "check box", "combo box", "slider", "spin button",
            "text", "entry", "list", "list item", "page tab", "radio button", "menu item",
            "tool bar", "table", "image"}


def is_named(item):
    """GTK 4.8 gives what has no name the name of its class."""
    name = item.name or ""
    return name != "" and not name.startswith(("Gtk", "Adw", "Ui"))


# libadwaita 1.2 leaves the search button of its preferences window without a name.
ADWAITA = "AdwGizmo"


def nameless(where):
    """Controls without a name, but for the inner parts of a control that has one and for pictures
    that only decorate."""
    found = []
    for item in d.walk(where):
        try:
            role = item.getRoleName()
            if role not in CONTROLS or is_named(item):
                continue
            extents = item.queryComponent().getExtents(d.atspi.WINDOW_COORDS)
            if extents.width <= 1 or extents.height <= 1:
                continue
            if role == "image" and not item.getState().contains(d.atspi.STATE_FOCUSABLE):
                continue
            up, inner = item.parent, False
            for level in range(12):
                if up is None or up.getRoleName() == "application":
                    break
                # A choice is named; its list is GTK's own and drops down from it.
                inner = inner or (is_named(up) and (up.getRoleName() == "combo box" or (
                    level < 3 and up.getRoleName() in CONTROLS - {"list", "list item",
                                                                  "tool bar"})))
                up = up.parent
            if not inner and item.parent.parent.name != ADWAITA:
                found.append(f"{role} in {item.parent.parent.name}/{item.parent.name} at "
                             f"{extents.x},{extents.y}")
        except Exception:
            continue
    return found


def all_named(what, where=None):
    found = nameless(where or d.app)
    tap.ok(not found, f"{what}: every control has a name" + (f"; not: {found[:6]}" if found else ""))


def outside(width, height):
    """What of the project page lies outside the window and cannot be scrolled to."""
    found = []
    for item in d.walk():
        try:
            role = item.getRoleName()
            if role not in CONTROLS | {"label"}:
                continue
            e = item.queryComponent().getExtents(d.atspi.WINDOW_COORDS)
            if e.width <= 0 or e.height <= 0 or not item.name:
                continue
            scrolled = False
            up = item.parent
            while up is not None and up.getRoleName() != "application":
                scrolled = scrolled or up.getRoleName() == "scroll pane"
                up = up.parent
            if not scrolled and (e.x < -1 or e.y < -1 or e.x + e.width > width + 1
                                 or e.y + e.height > height + 1):
                found.append(f"{role} “{item.name}” {e.x},{e.y} {e.width}×{e.height}")
        except Exception:
            continue
    return found


config = pathlib.Path(os.environ["HOME"]) / ".config"
(config / "glib-2.0" / "settings").mkdir(parents=True, exist_ok=True)


LISTS = {"de": ("Fälle", "Markierungen"), "zh_CN": ("病例", "标签")}


def stands(name, frame):
    """Whether the list of that name lies in the window: folded away it lies beside it."""
    item = d.look(name, role="list")
    if not item:
        return False
    e = item.queryComponent().getExtents(d.atspi.WINDOW_COORDS)
    return e.x >= 0 and e.x + e.width <= frame.width


def look(name, theme="dark", size=(1430, 890), scale=1.0, env=None):
    (config / "glib-2.0" / "settings" / "keyfile").write_text(
        f"[io/github/crosslabel/Crosslabel]\ntheme='{theme}'\n"
        f"window-size=({size[0]}, {size[1]})\n")
    d.start(PROJECT, env=dict(env or {}, GSETTINGS_BACKEND="keyfile", GDK_DPI_SCALE=str(scale)))
    d.wait(d.title, "the case")
    time.sleep(1.5)
    frame = d.app[0].queryComponent().getExtents(d.atspi.WINDOW_COORDS)
    found = outside(frame.width, frame.height)
    tap.ok(not found, f"{name}: all is inside the window of {frame.width}×{frame.height}"
           + (f"; not: {found[:4]}" if found else ""))
    tap.ok(frame.width <= 1600 and frame.height <= 1000, f"{name}: the window fits the screen")
    if scale == 1:
        cases, labels = LISTS.get((env or {}).get("LANGUAGE"), ("Cases", "Labels"))
        tap.ok(stands(cases, frame) and stands(labels, frame),
               f"{name}: cases and labels stand beside the slices")
    d.shot(f"look-{name}")
    return frame


try:
    look("plain")
    all_named("the window")
    d.click(d.find("History", role="page tab"))
    time.sleep(0.4)
    d.click(d.find("Display", role="page tab"))
    for key, what, close in (("ctrl+comma", "preferences", "Escape"),
                             ("ctrl+n", "new project", "Escape"),
                             ("ctrl+shift+e", "export", "Escape"),
                             ("ctrl+t", "statistics", "Escape"),
                             ("ctrl+r", "round", "Escape"),
                             ("ctrl+shift+r", "rounds", "Escape")):
        before = len(d.windows())
        d.key(key)
        d.wait(lambda: len(d.windows()) > before, what)
        time.sleep(0.8)
        all_named(what)
        d.shot(f"dialog-{what.replace(' ', '-')}")
        d.key(close)
        d.wait(lambda: len(d.windows()) == before, f"{what} closes with {close}")
        tap.ok(True, f"{what} opens and closes by keys")

    # A slice labelled and signed without a mouse
    d.xdotool("mousemove", 4, 4)
    d.key("g", "b", "1")
    d.key("Right", "Right", "Down", "space")
    time.sleep(0.5)
    d.key("ctrl+Return")
    d.find(part="1 of 3 signed")
    tap.ok(True, "a slice is labelled and signed by keys alone")
    tap.ok(drive.json_of(d.cli("info", PROJECT, "--json"))["scans"] and any(
        s["edits"] > 0 for s in drive.json_of(d.cli("info", PROJECT, "--json"))["scans"]),
        "the stroke by keys is on the disk")
    seen = set()
    for step in range(60):
        d.key("Tab")
        focused = next((i for i in d.walk() if i.getState().contains(d.atspi.STATE_FOCUSED)), None)
        if focused is not None:
            seen.add((focused.getRoleName(), focused.name))
    tap.ok(len(seen) >= 12, f"Tab reaches {len(seen)} controls")
    tap.ok(d.close() == 0, "the window closes")

    look("light", theme="light")
    tap.ok(d.close() == 0, "it closes")
    look("small", size=(1280, 800))
    tap.ok(d.close() == 0, "it closes")
    look("large-text", scale=1.5)
    tap.ok(d.close() == 0, "it closes")
    look("huge-text", scale=2.0)
    tap.ok(d.close() == 0, "it closes")
    look("contrast", env={"ADW_DEBUG_HIGH_CONTRAST": "1"})
    tap.ok(d.close() == 0, "it closes")
    for name, env in (("german", {"LANGUAGE": "de"}), ("chinese", {"LANGUAGE": "zh_CN"}),
                      ("rtl", {"CROSSLABEL_DIRECTION": "rtl"})):
        look(name, size=(1280, 800), theme="light" if name == "german" else "dark", env=env)
        tap.ok(d.close() == 0, "it closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
