#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fluent the window is, driven with real X events under Xvfb; one JSON line for each thing.

    window.py CROSSLABEL [--minutes 5] [--only start,stroke,…] [--scan FILE …] [--size X,Y,Z]
              [--training] [--screen 1920x1600] [--stalls stalls.so]

Times are taken from outside the program, on one clock: from the instant an X event has been sent to
the instant at which XGetImage reads the pixel that shows its effect from the screen (read about
once a millisecond). So everything is in it: event delivery, gesture, labels, rendering, upload,
GTK's frame, the X server. The image areas are about 600 × 600 pixels.

start   exec → first painted pixel of the window; → the slice on the screen (warm: the second start
        on the same project and the following)
stroke  step: the pointer jumps ahead by more than the brush, until the pixel in the brush's middle
        has the label's colour; drag: the pointer moves at 125 Hz, how long after a motion event the
        paint's front reaches where that event put it; undo: until the stroke is gone
prompt  clicks of the point prompt, each on a place of its own: until the answer covers a twentieth of
        the 120 x 120 pixels about it (only if asked for)
scroll  wheel clicks at 100 Hz: different pictures of the slice a second
switch  “next case” → the last change of the axial slice: warm, the case has been read ahead
session minutes of everything mixed; lateness of the main loop (CROSSLABEL_HEARTBEAT). With --stalls
        (gcc -shared -fPIC -o stalls.so stalls.c -ldl) the longest turns of the loop by function
large   (only if asked for, with --stalls) edits of millions of voxels, on one scan of --size or
        --scan: a prediction taken over, undone, redone, slices interpolated; for each the longest
        turns of the main loop until it is in the journal, and how long that took

