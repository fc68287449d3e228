#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a round, on the command line: one clear line, labels as they were, and once
it is mended --resume ends the round as if nothing had been."""
import json
import math
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap
from tap import fails, ok, ok_json

TRAIN = ("--steps", 8, "--seed", 3, "--generalist", "rule", "--set", "filters=2", "--set",
         "checkpoint_seconds=0", "--count", 1, "--json")
FULL_AT_BYTES = 300_000  # a checkpoint is larger, the project's database smaller


def make(folder, size="32,30,24", slices="a:12,c:15,s:16"):
    ok("phantom", "--out", folder / "scans", "--count", 5, "--seed", 5, "--size", size)
    scans = sorted((folder / "scans").glob("phantom_???.nii.gz"))
    truths = sorted((folder / "scans").glob("phantom_???_label.nii.gz"))
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *scans, "--label", "a", "b", "c", "--validation", 1, "--seed", 1)
    info = ok_json("info", project)
    for scan, truth in zip(info["scans"], truths):
        if scan["id"] <= 3 or scan["validation"]:
            ok("import", project, "--scan", scan["id"], "--labels", truth, "--slices",
               slices)
    return project, scans


def exported(project, folder):
    ok("export", project, "--out", folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def train(project, *more, file_limit=None, memory_mib=None):
    def prepare():
        if file_limit is not None:
            # A write beyond this fails, as one to a full disk does.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))
    env = dict(os.environ)
    if memory_mib is not None:
        env["CROSSLABEL_MEMORY_MIB"] = str(memory_mib)
    done = subprocess.run([tap.CROSSLABEL, "train", str(project), *map(str, more)], env=env,
                          capture_output=True, text=True, timeout=200, preexec_fn=prepare)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    errors = [l for l in done.stderr.splitlines() if l.startswith("crosslabel: ")]
    assert len(errors) == done.returncode, done.stderr
    return errors[0] if errors else None


def paused_round(folder, method="sup-only"):
    """A project whose round was torn off by a full disk, and what its labels were."""
    project, scans = make(folder)
    labels = exported(project, folder / "before")
    shutil.copytree(project, folder / "whole.crosslabel")
    error = train(project, "--method", method, *TRAIN, file_limit=FULL_AT_BYTES)
    assert error and "checkpoint could not be written" in error, error
    return project, scans, labels


def model_of(project):
    """The numbers of its one model; the header beside them holds times that were measured."""
    files = sorted((project / "models").glob("*.safetensors"))
    assert len(files) == 1, files
    data = files[0].read_bytes()
    numbers = data[8 + int.from_bytes(data[:8], "little"):]
    assert len(numbers) > 100_000, len(numbers)
    return numbers


def ends_as_if_nothing_had_been(folder, project, labels, method="sup-only"):
    assert train(project, "--resume", "--json") is None
    whole = folder / "whole.crosslabel"
    assert train(whole, "--method", method, *TRAIN) is None
    assert model_of(project) == model_of(whole)
    assert exported(project, folder / "after") == labels
    ok("info", project, "--check")


def test_disk_full_at_the_first_checkpoint(folder):
    project, _, labels = paused_round(folder)
    # Nothing was kept: the round is over, a new one can begin.
    assert exported(project, folder / "now") == labels
    assert train(project, "--method", "sup-only", *TRAIN) is None
    ok("info", project, "--check")


def interrupted(folder, method="sup-only"):
    """A round stopped in the middle, with a checkpoint."""
    project, scans = make(folder)
    labels = exported(project, folder / "before")
    shutil.copytree(project, folder / "whole.crosslabel")
    program = subprocess.Popen([tap.CROSSLABEL, "train", str(project), "--method", method,
                                *map(str, TRAIN)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    models = project / "models"
    while program.poll() is None and not list(models.glob("round-1/checkpoint.json")):
        time.sleep(0.02)
    program.kill()
    program.communicate()
    assert list(models.glob("round-1/checkpoint.json")), "the round ended before it was killed"
    return project, scans, labels


def test_disk_full_later(folder):
    project, _, labels = interrupted(folder)
    error = train(project, "--resume", "--json", file_limit=FULL_AT_BYTES)
    assert error and "the one before it is whole" in error, error
    assert exported(project, folder / "now") == labels
    ends_as_if_nothing_had_been(folder, project, labels)


def curve(project):
    """All that was told of the round's steps."""
    with sqlite3.connect(project / "project.sqlite") as db:
        return sorted(row for row in db.execute("SELECT step, name, value FROM metric")
                      if not row[1].startswith("refresh.seconds"))


