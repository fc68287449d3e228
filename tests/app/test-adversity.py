#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What callers, folders and disks do to the command line: each verb answers with one clear line."""
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap
from tap import fails, ok, ok_json

# A line feed, an escape sequence, a shell's words, blanks, and more than ASCII.
ODD = "a\nb \x1b[31m;$(touch x) 'é\t\"肝"
HAS_RENDER = subprocess.run([tap.CROSSLABEL, "render", "--help"], capture_output=True).returncode == 0


def make(folder, *more):
    """Two scans of 24 × 24 × 16 with their truth, and a project of them."""
    ok("phantom", "--out", folder / "scans", "--count", 2, "--seed", 3, "--size", "24,24,16",
       "--organs", 2)
    scans = [folder / "scans" / f"phantom_00{n}.nii.gz" for n in range(2)]
    truths = [folder / "scans" / f"phantom_00{n}_label.nii.gz" for n in range(2)]
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *scans, "--truth", *truths, "--label", "one", "two", *more)
    return project, scans, truths


def one_line(*words, **more):
    line = fails(*words, **more)
    assert all(c >= " " for c in line[:-1]), repr(line)
    return line


def reading(project, scan, truth, what, folder):
    """Each verb with @what in the place of something that it reads."""
    yield "info", what
    yield "export", what, "--out", folder / "o"
    yield "edit", what, "--script", "-"
    yield "evaluate", what
    yield "evaluate", "--pred", what, "--truth", truth
    yield "evaluate", "--pred", truth, "--truth", what
    yield "import", what, "--scan", 1, "--labels", truth
    yield "import", project, "--scan", 1, "--labels", what
    yield "import", project, "--scan", what, "--labels", truth
    yield "new", folder / "n1", "--scan", what, "--label", "a"
    yield "new", folder / "n2", "--scan", scan, "--truth", what, "--label", "a"
    yield "predict", what
    yield "predict", "--model", what, "--scan", scan, "--out", folder / "o"
    yield "prompt", what, "--point", "3,3,3,+", "--out", folder / "m.nii.gz"
    yield "prompt", scan, "--point", "3,3,3,+", "--mask-in", what, "--out", folder / "m.nii.gz"
    yield "model", "import", project, what
    yield "model", "export", what, "--out", folder / "m"
    yield "report", what, "--out", folder / "r.html"
    yield "select", what
    yield "simulate", what, "--report", folder / "r.json"
    yield "train", what
    if HAS_RENDER:
        yield "render", what, "--plane", "axial", "--index", 3, "--out", folder / "r.png"


def test_nothing_to_read(folder):
    """Missing, a folder, empty, not a scan, a pipe that nobody writes, a device without an end."""
    project, scans, truths = make(folder)
    (folder / "folder").mkdir()
    (folder / "empty").write_text("")
    (folder / "text.nii.gz").write_text("hello")
    os.mkfifo(folder / "pipe")
    for what in (folder / ODD, folder / "folder", folder / "empty", folder / "text.nii.gz",
                 folder / "pipe", "/dev/zero"):
        for words in reading(project, scans[0], truths[0], what, folder):
            one_line(*words, timeout=30, input="")
    assert not (folder / "o").exists() and not (folder / "n1.crosslabel").exists()
    one_line("edit", project, "--script", "/dev/zero", timeout=30)
    ok("info", project, "--check")


def test_odd_names(folder):
    """Everything works in a folder with such a name, by relative paths from elsewhere."""
    odd = folder / ODD
    odd.mkdir()
    make(odd)
    label = odd / "scans" / (ODD + "é.nii.gz")
    shutil.copy(odd / "scans" / "phantom_000.nii.gz", label)
    here = {"cwd": odd / "scans"}
    ok_json("info", "./" + label.name, **here)
    made = ok_json("new", "../ q", "--scan", label.name, "--label", "a b;c", **here)
    assert made["scans"][0]["name"]
    ok("edit", "../ q", "--script", "-", input="scan 1\nset 1 3,3,3\nsign axial 3\n", **here)
    for form in "nifti", "nnunet":
        out = ok_json("export", "../ q", "--out", "../ out\n" + form, "--format", form, **here)
        assert all((odd / (" out\n" + form) / file).is_file() for file in out["files"])
    ok_json("info", "../ q.crosslabel/", "--check", **here)
    one_line("info", "../" + ODD, **here)
    assert not list(folder.rglob("x"))


