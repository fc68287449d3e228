# SPDX-License-Identifier: Apache-2.0
"""Drives the window as a person would: real pointer and keys through xdotool, widgets found through
the accessibility tree. Runs itself again under Xvfb and a session bus of its own."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WAIT_S = 20


def inside_display(test_file, screen="1600x1000", arguments=()):
    """Starts this test anew under Xvfb with an isolated home, unless it is there already."""
    if os.environ.get("CROSSLABEL_DRIVEN"):
        os.dup2(int(os.environ["CROSSLABEL_STDOUT"]), 1)
        return
    for tool in ("xvfb-run", "xdotool", "openbox", "dbus-run-session", "import", "xwininfo"):
        if shutil.which(tool) is None:
            print(f"1..0 # SKIP {tool} is not installed")
            sys.exit(0)
    home = tempfile.mkdtemp(prefix="crosslabel-window-")
    run = os.path.join(home, "run")
    os.makedirs(os.path.join(home, "home"))
    os.makedirs(run, mode=0o700)
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": os.path.join(home, "home"),
        "XDG_RUNTIME_DIR": run,
        "LANG": "C.UTF-8",
        "GDK_BACKEND": "x11",
        "GDK_SCALE": "1",
        "GTK_USE_PORTAL": "0",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "CROSSLABEL_DRIVEN": home,
    }
    lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"
    if os.path.exists(lavapipe):
        env["VK_ICD_FILENAMES"] = lavapipe
    for name in ("CROSSLABEL", "CROSSLABEL_DATA", "CROSSLABEL_SHOTS", "CROSSLABEL_MODULE_PATH",
                 "CROSSLABEL_ROUND_STEPS", "GSK_RENDERER", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    command = ["xvfb-run", "-a", "-s", f"-screen 0 {screen}x24 -nolisten tcp",
               "dbus-run-session", "--", "/usr/bin/python3", test_file, *arguments]
    # The session's daemons inherit what is standard output then, and one of them writes to it.
    stdout = os.dup(1)
    env["CROSSLABEL_STDOUT"] = str(stdout)
    status = subprocess.call(command, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr,
                             pass_fds=(stdout,))
    shutil.rmtree(home, ignore_errors=True)
    sys.exit(status)


def points(driver, tap):
    """Test points that something comes true: until (name, what, timeout)."""
    def until(name, what, timeout=8):
        try:
            return tap.ok(bool(driver.wait(what, name, timeout)), name)
        except RuntimeError as error:
            return tap.ok(False, f"{name}: {error}")
    return until


class Tap:
    """Test points with a line each; the plan comes last."""

    def __init__(self):
        self.number = 0
        self.failed = False

    def ok(self, condition, name):
        self.number += 1
        self.failed = self.failed or not condition
        line = " ".join(str(name).split())  # what a program said may have several
        print(f"{'ok' if condition else 'not ok'} {self.number} - {line}", flush=True)
        return condition

    def skip(self, name, why):
        self.number += 1
        print(f"ok {self.number} - {name} # SKIP {why}", flush=True)

    def finish(self):
        print(f"1..{self.number}")
        sys.exit(1 if self.failed else 0)


class Driver:
    def __init__(self, beside=None):
        """@beside: the driver of a program that runs at the same time."""
        import pyatspi
        self.atspi = pyatspi
        self.work = pathlib.Path(os.environ["CROSSLABEL_DRIVEN"])
        self.program = os.environ["CROSSLABEL"]
        shots = os.environ.get("CROSSLABEL_SHOTS")
        self.shots = pathlib.Path(shots) if shots else self.work / "shots"
        self.shots.mkdir(parents=True, exist_ok=True)
        self.manager = None if beside else subprocess.Popen(
            ["openbox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None
        time.sleep(0.5)

    # The program

    def cli(self, *args):
        done = subprocess.run([self.program, *map(str, args)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{args[0]}: {done.stderr.strip()}")
        return done.stdout

    def start(self, *args, env=None):
        self.launch(*args, env=env)
        self.attach()

    def launch(self, *args, env=None):
        """Starts the program; gives the instant just before."""
        self.log = open(self.work / "program.log", "ab")
        # Only the program's: libatspi itself warns in the test's own process.
        whole = dict(os.environ, G_DEBUG="fatal-warnings", GSETTINGS_BACKEND="keyfile")
        whole.update(env or {})
        began = time.monotonic()
        self.process = subprocess.Popen([self.program, *map(str, args)], stdout=self.log,
                                        stderr=self.log, env=whole)
        return began

    def attach(self):
        """Finds the program in the accessibility tree and its window on the screen."""
        self.app = self.wait(self.find_app, "the program in the accessibility tree")
        self.origin = self.wait(self.find_origin, "the window on the screen")

    def find_app(self):
        for app in self.atspi.Registry.getDesktop(0):
            if app is not None and app.get_process_id() == self.process.pid and app.childCount:
                return app
        return None

    def windows(self):
        """The program's windows on the screen: (title, x, y, width, height, id)."""
        listed = subprocess.run(["xdotool", "search", "--onlyvisible", "--pid",
                                 str(self.process.pid)], capture_output=True, text=True,
                                check=False).stdout.split()
        found = []
        for window in listed:
            info = subprocess.run(["xwininfo", "-id", window], capture_output=True, text=True,
                                  check=False).stdout
            if "IsViewable" not in info:
                continue
            title = info.split('"')[1] if '"' in info else ""
            numbers = {line.split(":")[0].strip(): line.split(":")[1].strip()
                       for line in info.splitlines() if ":" in line}
            found.append((title, int(numbers["Absolute upper-left X"]),
                          int(numbers["Absolute upper-left Y"]), int(numbers["Width"]),
                          int(numbers["Height"]), window))
        return found

    def find_origin(self):
        frame = self.app[0].queryComponent().getExtents(self.atspi.WINDOW_COORDS)
        for _title, x, y, width, height, window in reversed(self.windows()):
            if width > 400:
                self.window = window
                # The frame that GTK draws about a window is no part of it for the tree.
                return (x + (width - frame.width) // 2, y + (height - frame.height) // 2)
        return None

    def origin_of(self, item):
        """Where on the screen the window stands that holds the item. GTK 4.8 tells places within
        a window only; the window is known by its size."""
        frame = item
        while frame.parent is not None and frame.parent.getRoleName() != "application":
            frame = frame.parent
        if len(self.app) < 2:
            return self.origin
        size = frame.queryComponent().getExtents(self.atspi.WINDOW_COORDS)
        same = [w for w in self.windows() if abs(w[3] - size.width) < 60
                and abs(w[4] - size.height) < 60]
        named = [w for w in same if w[0] == frame.name]
        for window in named + same:
            return (window[1] + (window[3] - size.width) // 2,
                    window[2] + (window[4] - size.height) // 2)
        return self.origin

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def close(self):
        """Asks the window to close and gives the exit status."""
        self.key("ctrl+q")
        try:
            status = self.process.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.close()
        return status

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.manager:
            self.manager.terminate()
            self.manager.wait()

    # Finding

    def wait(self, what, name, timeout=WAIT_S):
        end = time.monotonic() + timeout
        while True:
            if self.process and self.process.poll() is not None:
                log = (self.work / "program.log").read_text(errors="replace")
                raise RuntimeError(f"the program ended with {self.process.returncode}:\n{log}")
            try:
                found = what()
            except Exception:  # the tree changes while it is read
                found = None
            if found:
                return found
            if time.monotonic() > end:
                self.shot("timeout")
                raise RuntimeError(f"{name} did not come")
            time.sleep(0.05)

    def walk(self, node=None):
        stack = [node or self.app]
        while stack:
            item = stack.pop()
            if item is None:
                continue
            yield item
            try:
                stack.extend(item[n] for n in reversed(range(item.childCount)))
            except Exception:
                continue

    def look(self, name=None, role=None, part=None, under=None, every=False):
        """The first (or every) widget on the screen with that name, part of a name, or role. GTK
        4.8 tells no SHOWING state: what has no size is not shown."""
        found = []
        for item in self.walk(under):
            try:
                if name is not None and item.name != name:
                    continue
                if part is not None and part not in (item.name or ""):
                    continue
                if role is not None and item.getRoleName() != role:
                    continue
                extents = item.queryComponent().getExtents(self.atspi.WINDOW_COORDS)
                if extents.width <= 0 or extents.height <= 0:
                    continue
                if not every:
                    return item
                found.append(item)
            except Exception:
                continue
        return found

    def find(self, name=None, role=None, timeout=WAIT_S, part=None, under=None):
        return self.wait(lambda: self.look(name, role, part=part, under=under),
                         f"{role or 'widget'} “{name or part}”", timeout)

    def box(self, item):
        extents = item.queryComponent().getExtents(self.atspi.WINDOW_COORDS)
        origin = self.origin_of(item)
        return (origin[0] + extents.x, origin[1] + extents.y, extents.width, extents.height)

    def title(self):
        """The open case, as the window's title line has it."""
        for title, *_rest in self.windows():
            if title.endswith("— Crosslabel"):
                bar = self.look("AdwWindowTitle")
                names = [item.name for item in self.walk(bar) if item.getRoleName() == "label"]
                return names[-1] if len(names) > 1 else ""
        return ""

    # Hands

    def xdotool(self, *args):
        subprocess.run(["xdotool", *map(str, args)], check=True)

    def key(self, *keys):
        self.xdotool("key", "--clearmodifiers", *keys)
        time.sleep(0.08)

    def type(self, text):
        self.xdotool("type", "--delay", "12", text)
        time.sleep(0.1)

    def point(self, x, y):
        self.xdotool("mousemove", "--sync", round(x), round(y))

    def standing(self, item):
        """The item's box once it stands still: a notice that comes pushes what is under it down."""
        box = self.box(item)
        for _ in range(40):
            time.sleep(0.06)
            before, box = box, self.box(item)
            if box == before:
                break
        return box

    def click(self, item, button=1):
        x, y, width, height = self.standing(item)
        self.point(x + width / 2, y + height / 2)
        time.sleep(0.05)
        self.xdotool("click", button)
        time.sleep(0.1)

    def double_click(self, item):
        x, y, width, height = self.box(item)
        self.point(x + width / 3, y + height / 2)
        self.xdotool("click", "--repeat", 2, "--delay", 60, 1)
        time.sleep(0.1)

    def click_at(self, x, y, button=1, modifier=None):
        self.point(x, y)
        time.sleep(0.04)
        if modifier:
            self.xdotool("keydown", modifier, "click", button, "keyup", modifier)
        else:
            self.xdotool("click", button)
        time.sleep(0.04)

    def drag(self, points, button=1, modifier=None, pause=0.015, release=True):
        self.point(*points[0])
        time.sleep(0.05)
        if modifier:
            self.xdotool("keydown", modifier)
        self.xdotool("mousedown", button)
        for x, y in points[1:]:
            self.point(x, y)
            time.sleep(pause)
        if release:
            self.xdotool("mouseup", button)
        if modifier:
            self.xdotool("keyup", modifier)
        time.sleep(0.08)

    def focused(self, item):
        return item.getState().contains(self.atspi.STATE_FOCUSED)

    def walk_to(self, word, role):
        """Down through the items of an open popover to one of that name. GTK 4.8 tells false places
        inside a popover, so no pointer goes there."""
        def texts(item):
            return [inner.name or "" for inner in self.walk(item)]
        self.key("Home")
        for _ in range(24):
            held = next((item for item in self.walk() if item.getRoleName() == role
                         and self.focused(item)), None)
            if held is not None and any(word in text for text in texts(held)):
                return
            self.key("Down")
            time.sleep(0.12)
        self.shot("no-such-item")
        raise RuntimeError(f"no key leads to “{word}”")

    def menu(self, *path):
        """Through the main menu by keys."""
        self.key("F10")
        for word in path:
            self.find(part=word, role="menu item")
            time.sleep(0.4)
            self.walk_to(word, "menu item")
            self.key("Return")
            time.sleep(0.4)

    def choose(self, combo, word):
        """Drops a choice down and takes one of it."""
        self.click(combo)
        time.sleep(0.5)
        self.walk_to(word, "list item")
        self.key("Return")
        time.sleep(0.4)

    def page(self, name):
        """Turns to a page of the side panel. Its tabs move when the tool above them changes."""
        for _ in range(5):
            tab = self.find(name, role="page tab")
            self.click(tab)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                if tab.getState().contains(self.atspi.STATE_SELECTED):
                    return
                time.sleep(0.1)
        raise RuntimeError(f"the page “{name}” does not come")

    def dialog(self, title):
        """The position and size of the program's window of that title."""
        return self.wait(lambda: next((w for w in self.windows() if w[0] == title), None),
                         f"the window “{title}”")

    def bring(self, item, title):
        """Scrolls the window of that title until the item is in sight."""
        _, x, y, width, height, _ = self.dialog(title)
        self.point(x + width / 2, y + height * 0.6)
        for _ in range(60):
            _, top, _, tall = self.box(item)
            if top < y + 70:
                self.xdotool("click", "4")
            elif top + tall > y + height - 30:
                self.xdotool("click", "5")
            else:
                return
            time.sleep(0.12)
        raise RuntimeError(f"“{item.name}” does not come into sight")

    def shut(self, title):
        """Escape until that window has gone: one may go to what stands open in it."""
        for _ in range(3):
            self.key("Escape")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if not any(w[0] == title for w in self.windows()):
                    time.sleep(0.3)
                    return
                time.sleep(0.05)
        raise RuntimeError(f"the window “{title}” does not close")

    def setting(self, key):
        """A setting of the program as it is on the disk (started with GSETTINGS_BACKEND=keyfile),
        or None where it was never changed."""
        path = pathlib.Path(os.environ["HOME"]) / ".config/glib-2.0/settings/keyfile"
        for line in path.read_text().splitlines() if path.exists() else []:
            name, _, value = line.partition("=")
            if name == key:
                return value
        return None

    def settle(self):
        """Time for a gesture to be committed."""
        time.sleep(0.35)

    # Seeing

    def tell_log(self):
        """The end of what the program had to say, as TAP comments."""
        log = (self.work / "program.log").read_text(errors="replace").splitlines()
        print("# " + "\n# ".join(log[-25:]))

    def shot(self, name):
        path = self.shots / f"{name}.png"
        subprocess.run(["import", "-window", "root", str(path)], check=False)
        return path


def json_of(text):
    return json.loads(text)