def test_killed_at_any_moment(folder):
    """The curve too is that of a run that was never torn off (I7): a checkpoint after every step, so
    that most of the time is spent between a checkpoint and what was told of it."""
    project, _ = make(folder)
    whole = folder / "whole.crosslabel"
    shutil.copytree(project, whole)
    begin = ("--method", "sup-only", *TRAIN[2:], "--steps", 60)
    assert train(whole, *begin) is None
    rng = random.Random(11)
    n_kills = 0
    program = None
    for turn in range(14):
        how = begin if turn == 0 else ("--resume", "--json")
        program = subprocess.Popen([tap.CROSSLABEL, "train", str(project), *map(str, how)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        mark = project / "models" / "round-1" / "checkpoint.json"
        if turn == 0:
            while program.poll() is None and not mark.exists():
                time.sleep(0.01)
        else:
            before = mark.stat().st_mtime_ns
            while program.poll() is None and mark.exists() and mark.stat().st_mtime_ns == before:
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        if program.poll() is None:
            n_kills += 1
        program.kill()
        program.communicate()
        if not mark.exists():
            break
    if program.returncode != 0:
        assert train(project, "--resume", "--json") is None
    assert n_kills >= 8, n_kills
    missing = sorted(set(curve(whole)) - set(curve(project)))
    extra = sorted(set(curve(project)) - set(curve(whole)))
    assert curve(whole) == curve(project), (n_kills, missing[:10], extra[:10])
    assert model_of(project) == model_of(whole)
    ok("info", project, "--check")
    print(f"# {n_kills} kills, {len(curve(whole))} values")


def test_selection_in_training(folder):
    """The published code selects in the middle of training. Killed at random, the report of such a
    simulation is that of one that was not, and no validation scan was ever labelled (I6)."""
    ok("phantom", "--out", folder / "scans", "--count", 9, "--seed", 7, "--size", "24,24,24",
       "--organs", 1)
    scans = sorted((folder / "scans").glob("phantom_???.nii.gz"))
    truths = sorted((folder / "scans").glob("phantom_???_label.nii.gz"))
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *scans, "--truth", *truths, "--label", "a", "--validation", 2,
       "--seed", 1)
    validation = {scan["id"] for scan in ok_json("info", project)["scans"] if scan["validation"]}

    def words(report):
        return [tap.CROSSLABEL, "simulate", str(project), "--method", "gm-abs", "--start",
                "2", "--select-in-training", "--budget", "1", "--seed", "3", "--steps", "20", "--generalist", "rule", "--set",
                "filters=2", "--set", "checkpoint_seconds=0", "--set", "n_refreshes=2", "--report",
                str(folder / report)]

    def result(report):
        report = json.loads((folder / report).read_text())
        assert report["complete"]
        for one in report["rounds"]:
            del one["seconds"]
        return {key: report[key] for key in ("rounds", "labelled_scans")}

    subprocess.run(words("whole.json"), check=True, capture_output=True)
    rng = random.Random(5)
    n_kills = 0
    mark = folder / "cut.json.d" / "round-1" / "checkpoint.json"
    for turn in range(6):
        before = mark.stat().st_mtime_ns if mark.exists() else 0
        program = subprocess.Popen(words("cut.json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while program.poll() is None and (not mark.exists() or mark.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.2))
        if program.poll() is not None:
            break
        n_kills += 1
        program.kill()
        program.communicate()
    subprocess.run(words("cut.json"), check=True, capture_output=True)
    whole = result("whole.json")
    assert result("cut.json") == whole, (n_kills, result("cut.json"), whole)
    assert n_kills >= 3, n_kills
    selected = whole["rounds"][0]["selected_in_training"]
    assert len(selected) >= 3 and len({one["scan"] for one in selected}) == len(selected), selected
    assert len(whole["labelled_scans"]) == 2 + len(selected) == whole["rounds"][0]["labelled"]
    assert not validation & {scan["id"] for scan in whole["labelled_scans"]}, whole
    print(f"# {n_kills} kills, {len(selected)} scans selected in training")


def test_scan_vanishes_in_the_middle(folder):
    project, scans, labels = interrupted(folder)
    scans[0].rename(folder / "aside")
    error = train(project, "--resume", "--json")
    assert error and "phantom_000" in error, error
    (folder / "aside").rename(scans[0])
    ends_as_if_nothing_had_been(folder, project, labels)


def test_scan_changes_in_the_middle(folder):
    project, scans, labels = interrupted(folder)
    kept = scans[0].read_bytes()
    scans[0].write_bytes(scans[1].read_bytes())
    error = train(project, "--resume", "--json")
    assert error and "SHA-256" in error, error
    scans[0].write_bytes(kept)
    ends_as_if_nothing_had_been(folder, project, labels)


def test_out_of_memory(folder):
    project, _, labels = interrupted(folder)
    error = train(project, "--resume", "--json", memory_mib=2)
    assert error and "emory" in error, error
    ends_as_if_nothing_had_been(folder, project, labels)


def test_little_memory_takes_smaller_patches(folder):
    project, _ = make(folder, "64,64,48", "a:24,c:30,s:32,a:28,c:26,s:28")
    plans = []
    for memory_mib in (None, 16):
        env = {"CROSSLABEL_MEMORY_MIB": str(memory_mib)} if memory_mib else None
        plans.append(ok_json("train", project, "--method", "sup-only", *TRAIN, env=env)["plan"])
    sides = [math.prod(int(side) for side in re.search(r"(\d+) × (\d+) × (\d+) voxels", plan).groups())
             for plan in plans]
    assert sides[1] < sides[0], plans


def test_generalist_removed(folder):
    project, _ = make(folder)
    labels = exported(project, folder / "before")
    error = train(project, "--method", "gm-abs", *TRAIN[:4], "--generalist",
                  folder / "gone.safetensors", "--json")
    assert error and "gone.safetensors" in error, error
    assert exported(project, folder / "now") == labels


def no_round(folder, said, slices, labels=("a", "b", "c")):
    """Labels that a round cannot start from: said before it, and they stay as they were."""
    ok("phantom", "--out", folder / "scans", "--count", 4, "--seed", 5, "--size", "32,30,24")
    scans = sorted((folder / "scans").glob("phantom_???.nii.gz"))
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *scans, "--label", *labels, "--validation", 1, "--seed", 1)
    for scan in ok_json("info", project)["scans"]:
        if slices:
            ok("import", project, "--scan", scan["id"], "--labels",
               folder / "scans" / f"{scan['name']}_label.nii.gz", "--slices", slices)
    before = exported(project, folder / "before") if slices else None
    error = train(project, "--method", "sup-only", *TRAIN)
    assert error and said in error, error
    assert not list((project / "models").glob("*.safetensors"))
    if slices:
        assert exported(project, folder / "after") == before
    ok("info", project, "--check")
    return project


def test_nothing_labelled(folder):
    no_round(folder, "No training scan is labelled yet", None)


def test_class_never_labelled(folder):
    no_round(folder, "Label “rare” is in none of the signed slices", "a:12,c:15,s:16",
             ("a", "b", "c", "rare"))


def test_planes_without_foreground(folder):
    no_round(folder, "show background alone", "a:0,c:0,s:0")


def nifti(path, size, spacing_mm, value, u8=False):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *size, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, *((2, 8) if u8 else (16, 32)))
    struct.pack_into("<8f", header, 76, 1, *spacing_mm, 0, 0, 0, 0)
    struct.pack_into("<2f", header, 108, 352, 1)
    header[123] = 2
    struct.pack_into("<2h", header, 252, 0, 1)
    for row in range(3):
        struct.pack_into("<f", header, 280 + 20 * row, spacing_mm[row])
    header[344:348] = b"n+1\0"
    values = [value(i, j, k) for k in range(size[2]) for j in range(size[1]) for i in range(size[0])]
    path.write_bytes(bytes(header) + struct.pack(f"<{len(values)}{'B' if u8 else 'f'}", *values))


def ellipsoids(folder, shapes):
    """One bright ellipsoid a scan, in voxels; @shapes: (size, spacing_mm) of each."""
    for n, (size, spacing_mm) in enumerate(shapes):
        random_ = random.Random(n)

        def inside(i, j, k):
            return sum(((v - (s - 1) / 2) / max(s * 0.3, 0.6)) ** 2
                       for v, s in zip((i, j, k), size)) < 1
        nifti(folder / f"x{n}.nii", size, spacing_mm,
              lambda *at: 100 * inside(*at) + random_.gauss(0, 20))
        nifti(folder / f"x{n}_label.nii", size, spacing_mm, lambda *at: int(inside(*at)), u8=True)


def a_whole_round(folder, shapes):
    """The loop on odd scans: labels, a gm-abs round, predictions on their own grids, a proposal."""
    ellipsoids(folder, shapes)
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *(folder / f"x{n}.nii" for n in range(len(shapes))),
       "--label", "a", "--validation", 1, "--seed", 1)
    free = [s["id"] for s in ok_json("info", project)["scans"] if not s["validation"]]
    for id_ in free[:2]:
        ok("import", project, "--scan", id_, "--labels", folder / f"x{id_ - 1}_label.nii", "--dense")
    ok_json("train", project, "--method", "gm-abs", *TRAIN)
    ok("predict", project, "--out", folder / "predictions")
    for n, (size, _) in enumerate(shapes):
        info = ok_json("info", folder / "predictions" / f"x{n}_prediction.nii.gz")
        assert info["shape"] == list(size), (info, size)
    ok_json("select", project, "--count", 1)
    ok("info", project, "--check")