def test_outputs_replace_no_input(folder):
    """I1: what is read is not written; a pipe, a device or a project is no file to be replaced."""
    project, scans, truths = make(folder)
    ok("edit", project, "--script", "-", input="scan 1\nset 1 3,3,3\nsign axial 3\n")
    before = {path: path.read_bytes() for path in (*scans, *truths)}
    point = "prompt", scans[0], "--point", "3,3,3,+", "--out"
    slice = "render", scans[0], "--plane", "axial", "--index", 3, "--out"
    os.mkfifo(folder / "pipe")
    (folder / "link.nii.gz").symlink_to(scans[0])
    (folder / "pipe.nii.gz").symlink_to(folder / "pipe")
    for out in scans[0], folder / "link.nii.gz", folder / "pipe.nii.gz":
        one_line(*point, out)
    one_line("simulate", project, "--report", scans[1])
    one_line("simulate", project, "--report", folder / "pipe", timeout=30)
    one_line("report", project, "--out", truths[0])
    if HAS_RENDER:
        for out in scans[0], truths[0], folder / "link.nii.gz", folder / "pipe":
            one_line(*slice, out, "--labels", truths[0])
        assert "database" in one_line(*slice, project / "project.sqlite")
    # A scan that is called what the labels of another would be.
    shutil.copy(scans[1], folder / "a_labels.nii.gz")
    shutil.copy(scans[0], folder / "a.nii.gz")
    ok("new", folder / "q", "--scan", folder / "a.nii.gz", folder / "a_labels.nii.gz", "--label", "x")
    ok("edit", folder / "q", "--script", "-", input="scan 1\nset 1 1,1,1\n")
    assert "a_labels.nii.gz" in one_line("export", folder / "q", "--out", folder)
    assert not (folder / "a_domain.nii.gz").exists(), "nothing is moved before all is known"
    assert (folder / "a_labels.nii.gz").read_bytes() == before[scans[1]]
    # A folder where a file belongs.
    (folder / "o" / "phantom_000_domain.nii.gz").mkdir(parents=True)
    one_line("export", project, "--out", folder / "o")
    assert [p.name for p in (folder / "o").iterdir()] == ["phantom_000_domain.nii.gz"]
    assert all(path.read_bytes() == data for path, data in before.items())
    ok("info", project, "--check")


def test_label_names(folder):
    ok("phantom", "--out", folder, "--seed", 3, "--size", "16,16,16")
    scan = folder / "phantom_000.nii.gz"
    for names in (["x", "x"], [" "], ["a\nb"], ["a\x07"]):
        one_line("new", folder / "n", "--scan", scan, "--label", *names)
    one_line("new", folder / "n", "--scan", scan, "--label", "=#ffffff", status=2)
    one_line("new", folder / "n", "--scan", scan, "--label", "x=#12345")
    assert not (folder / "n.crosslabel").exists()
    ok("new", folder / "n", "--scan", scan, "--label", "ignore", "x=red", "x")
    assert [l["name"] for l in ok_json("info", folder / "n")["labels"]] == ["ignore", "x=red", "x"]
    ok("edit", folder / "n", "--script", "-", input="scan 1\nset 1 3,3,3\nsign axial 3\n")
    assert "ignore" in one_line("export", folder / "n", "--out", folder / "o", "--format", "nnunet")
    assert not (folder / "o" / "dataset.json").exists()
    ok("export", folder / "n", "--out", folder / "o")