--training runs a round of the window's engine during all of it.
"""
import argparse
import collections
import hashlib
import json
import math
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ui"))
import drive  # noqa: E402
import x11  # noqa: E402

STEP_MS = 2.0  # of stalls.c
ALL = "start,stroke,scroll,switch,session"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", default=ALL)
    parser.add_argument("--scan", nargs="*", default=[])
    parser.add_argument("--size", default="192,192,128")
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--turns", type=int, default=12, help="strokes and answers that are timed")
    parser.add_argument("--screen", default="1900x1480")
    parser.add_argument("--stalls")
    parser.add_argument("--perf", help="a file: perf record -g of all but the start")
    parser.add_argument("--keep", help="a folder for the heartbeat, the stalls and a picture")
    return parser.parse_args()


args = arguments()
os.environ["CROSSLABEL"] = os.path.abspath(args.program)
if not os.environ.get("CROSSLABEL_MODULE_PATH"):
    os.environ["CROSSLABEL_MODULE_PATH"] = str(pathlib.Path(args.program).resolve().parents[1] / "seg")
drive.inside_display(os.path.abspath(__file__), args.screen, sys.argv[1:])


def say(what, **facts):
    print(json.dumps({"what": what, **facts}), flush=True)


def quantile(values, q):
    values = sorted(values)
    return round(values[min(len(values) - 1, int(q * len(values)))], 1) if values else None


def summary(values):
    return {"n": len(values), "median_ms": quantile(values, 0.5), "p95_ms": quantile(values, 0.95),
            "max_ms": quantile(values, 1)}


class Bench:
    def __init__(self):
        self.driver = drive.Driver()
        self.x = x11.Display()
        self.work = self.driver.work
        self.project = self.work / "Bench.crosslabel"
        self.boxes = {}
        self.rng = random.Random(7)

    # A project

    def prepare(self):
        width, height = map(int, args.screen.split("x"))
        config = pathlib.Path(os.environ["HOME"]) / ".config" / "glib-2.0" / "settings"
        config.mkdir(parents=True, exist_ok=True)
        (config / "keyfile").write_text("[io/github/crosslabel/Crosslabel]\n"
                                        f"window-size=({width - 20},{height - 20})\n")
        scans = [pathlib.Path(scan).resolve() for scan in args.scan]
        labels = ["one", "two"]
        if not scans:
            folder = self.work / "phantoms"
            self.driver.cli("phantom", "--out", folder, "--count", "5", "--seed", "3", "--size",
                            args.size)
            scans = sorted(folder.glob("phantom_???.nii.gz"))
        command = ["new", self.project]
        for scan in scans:
            command += ["--scan", scan]
        for label in labels:
            command += ["--label", label]
        self.driver.cli(*command, "--validation", "1", "--seed", "1")
        self.label_some(len(scans))

    def label_some(self, n_scans):
        """Three slices of each scan to label; for a round two scans have theirs signed."""
        import nibabel
        lines = []
        info = json.loads(self.driver.cli("info", self.project, "--json"))
        shapes = []
        for scan in sorted((self.work / "phantoms").glob("phantom_???.nii.gz")) or args.scan:
            shapes.append(nibabel.load(scan).shape[:3])
        del info
        for n in range(n_scans):
            lines.append(f"scan {n + 1}")
            size = shapes[n]
            signs = []
            # Grids are R A S or L P S here: axial is k, coronal j, sagittal i.
            for plane, axis in (("axial", 2), ("coronal", 1), ("sagittal", 0)):
                lines.append(f"propose {plane} {size[axis] // 2}")
                signs.append(f"sign {plane} {size[axis] // 2}")
            if n_scans - n <= 3 and args.training:
                middle = [s // 2 for s in size]
                for axis in range(3):
                    lo = [m - s // 6 for m, s in zip(middle, size)]
                    hi = [m + s // 6 for m, s in zip(middle, size)]
                    lo[axis] = hi[axis] = middle[axis]
                    lines.append("box 1 " + ",".join(map(str, lo)) + " " + ",".join(map(str, hi)))
                    hi = [h if axis == a else (l + h) // 2 for a, (l, h) in enumerate(zip(lo, hi))]
                    lines.append("box 2 " + ",".join(map(str, lo)) + " " + ",".join(map(str, hi)))
                lines += signs
        script = self.work / "script.txt"
        script.write_text("\n".join(lines) + "\n")
        self.driver.cli("edit", self.project, "--script", script)

    # The window

    def launch(self, heartbeat=None, stalls=None):
        """Starts the program and gives the instant just before its exec."""
        env = {"GSETTINGS_BACKEND": "keyfile"}
        if heartbeat:
            env["CROSSLABEL_HEARTBEAT"] = str(heartbeat)
        if stalls:
            env.update(LD_PRELOAD=os.path.abspath(args.stalls), CROSSLABEL_STALLS=str(stalls))
        return self.driver.launch(self.project, env=env)

    def find_panes(self):
        self.driver.attach()
        for name in ("Axial", "Coronal", "Sagittal"):
            self.boxes[name] = self.driver.box(self.driver.find(f"{name} view"))
        say("window", screen=args.screen, axial=self.boxes["Axial"][2:],
            training=args.training)

    def at(self, name, u, v):
        x, y, width, height = self.boxes[name]
        return (x + u * width, y + v * height)

    def close(self):
        self.x.key("ctrl+q")
        self.driver.process.wait(timeout=60)
        self.driver.log.close()

    def digest(self, name="Axial", side=48):
        x, y = self.at(name, 0.4, 0.4)
        pixels, now = self.x.grab(x, y, side, side)
        return hashlib.blake2b(pixels, digest_size=8).digest(), now

    def watch(self, seconds, name="Axial", side=48):
        """(time, digest) at each change of a square in a view."""
        seen = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            digest, now = self.digest(name, side)
            if not seen or seen[-1][1] != digest:
                seen.append((now, digest))
            time.sleep(0.001)
        return seen

    # start

    def start(self):
        painted, shown = [], []
        width, height = map(int, args.screen.split("x"))
        for turn in range(6):
            before, _ = self.x.grab(0, height // 2, width, 1)
            began = self.launch()
            first = None
            seen = []
            while time.monotonic() < began + 4:
                if first is None:
                    pixels, now = self.x.grab(0, height // 2, width, 1)
                    if pixels != before:
                        first = now
                if self.boxes:
                    digest, now = self.digest()
                    if not seen or seen[-1][1] != digest:
                        seen.append((now, digest))
                time.sleep(0.002)
            if turn == 0:
                self.find_panes()
            else:
                painted.append((first - began) * 1e3)
                shown.append((seen[-1][0] - began) * 1e3)
            self.close()
            time.sleep(0.5)
        say("start", painted=summary(painted), slice_shown=summary(shown))

    # stroke

    def ready_to_draw(self):
        self.x.move(*self.at("Axial", 0.5, 0.5))
        time.sleep(0.3)
        for key in ("1", "b"):
            self.x.key(key)
            time.sleep(0.2)
        if not getattr(self, "no_crosshair", False):
            self.x.key("x")  # its lines would be taken for paint
            self.no_crosshair = True
        time.sleep(0.5)

    def wait_change(self, x, y, before, timeout=1.0):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pixels, now = self.x.grab(x, y)
            if max(abs(a - b) for a, b in zip(pixels[:3], before[:3])) > 20:
                return now
            time.sleep(0.0005)
        return None

    def stroke(self):
        self.ready_to_draw()
        step, undo, missed = [], [], 0
        for turn in range(args.turns):
            v = 0.3 + 0.42 / args.turns * turn
            self.x.move(*self.at("Axial", 0.22, v))
            time.sleep(0.1)
            self.x.button(1, True)
            time.sleep(0.1)
            for n in range(1, 8):
                x, y = self.at("Axial", 0.22 + 0.07 * n, v)
                before, _ = self.x.grab(x, y)
                sent = self.x.move(x, y)
                seen = self.wait_change(x, y, before)
                if seen:
                    step.append((seen - sent) * 1e3)
                else:
                    missed += 1
                time.sleep(self.rng.uniform(0.02, 0.06))
            after, _ = self.x.grab(x, y)
            self.x.button(1, False)
            time.sleep(0.3)
            sent = self.x.key("ctrl+z")
            seen = self.wait_change(x, y, after)
            if seen:
                undo.append((seen - sent) * 1e3)
            time.sleep(0.3)
        drag = []
        for turn in range(args.turns // 2):
            drag += self.drag(0.32 + 0.72 / args.turns * turn)
        say("stroke", step=summary(step), missed=missed, drag=summary(drag), undo=summary(undo))

    def drag(self, v):
        """A motion event every 8 ms along a row; the row is read all the while."""
        x0, y = map(round, self.at("Axial", 0.2, v))
        x1 = round(self.at("Axial", 0.8, v)[0])
        speed = 3
        self.x.move(x0, y)
        time.sleep(0.2)
        before, _ = self.x.grab(x0, y, x1 - x0 + 60, 1)
        self.x.button(1, True)
        time.sleep(0.2)
        sent, fronts = [], []
        began = time.monotonic()
        n = 0

        def front():
            pixels, now = self.x.grab(x0, y, x1 - x0 + 60, 1)
            for p in range(len(before) // 4 - 1, -1, -1):
                if abs(pixels[4 * p] - before[4 * p]) + abs(pixels[4 * p + 1] - before[4 * p + 1]) > 30:
                    return p, now
            return 0, now

        while x0 + n * speed < x1:
            if time.monotonic() >= began + 0.008 * n:
                n += 1
                sent.append((n * speed, self.x.move(x0 + n * speed, y)))
            fronts.append(front())
            time.sleep(0.0005)
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            fronts.append(front())
        self.x.button(1, False)
        time.sleep(0.3)
        self.x.key("ctrl+z")
        time.sleep(0.4)
        ahead = fronts[-1][0] - sent[-1][0]  # the brush's outline in front of the pointer
        latencies = []
        for place, when in sent[5:-12]:
            seen = next((now for p, now in fronts if p >= place + ahead and now > when), None)
            if seen:
                latencies.append((seen - when) * 1e3)
        return latencies

    # prompt

    def prompt(self):
        self.ready_to_draw()
        self.x.key("q")
        time.sleep(0.5)
        times, missed, side = [], 0, 120
        for turn in range(args.turns):
            x, y = self.at("Axial", 0.3 + 0.4 * turn / args.turns, 0.4 + 0.2 * (turn % 2))
            self.x.move(x, y)
            time.sleep(0.4)
            before, _ = self.x.grab(x - side / 2, y - side / 2, side, side)
            sent, seen = self.x.click(), None
            while seen is None and time.monotonic() < sent + 15:
                pixels, now = self.x.grab(x - side / 2, y - side / 2, side, side)
                changed = sum(abs(pixels[p] - before[p]) > 15 for p in range(0, len(pixels), 4))
                seen = now if changed > side * side / 20 else None
                time.sleep(0.002)
            if seen:
                times.append((seen - sent) * 1e3)
            else:
                missed += 1
            self.x.key("Escape")
            time.sleep(0.6)
        say("prompt", **summary(times), first_ms=times[0] if times else None, missed=missed)

    # scroll

    def scroll(self):
        rates = []
        for name in ("Axial", "Coronal", "Sagittal"):
            self.x.move(*self.at(name, 0.6, 0.6))
            time.sleep(0.3)
            seen, n, began = [], 0, time.monotonic()
            while n < 200:
                if time.monotonic() >= began + 0.010 * n:
                    # Forty up, forty down: inside the scan
                    self.x.click(4 if (n // 20) % 2 == 0 else 5)
                    n += 1
                digest, now = self.digest(name, 32)
                if not seen or seen[-1][1] != digest:
                    seen.append((now, digest))
                time.sleep(0.001)
            rates.append((len(seen) - 1) / (time.monotonic() - began))
            time.sleep(0.5)
        say("scroll", pictures_per_s=round(min(rates), 1), each=[round(r, 1) for r in rates])

    # switch

    def switch(self):
        times = []
        self.x.move(*self.at("Axial", 0.9, 0.9))
        for turn in range(8):
            time.sleep(2.5)  # the next case is read ahead
            sent = self.x.key("n")
            seen = self.watch(1.8)
            if len(seen) > 1:
                times.append((seen[-1][0] - sent) * 1e3)
        say("switch", **summary(times))

    # session

    def session(self):
        end = time.monotonic() + args.minutes * 60
        counts = collections.Counter()
        deeds = [self.do_stroke] * 6 + [self.do_scroll] * 4 + [self.do_undo] * 2 + [
            self.do_zoom, self.do_pan, self.do_hover, self.do_sign, self.do_window, self.do_case,
            self.do_label, self.do_polygon]
        self.ready_to_draw()
        while time.monotonic() < end:
            deed = self.rng.choice(deeds)
            deed()
            counts[deed.__name__[3:]] += 1
            time.sleep(self.rng.uniform(0.05, 0.4))
            if self.driver.process.poll() is not None:
                raise RuntimeError("the program ended: "
                                   + (self.work / "program.log").read_text(errors="replace"))
        self.counts = counts

    def any_view(self):
        return self.rng.choice(("Axial", "Coronal", "Sagittal"))

    def path(self, points, pause=0.008):
        for x, y in points:
            self.x.move(x, y)
            time.sleep(pause)

    def do_stroke(self):
        name = self.any_view()
        u, v = self.rng.uniform(0.3, 0.6), self.rng.uniform(0.3, 0.6)
        self.x.move(*self.at(name, u, v))
        self.x.key(self.rng.choice("be"))
        time.sleep(0.05)
        self.x.button(1, True)
        turns = self.rng.uniform(0.5, 2)
        self.path([self.at(name, u + 0.1 * math.sin(a * turns / 15), v + 0.1 * math.cos(a * turns / 15))
                   for a in range(90)])
        self.x.button(1, False)

    def do_scroll(self):
        self.x.move(*self.at(self.any_view(), 0.5, 0.5))
        button = self.rng.choice((4, 5))
        for _ in range(self.rng.randint(3, 30)):
            self.x.click(button)
            time.sleep(0.012)
        self.x.key("g")

    def do_undo(self):
        for _ in range(self.rng.randint(1, 4)):
            self.x.key(self.rng.choice(("ctrl+z", "ctrl+z", "ctrl+shift+z")))
            time.sleep(0.08)

    def do_zoom(self):
        name = self.any_view()
        self.x.move(*self.at(name, 0.5, 0.5))
        self.x.button(3, True)
        self.path([self.at(name, 0.5, 0.5 - 0.002 * n) for n in range(60)])
        self.path([self.at(name, 0.5, 0.38 + 0.002 * n) for n in range(60)])
        self.x.button(3, False)

    def do_pan(self):
        name = self.any_view()
        self.x.move(*self.at(name, 0.5, 0.5))
        self.x.button(2, True)
        self.path([self.at(name, 0.5 + 0.1 * math.sin(n / 10), 0.5) for n in range(63)])
        self.x.button(2, False)

    def do_hover(self):
        name = self.any_view()
        self.path([self.at(name, 0.2 + 0.005 * n, 0.5) for n in range(100)])

    def do_window(self):
        self.x.key("w")
        name = self.any_view()
        self.x.move(*self.at(name, 0.5, 0.5))
        self.x.button(1, True)
        self.path([self.at(name, 0.5 + 0.002 * n, 0.5 + 0.001 * n) for n in range(60)])
        self.x.button(1, False)
        self.x.key("F2")

    def do_sign(self):
        self.x.key("ctrl+Return")
        time.sleep(0.15)
        self.x.key("ctrl+Return")

    def do_case(self):
        self.x.key("n")
        time.sleep(0.8)

    def do_label(self):
        self.x.key(self.rng.choice("12"))

    def do_polygon(self):
        self.x.key("p")
        name = self.any_view()
        for u, v in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)):
            self.x.move(*self.at(name, u, v))
            time.sleep(0.03)
            self.x.click()
            time.sleep(0.05)
        self.x.key("Return")

    # large

    def prepare_large(self):
        """One scan, two far slices labelled, and a prediction of a model that is only a row: the
        phantom's truth, or for a scan of one's own a ball."""
        import nibabel
        import numpy
        folder = self.work / "large"
        folder.mkdir()
        if args.scan:
            scan, labels = pathlib.Path(args.scan[0]).resolve(), folder / "ball_label.nii.gz"
            image = nibabel.load(scan)
            grid = numpy.ogrid[tuple(slice(-1, 1, n * 1j) for n in image.shape[:3])]
            ball = sum(g * g for g in grid) < 0.25
            nibabel.save(nibabel.Nifti1Image(ball.astype(numpy.uint8), image.affine), labels)
        else:
            self.driver.cli("phantom", "--out", folder, "--count", "1", "--seed", "3", "--organs", "2",
                            "--size", args.size)
            scan, labels = folder / "phantom_000.nii.gz", folder / "phantom_000_label.nii.gz"
        self.project = self.work / "Large.crosslabel"
        self.driver.cli("new", self.project, "--scan", scan, "--label", "one", "--label", "two",
                        "--validation", "0", "--seed", "1")
        nx, ny, nz = nibabel.load(scan).shape[:3]
        script = self.work / "large.txt"
        script.write_text("scan 1\n" + "".join(
            f"box 1 {nx // 4},{ny // 4},{k} {3 * nx // 4},{3 * ny // 4},{k}\n"
            for k in (nz // 10, 9 * nz // 10)) + f"view axial {nz // 2}\n" * 0)
        self.driver.cli("edit", self.project, "--script", script)
        place = os.path.relpath(labels, self.project)
        with sqlite3.connect(self.project / "project.sqlite") as db:
            db.execute("INSERT INTO model (id, name, path, sha256, created_at)"
                       " VALUES (1, 'truth', 'models/none', '', 0)")
            db.execute("INSERT INTO prediction (scan, model, path, created_at) VALUES (1, 1, ?, 0)",
                       (place,))

    def ask(self, query):
        with sqlite3.connect(f"file:{self.project}/project.sqlite?mode=ro", uri=True,
                             timeout=20) as db:
            return db.execute(query).fetchone()[0]

    def large(self):
        if not args.stalls:
            raise SystemExit("--only large wants --stalls")
        self.prepare_large()
        stalls = self.work / "stalls-large.txt"
        self.launch(None, stalls)
        self.driver.attach()
        self.driver.wait(self.driver.title, "the case", 60)
        time.sleep(6)  # its textures
        self.driver.click(self.driver.find("Axial view"))
        journal = "SELECT coalesce (max (seq), 0) FROM journal"
        deeds = (("take over", lambda: self.driver.menu("Training", "Accept Prediction")),
                 ("undo", lambda: self.driver.key("ctrl+z")),
                 ("redo", lambda: self.driver.key("ctrl+shift+z")),
                 ("undo again", lambda: self.driver.key("ctrl+z")),
                 ("interpolate", lambda: self.driver.key("ctrl+i")))
        parts = []
        for name, deed in deeds:
            before, at = self.ask(journal), time.monotonic()
            first = stalls.read_text().count("\nturn") if stalls.exists() else 0
            deed()
            self.driver.wait(lambda before=before: self.ask(journal) > before, name, 120)
            seconds = time.monotonic() - at
            time.sleep(2.5)
            parts.append((name, seconds, first, stalls.read_text().count("\nturn")))
        sizes = self.ask("SELECT group_concat (n_voxels) FROM edit")
        self.close()
        text = stalls.read_text()
        head = [line for line in text.splitlines() if not line.startswith("turn ")]
        turns = [line for line in text.splitlines() if line.startswith("turn ")]
        for name, seconds, first, last in parts:
            stalls.write_text("\n".join(head + turns[first:last]) + "\n")
            facts = read_stalls(stalls)
            say("large", deed=name, seconds=round(seconds, 2), longest_turns_ms=facts["longest_turns_ms"],
                handlers={n: h["max_ms"] for n, h in facts["handlers"].items()})
        say("large", voxels=sizes)

    def train(self):
        """A round, by its dialog; long enough for all that follows. Other jobs are no training: what
        counts is that its steps rise."""
        self.x.key("ctrl+r")
        time.sleep(1.5)
        self.x.key("Return")
        began = time.monotonic()
        first = self.driver.wait(lambda: self.step() or None, "the first step of the round", 300)
        self.driver.wait(lambda: self.step() > first + 1, "the next steps of the round", 120)
        say("round", seconds_to_its_steps=round(time.monotonic() - began, 1), step=self.step())

    def step(self):
        query = "SELECT max(step) FROM metric WHERE round = (SELECT max(id) FROM round)"
        with sqlite3.connect(f"file:{self.project}/project.sqlite?mode=ro", uri=True,
                             timeout=20) as db:
            return db.execute(query).fetchone()[0] or 0

    def run(self):
        wanted = args.only.split(",")
        if "large" in wanted:
            self.large()
            wanted.remove("large")
            if not wanted:
                return
        self.prepare()
        heartbeat, stalls = self.work / "heartbeat.json", self.work / "stalls.txt"
        if "start" in wanted:
            self.start()
        if set(wanted) - {"start"}:
            self.launch(heartbeat, stalls if args.stalls else None)
            self.find_panes()
            time.sleep(2)
            profile = None
            if args.perf:
                profile = subprocess.Popen(["perf", "record", "-q", "-g", "-F", "997", "-o", args.perf,
                                            "-p", str(self.driver.process.pid)],
                                           stderr=subprocess.DEVNULL)
            steps = 0
            if args.training:
                self.train()
                steps = self.step()
            for name in ("stroke", "prompt", "scroll", "switch", "session"):
                if name in wanted:
                    getattr(self, name)()
            if args.training:
                say("training", steps_meanwhile=self.step() - steps)
            if profile:
                profile.send_signal(2)
                profile.wait()
            if args.keep:
                subprocess.run(["import", "-window", "root",
                                str(pathlib.Path(args.keep) / "window.png")], check=False)
            status = pathlib.Path(f"/proc/{self.driver.process.pid}/status").read_text()
            peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
            self.close()
            say("session", minutes=args.minutes, deeds=getattr(self, "counts", {}),
                peak_rss_mib=round(int(peak) / 1024), heartbeat=json.loads(heartbeat.read_text()))
            if args.stalls:
                say("stalls", **read_stalls(stalls))
                if args.keep:
                    (pathlib.Path(args.keep) / "stalls.txt").write_text(stalls.read_text())


# Stalls by name

def read_stalls(path):
    maps, turns = [], []
    for line in path.read_text().splitlines():
        words = line.split(" ")
        if words[0] == "map":
            fields = line.split()
            low, high = (int(n, 16) for n in fields[1].split("-"))
            maps.append((low, high, int(fields[3], 16), fields[6] if len(fields) > 6 else ""))
        elif words[0] == "turn":
            turns.append((float(words[1]), float(words[2]),
                          [[int(a, 16) for a in stack.split(",")] for stack in words[3:]]))
    names = name_own({a for _, _, stacks in turns for s in stacks for a in s}, maps)
    own = collections.defaultdict(list)
    inner = collections.defaultdict(collections.Counter)
    for wall, _, stacks in turns:
        within = collections.Counter()
        for stack in stacks:
            ours = [names[a] for a in stack if a in names]
            ours = [name for name in ours if name not in ("_start", "main", "run", "app_application_main")]
            # The outermost of our functions on the stack is the handler; where none is, GTK draws.
            handler = ours[-1] if ours else "GTK, drawing"
            within[handler] += STEP_MS
            inner[handler][ours[0] if ours else handler] += STEP_MS
        for name, ms in within.items():
            own[name].append(ms)
    rows = sorted(own.items(), key=lambda row: -max(row[1]))
    return {"turns_over_16_ms": sum(t[0] > 16 for t in turns),
            "turns_over_50_ms": sum(t[0] > 50 for t in turns),
            "longest_turns_ms": [(t[0], t[1]) for t in sorted(turns, reverse=True)[:8]],
            "handlers": {name: {"max_ms": max(ms), "total_ms": sum(ms), "turns": len(ms),
                                "mostly": inner[name].most_common(2)} for name, ms in rows[:15]}}


def name_own(addresses, maps):
    program = os.path.realpath(os.environ["CROSSLABEL"])
    ours = {}
    for address in addresses:
        for low, high, offset, file in maps:
            if low <= address < high and file == program:
                ours[address] = address - low + offset
    if not ours:
        return {}
    order = list(ours)
    out = subprocess.run(["addr2line", "-f", "-e", program, *(hex(ours[a] - 1) for a in order)],
                         capture_output=True, text=True, check=True).stdout.splitlines()
    return {address: out[2 * n] for n, address in enumerate(order)}


bench = Bench()
try:
    bench.run()
finally:
    bench.driver.end()