def test_scans_of_one_slice(folder):
    a_whole_round(folder, [((40, 36, 1), (1, 1, 5))] * 4)


def test_spacings_that_differ_wildly(folder):
    a_whole_round(folder, [((40, 36, 20), (1, 1, 2)), ((12, 12, 60), (4, 4, 0.5)),
                           ((90, 70, 3), (0.3, 0.3, 30)), ((24, 24, 24), (1, 1, 1))])


def test_loss_that_is_no_number(folder):
    project, _ = make(folder)
    labels = exported(project, folder / "before")
    # Every step multiplies the parameters by 1 − lr·decay.
    error = train(project, "--method", "sup-only", *TRAIN[2:], "--steps", 200, "--set", "adamw=0",
                  "--set", "lr_poly=0", "--set", "lr=100", "--set", "weight_decay=1")
    assert error and "not a number" in error and "last checkpoint" in error, error
    assert exported(project, folder / "now") == labels
    # The round can be left, and another begun.
    assert train(project, "--method", "sup-only", *TRAIN) is None
    ok("info", project, "--check")


def test_setting_that_is_none(folder):
    project, _ = make(folder)
    fails("train", project, "--set", "magic=3", "--json")
    fails("train", project, "--set", "dropout=3", "--json")


if __name__ == "__main__":
    sys.exit(tap.main([test for name, test in list(globals().items()) if name.startswith("test_")]))