def test_wrong_words(folder):
    """Usage is 2, before anything is opened or made."""
    project, (scan, _), (truth, _) = make(folder)
    mask = folder / "m.nii.gz"
    wrong = [
        ("bogus",), ("--bogus",), ("help",), ("-",),
        ("doctor", "x"), ("info",), ("info", scan, scan), ("info", scan, "--check"),
        ("info", project, "--volume", 0), ("info", scan, "--volume", "99999999999"),
        ("new", folder / "n", "--scan", scan), ("new", folder / "n", "m", "--scan", scan, "--label", "a"),
        ("new", folder / "n", "--scan", scan, "--label", "a", "--validation", -2),
        ("phantom", "--out", folder / "o", "--count", 0), ("phantom", "--out", folder / "o", "--size", "8,8,8x"),
        ("import", project, "--scan", 1, "--labels", truth, "--dense", "--slices", "axial:1"),
        ("import", project, "--scan", 1, "--labels", truth, "--slices", "axial:1,,c:2"),
        ("export", project), ("export", project, "--out", folder / "o", "--format", "dicom"),
        ("evaluate", project, "--pred", truth), ("evaluate", "--pred", truth, "--truth", truth, "--empty", "1"),
        ("model", "export", project), ("model", "sell", project, folder / "o"),
        ("predict",), ("predict", project, "--model", "x"),
        ("prompt", scan, "--out", mask), ("prompt", scan, "--point", "3,3,+", "--out", mask),
        ("prompt", scan, "--point", "3,3,3,+", "--kind", "x", "--out", mask),
        ("prompt", scan, "--point", "3,3,3,+", "--vote", "--out", mask),
        ("report", project), ("report", project, "--round", -1, "--out", folder / "o"),
        ("select", project, "--random-share", "nan"), ("select", project, "--random-share", 2),
        ("select", project, "--strategy", "x"), ("select", project, "--count", -1),
        ("train", project, "--method", "x"), ("train", project, "--random-share", -0.1),
        ("train", project, "--steps", -1), ("simulate", project, "--report", folder / "o", "--rounds", 0),
        ("simulate", project, "--report", folder / "o", "--random-share", "inf"),
        ("train-generalist", "--folder", folder / "o", "--rate", "nan"),
        ("bench",), ("bench", "x"), ("bench", "open", scan, "--repeat", 0),
    ]
    if HAS_RENDER:
        slice = "render", scan, "--plane", "axial", "--index", 3, "--out", folder / "o"
        wrong += [(*slice, *more) for more in (
            ("--opacity", "nan"), ("--window", "1,0"), ("--window", "nan,1"), ("--zoom", 0),
            ("--brush", "1,1,1,-5"), ("--highlight", -3), ("--outline", "inf"), ("--size", "0x0"))]
    for words in wrong:
        one_line(*words, status=2)
    assert not (folder / "o").exists() and not mask.exists()
    assert not (folder / "n.crosslabel").exists()


def test_every_verb_knows_json(folder):
    """On success one JSON object; on failure nothing on standard output."""
    project, (scan, other), (truth, _) = make(folder)
    for words in (("doctor",), ("info", scan), ("info", project, "--check"), ("select", project),
                  ("evaluate", project), ("evaluate", "--pred", truth, "--truth", truth),
                  ("import", project, "--scan", 1, "--labels", truth, "--dense"),
                  ("export", project, "--out", folder / "o")):
        assert isinstance(ok_json(*words), dict), words
    edited = subprocess.run([tap.CROSSLABEL, "edit", project, "--script", "-", "--json"], text=True,
                            input="scan 2\nset 1 1,1,1\nbogus\n", capture_output=True)
    assert edited.returncode == 1 and edited.stdout == "" and "-:3:" in edited.stderr, edited
    for words in (("info", folder / "x"), ("model", "export", project, "--out", folder / "m"),
                  ("model", "import", project, truth), ("train", folder / "x"),
                  ("simulate", folder / "x", "--report", folder / "r"), ("report", project, "--out", folder / "r"),
                  ("predict", project), ("prompt", scan, "--point", "99,3,3,+", "--out", folder / "m.nii.gz")):
        status, out, err = tap.run(*words, "--json")
        assert status == 1 and out == "" and err.count("\n") == 1, (words, out, err)


