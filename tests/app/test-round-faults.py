#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a round, on the command line: one clear line, labels as they were, and once
it is mended --resume ends the round as if nothing had been."""
import math
import os
import pathlib
import re
import resource
import shutil
import signal
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


def test_setting_that_is_none(folder):
    project, _ = make(folder)
    fails("train", project, "--set", "magic=3", "--json")
    fails("train", project, "--set", "dropout=3", "--json")


if __name__ == "__main__":
    sys.exit(tap.main([test for name, test in list(globals().items()) if name.startswith("test_")]))
