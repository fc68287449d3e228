#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random instants while `edit --script` runs (I2, I9): every acknowledged line is there,
at most one more is; the project opens and checks; the labels are those of the same lines run in one
go; undo and redo are bit-identical. The number of kills is the first argument."""
import itertools
import pathlib
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap
from tap import ok, ok_json

N_KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 24
SEED = 20


def lines(rng):
    """An endless script. Undo never meets the start: 30 edits stand before the first."""
    for n in range(30):
        yield f"set 1 {n % 30},{n // 30},0"
    slices = itertools.cycle((plane, n) for n in range(20) for plane in "acs")
    while True:
        kind = rng.random()
        if kind < 0.5:
            lo = [rng.randrange(20) for _ in range(3)]
            hi = [l + rng.randrange(8) for l in lo]
            yield f"box {rng.randrange(4)} {','.join(map(str, lo))} {','.join(map(str, hi))}"
        elif kind < 0.75:
            path = " ".join(f"{rng.uniform(0, 20):.2f},{rng.uniform(0, 20):.2f}" for _ in range(3))
            yield f"brush {rng.randrange(4)} {rng.choice('acs')} {rng.randrange(20)} 5 {path}"
        elif kind < 0.9:
            yield "undo"
            if rng.random() < 0.6:
                yield "redo"
        else:
            yield "sign %s %d" % next(slices)


def make(folder, name):
    scan = folder / "scans" / "phantom_000.nii.gz"
    if not scan.exists():
        ok("phantom", "--out", folder / "scans", "--count", 1, "--seed", 2, "--size", "32,30,24")
    ok("new", folder / name, "--scan", scan, "--label", "a", "b", "c")
    return folder / f"{name}.crosslabel"


def killed_run(project, script, rng):
    """Some are killed while they open, most of them from the first line on, whenever that comes: a
    busy machine may take a second to it."""
    program = subprocess.Popen([tap.CROSSLABEL, "edit", project, "--script", script], bufsize=0,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = b""
    wait = rng.random() > 0.2
    while wait and not first.endswith(b"\n"):
        byte = program.stdout.read(1)
        if not byte:
            break
        first += byte
    time.sleep(rng.uniform(0.0, 0.4))
    program.kill()
    out, err = program.communicate()
    assert program.returncode in (0, -9), f"exit {program.returncode}: {err}"
    # A line is acknowledged when its newline is out.
    return [line for line in (first + out).decode().split("\n")[:-1] if line.startswith("ok ")]


def exported(project, folder):
    ok("export", project, "--out", folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def section(folder, n_kills, rng):
    """These many kills on one project; the lines that were finished."""
    project = make(folder, "p")
    script = folder / "script.txt"
    source = lines(rng)
    waiting = []  # lines not known to be on the disk
    done = []     # lines that are
    journal = 0
    n_signed = set()
    for kill in range(n_kills):
        waiting += [next(source) for _ in range(150 - len(waiting))]
        script.write_text("scan 1\n" + "\n".join(waiting) + "\n")
        before = folder / "before.crosslabel"
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(project, before)
        acks = killed_run(project, script, rng)
        info = ok_json("info", project, "--check")
        acked = max(0, len(acks) - 1)
        # Rows of the journal that the acknowledged lines made.
        rows = 0
        for line, ack in zip(waiting, acks[1:]):
            if line.startswith("sign"):
                rows += line not in n_signed
                n_signed.add(line)
            else:
                rows += not ack.endswith("unchanged")
        more = info["journal_seq"] - journal - rows
        assert more in (0, 1), f"kill {kill}: {rows} acknowledged, {rows + more} on the disk"
        if more == 1:
            # One line more was on the disk: the first of the next that changes something.
            answers = ok("edit", before, "--script", script).splitlines()[1:]
            while True:
                line, answer = waiting[acked], answers[acked]
                acked += 1
                if line.startswith("sign") and line not in n_signed:
                    n_signed.add(line)
                    break
                if not line.startswith("sign") and not answer.endswith("unchanged"):
                    break
        done += waiting[:acked]
        del waiting[:acked]
        journal = info["journal_seq"]
    assert len(done) > n_kills * 2, f"only {len(done)} lines in {n_kills} kills: nothing was tested"
    print(f"# {n_kills} kills, {len(done)} lines, {info['scans'][0]['edits']} edits")
    compare(folder, project, done)


def test_kill(folder):
    rng = random.Random(SEED)
    left = N_KILLS
    while left > 0:
        n_kills = min(left, 50)
        left -= n_kills
        (folder / str(left)).mkdir()
        section(folder / str(left), n_kills, rng)


def compare(folder, project, done):
    whole = make(folder, "whole")
    ok("edit", whole, "--script", "-", input="scan 1\n" + "\n".join(done) + "\n")
    state = exported(project, folder / "a")
    assert state == exported(whole, folder / "b"), "other labels than in one go"
    head = ok_json("info", project)["scans"][0]["head"]
    ok("edit", project, "--script", "-", input="scan 1\nundo 20\nredo 20\n")
    assert state == exported(project, folder / "c"), "undo and redo are not identical"
    ok("edit", project, "--script", "-", input=f"scan 1\njump 0\njump {head}\n")
    assert state == exported(project, folder / "d"), "the way back is not identical"
    ok("info", project, "--check")


if __name__ == "__main__":
    sys.exit(tap.main([test_kill]))