def test_report_that_is_none(folder):
    """simulate goes on from its report; what is no report of its own is not touched."""
    project, _, _ = make(folder)
    report = folder / "r.json"
    for text in "", "[1]", "{}", "nonsense", '{"request": 3, "rounds": {}}':
        report.write_text(text)
        line = one_line("simulate", project, "--report", report, "--start", 1, "--steps", 1)
        assert "r.json" in line and "CRITICAL" not in line, line
        assert report.read_text() == text


def test_line_without_end(folder):
    """A script is read line by line; what is no line is not read into memory without limit."""
    project, _, _ = make(folder)
    start = "scan 1\nset 1 3,3,3\nset 1 4,4,4" + " 5,5,5" * 200000 + "\n"
    assert ok("edit", project, "--script", "-", input=start).count("ok ") == 3
    line = fails("edit", project, "--script", "-", input="scan 1\nset 2 1,1,1\nset 1" + " 1,1,1" * 2000000)
    assert "-:3:" in line and "bytes" in line, line
    assert ok_json("info", project)["scans"][0]["edits"] == 3
    one_line("edit", project, "--script", "-", input="scan 1\n" + "\x1b]0;x\x07\n")


def test_nobody_listens(folder):
    """Standard output on a full disk, closed, or a pipe nobody reads: said, and nothing is lost."""
    project, (scan, _), (truth, _) = make(folder)
    if os.path.exists("/dev/full"):
        for words in (("info", scan), ("info", scan, "--json"), ("info", project), ("doctor",), ("--help",),
                      ("evaluate", "--pred", truth, "--truth", truth, "--json"), ("select", project, "--json"),
                      ("phantom", "--out", folder / "f", "--size", "8,8,8"),
                      ("export", project, "--out", folder / "o")):
            if words[0] == "export":
                ok("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\n")
            with open("/dev/full", "w") as full:
                done = subprocess.run([tap.CROSSLABEL, *map(str, words)], stdout=full, text=True,
                                      stderr=subprocess.PIPE)
            assert done.returncode == 1 and "standard output" in done.stderr, (words, done)
            assert done.stderr.count("\n") == 1, (words, done)
        with open("/dev/full", "w") as full:
            done = subprocess.run([tap.CROSSLABEL, "edit", project, "--script", "-"], stdout=full, text=True,
                                  input="scan 2\nset 1 1,1,1\n", stderr=subprocess.PIPE)
        assert done.returncode == 1 and "-:1: done, but" in done.stderr, done
        assert ok_json("info", project)["scans"][1]["edits"] == 0, "nothing is begun that cannot be told"
    # Streams that are closed: a file that is opened must not get their place.
    script = folder / "script"
    script.write_text("scan 2\nset 1 2,2,2\n")
    for closed in (0,), (1,), (0, 1, 2):
        for words in (("edit", project, "--script", script), ("export", project, "--out", folder / "c"),
                      ("edit", project, "--script", "-")):
            done = subprocess.run([tap.CROSSLABEL, *map(str, words)], timeout=30, capture_output=True,
                                  preexec_fn=lambda: [os.close(fd) for fd in closed])
            assert done.returncode in (0, 1), (closed, words, done)
    info = ok_json("info", project, "--check")
    assert info["scans"][1]["edits"] == 1, info
    # A reader that goes away ends the program, and what it was told is there.
    writer = subprocess.Popen([tap.CROSSLABEL, "edit", project, "--script", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    writer.stdin.write("scan 1\nset 1 6,6,6\n")
    writer.stdin.flush()
    assert [writer.stdout.readline() for _ in range(2)][1].startswith("ok 2 edit")
    writer.stdout.close()
    try:
        writer.stdin.write("set 1 7,7,7\nset 1 8,8,8\n" * 20)
        writer.stdin.close()
    except BrokenPipeError:
        pass
    assert writer.wait(timeout=30) != 0
    assert ok_json("info", project, "--check")["scans"][0]["edits"] >= 2


def test_signals(folder):
    """SIGINT and SIGTERM in the middle of a script: the acknowledged edits are there."""
    project, _, _ = make(folder)
    for n, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), 1):
        # Not ignored, as it is for the children of nohup.
        writer = subprocess.Popen([tap.CROSSLABEL, "edit", project, "--script", "-"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True,
                                  preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
        writer.stdin.write(f"scan 1\nset 1 {n},{n},{n}\n")
        writer.stdin.flush()
        assert [writer.stdout.readline() for _ in range(2)][1].startswith("ok 2 edit")
        writer.send_signal(number)
        assert writer.wait(timeout=30) != 0
        assert ok_json("info", project, "--check")["scans"][0]["edits"] == n
        ok("edit", project, "--script", "-", input="scan 1\n")  # nobody holds the lock


def test_limits(folder):
    """A limit on file sizes or open files is an error like a full disk."""
    project, (scan, _), (truth, _) = make(folder)
    ok("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\n")

    def run(limit, value, *words):
        done = subprocess.run([tap.CROSSLABEL, *map(str, words)], capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: resource.setrlimit(limit, (value, value)))
        assert done.returncode in (0, 1), (words, done)
        if done.returncode == 1:
            assert done.stderr.startswith("crosslabel: ") and done.stderr.count("\n") == 1, (words, done)
        return done.returncode
    assert run(resource.RLIMIT_FSIZE, 2000, "phantom", "--out", folder / "f") == 1
    assert run(resource.RLIMIT_FSIZE, 2000, "new", folder / "n", "--scan", scan, "--label", "a") == 1
    assert run(resource.RLIMIT_FSIZE, 200, "export", project, "--out", folder / "o") == 1
    assert not list(folder.glob("o/*"))
    assert not list(folder.glob("n.crosslabel*"))
    # With a main loop GLib itself ends the program where it gets no pipe: the verbs without one.
    for words in (("info", scan), ("evaluate", "--pred", truth, "--truth", truth)):
        for n in 4, 5, 6, 8:  # fewer, and the loader finds no library
            run(resource.RLIMIT_NOFILE, n, *words)
    ok("info", project, "--check")


def test_newer_project(folder):
    """A project of a version that is not known yet is left as it is, by every verb."""
    project, (scan, _), (truth, _) = make(folder)
    database = sqlite3.connect(project / "project.sqlite")
    database.execute("PRAGMA user_version = 999")
    database.commit()
    database.close()
    before = (project / "project.sqlite").read_bytes()
    for words in (("info", project), ("export", project, "--out", folder / "o"), ("evaluate", project),
                  ("edit", project, "--script", "-"), ("select", project), ("train", project),
                  ("predict", project), ("report", project, "--out", folder / "r"),
                  ("simulate", project, "--report", folder / "r"), ("model", "import", project, truth),
                  ("model", "export", project, "--out", folder / "m"),
                  ("import", project, "--scan", 1, "--labels", truth)):
        line = one_line(*words, input="scan 1\nset 1 1,1,1\n")
        assert "newer" in line or "999" in line, line
    assert (project / "project.sqlite").read_bytes() == before
    assert not (folder / "o").exists()


sys.exit(tap.main([test_nothing_to_read, test_odd_names, test_outputs_replace_no_input, test_label_names,
                   test_wrong_words, test_every_verb_knows_json, test_report_that_is_none,
                   test_line_without_end, test_nobody_listens, test_signals, test_limits,
                   test_newer_project]))
