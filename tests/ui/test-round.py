#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole loop, driven as a person would: a proposed case, three slices labelled with a prompt
and brushes, a round from the menu, labelling meanwhile, curves, predictions, review, the next
proposal, accepting, export, report, and going back to an earlier model. The program is killed once
in the middle of training and once while labelling: nothing is lost, and the resumed curve equals
the uninterrupted one.

With an argument, a folder with LASeg-like scans (NAME.nii.gz and NAME_label.nii.gz), on those."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__), arguments=sys.argv[1:])

import nibabel  # noqa: E402
import numpy  # noqa: E402

tap = drive.Tap()
d = drive.Driver()
REAL = len(sys.argv) > 1
STEPS = 120 if not REAL else int(os.environ.get("CROSSLABEL_ROUND_STEPS", "300"))
SLOW = 10 if REAL else 1
PROJECT = d.work / "Loop.crosslabel"
PLANES = ("Axial", "Coronal", "Sagittal")


# The project's database, read beside the program

def rows(query, *values, project=PROJECT):
    with sqlite3.connect(f"file:{project}/project.sqlite?mode=ro", uri=True, timeout=20) as db:
        return db.execute(query, values).fetchall()


def row(query, *values, project=PROJECT):
    found = rows(query, *values, project=project)
    return found[0] if found else None


def curve(project, round_id=1):
    """All that was measured, but for what the clock says."""
    return rows("SELECT name, step, value FROM metric WHERE round = ? AND name NOT LIKE '%seconds'"
                " ORDER BY name, step, id", round_id, project=project)


def wait_db(query, test, name, timeout=60):
    return d.wait(lambda: test(row(query)), name, timeout * (3 if REAL else 1))


# Places on the screen

def voxel_at(x, y):
    d.point(x, y)
    for _ in range(40):
        time.sleep(0.04)
        found = d.look(part="Voxel ")
        if found:
            time.sleep(0.06)
            numbers = found.name[len("Voxel "):].split("    ")[0].replace(",", " ").split()
            return numpy.array([int(n) - 1 for n in numbers[:3]])
    raise RuntimeError("the status line tells no voxel")


class Plane:
    """Where the voxels of a slice are on the screen, found with the pointer."""

    def __init__(self, plane):
        x, y, width, height = d.box(d.find(f"{PLANES[plane]} view"))
        spots = [(x + u * width, y + v * height)
                 for u, v in ((0.3, 0.35), (0.7, 0.35), (0.3, 0.65), (0.7, 0.65), (0.5, 0.5))]
        voxels = numpy.array([voxel_at(*spot) for spot in spots], float)
        self.axes = [a for a in range(3) if numpy.ptp(voxels[:, a]) > 0]
        self.fixed = [a for a in range(3) if a not in self.axes][0]
        self.index = int(voxels[0, self.fixed])
        ones = numpy.c_[voxels[:, self.axes], numpy.ones(len(spots))]
        self.map = numpy.linalg.lstsq(ones, numpy.array(spots), rcond=None)[0]

    def spot(self, a, b):
        return tuple(numpy.array([a, b, 1.0]) @ self.map)


def paint(plane, mask):
    """Strokes of the brush over the rows of a mask in that plane's two axes."""
    lines = [c for c in range(mask.shape[0]) if mask[c].any()]
    # From row to row in one stroke each: what a hurried reader does.
    step = max(1, len(lines) // 6)
    for c in lines[step // 2::step]:
        inside = numpy.flatnonzero(mask[c])
        d.drag([plane.spot(c, inside[0]), plane.spot(c, (inside[0] + inside[-1]) / 2),
                plane.spot(c, inside[-1])], pause=0.02)


def cut(volume, plane):
    """The slice shown, its two axes in the order of the plane's."""
    return numpy.take(volume, plane.index, axis=plane.fixed)


def click_text(text, timeout=20, role=None):
    d.click(d.find(text, role=role, timeout=timeout))


def menu(*path):
    """Through the main menu with the keyboard: GTK 4.8 tells false places inside a popover that the
    screen's edge has moved."""
    d.key("F10")
    for word in path:
        item = d.find(part=word, role="menu item")
        time.sleep(0.4)
        for _ in range(16):
            if item.getState().contains(d.atspi.STATE_FOCUSED):
                break
            d.key("Down")
            time.sleep(0.1)
        else:
            raise RuntimeError(f"the menu does not come to “{word}”")
        d.key("Return")
        time.sleep(0.4)


def signed():
    return row("SELECT count(*) FROM slice_task WHERE state = 1")[0]


def open_case():
    return int(row("SELECT value FROM setting WHERE key = 'current-case'")[0])


def sign_off(plane):
    """The button above that plane's view."""
    x, y, width, _height = d.box(d.find(f"{PLANES[plane]} view"))
    for button in d.look("Sign Off", every=True):
        bx, by, bw, bh = d.box(button)
        if x <= bx <= x + width and 0 < y - by < 60:
            d.click(button)
            return
    raise RuntimeError(f"no button to sign the {PLANES[plane]} slice")


def label_three(truth, with_prompt):
    """Three slices of the open case, one of them with a click of the generalist."""
    before = signed()
    for p in range(3):
        plane = Plane(p)
        mask = cut(truth, plane) == 1
        inside = numpy.argwhere(mask)
        if p == 0 and with_prompt:
            centre = inside[numpy.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
            d.key("q")
            d.click_at(*plane.spot(*centre))
            began = time.monotonic()
            d.wait(lambda: d.look(part="Enter accepts"), "the answer")
            tap.ok(True, f"the generalist answers after {time.monotonic() - began:.2f} s")
            time.sleep(0.4)
            d.shot("prompt")
            d.key("Return")
        else:
            # A slice beside the structure is signed as it is: all of it is background.
            d.key("b")
            paint(plane, mask)
        time.sleep(0.3)
        sign_off(p)
        d.wait(lambda: signed() > before + p, f"the sign-off of slice {p + 1}")


def truth_of(case_id):
    return nibabel.load(row("SELECT truth_path FROM scan WHERE id = ?", case_id)[0]
                        if pathlib.Path(row("SELECT truth_path FROM scan WHERE id = ?",
                                            case_id)[0]).is_absolute()
                        else PROJECT / row("SELECT truth_path FROM scan WHERE id = ?",
                                           case_id)[0]).get_fdata()


def make_project():
    if REAL:
        folder = pathlib.Path(sys.argv[1])
        scans = sorted(p for p in folder.glob("*.nii.gz") if not p.name.endswith("_label.nii.gz"))
        truths = [p.with_name(p.name.replace(".nii.gz", "_label.nii.gz")) for p in scans]
        label = "left atrium"
    else:
        folder = d.work / "scans"
        d.cli("phantom", "--out", folder, "--count", "6", "--seed", "5", "--size", "40,40,32",
              "--organs", "1")
        scans = sorted(folder.glob("phantom_???.nii.gz"))
        truths = [p.with_name(p.name.replace(".nii.gz", "_label.nii.gz")) for p in scans]
        label = "liver"
    arguments = []
    for scan, truth in zip(scans, truths):
        arguments += ["--scan", scan, "--truth", truth]
    d.cli("new", PROJECT, *arguments, "--label", label, "--validation", "1", "--seed", "1")
    # The validation scan comes with labels from elsewhere: all of it.
    validation, truth = row("SELECT id, truth_path FROM scan WHERE validation = 1")
    d.cli("import", PROJECT, "--scan", validation, "--labels", PROJECT / truth, "--dense")


def round_state(round_id=1):
    found = row("SELECT state, step, n_steps, message FROM round WHERE id = ?", round_id)
    return found or (-1, 0, 0, None)


def wait_done(round_id, timeout=120):
    def done():
        state = round_state(round_id)
        if state[0] in (5, 6):
            raise SystemExit(f"round {round_id} ended with {state}")
        return state[0] == 4
    d.wait(done, f"the end of round {round_id}", timeout * SLOW)


def press(part):
    """A button of a dialog, by its accessible action: GTK 4.8 tells false places in dialogs."""
    button = d.find(part=part, role="push button")
    button.queryAction().doAction(0)
    time.sleep(0.4)


def start_round(steps, shot):
    menu("Training", "Start Round…")
    d.find("Start a Round")
    spins = [s for s in d.look(role="spin button", every=True)
             if s.queryValue().maximumValue == 100000]
    spins[0].queryValue().currentValue = steps
    d.find(part=f"{steps} steps of", timeout=60 * SLOW)
    d.find(part=": training", timeout=5)
    time.sleep(0.5)
    d.shot(shot)
    press("Start")


try:
    make_project()
    began = time.monotonic()
    d.start(PROJECT)
    d.find("Axial view")
    time.sleep(1)

    # What to label first
    menu("Training", "Propose Next Cases")
    wait_db("SELECT count(*) FROM selection", lambda r: r[0] > 0, "the first proposal")
    time.sleep(0.5)
    d.key("n")
    d.wait(lambda: row("SELECT rank FROM scan WHERE id = ?", open_case())[0] >= 1,
           "the proposed case")
    d.find("Axial view")
    time.sleep(1.5)
    first = open_case()
    d.shot("proposed")
    reason = row("SELECT reason FROM scan WHERE id = ?", first)[0]
    tap.ok(bool(d.look(part=reason[:30])), "the case says why it is proposed: " + reason[:60])

    # Three slices
    label_three(truth_of(first), True)
    d.shot("three-slices")
    tap.ok(row("SELECT count(*) FROM slice_task WHERE scan = ? AND state = 1", first)[0] >= 3,
           "three slices of the proposed case are signed")

    # The round, from the menu
    start_round(STEPS, "round-dialog")
    wait_db("SELECT count(*) FROM metric", lambda r: r[0] > 0, "the first step", 90)
    tap.ok(True, "the round trains")

    # Labelling goes on meanwhile
    edits = row("SELECT count(*) FROM edit")[0]
    d.key("n")
    d.wait(lambda: open_case() != first, "the next case")
    d.find("Axial view")
    time.sleep(1)
    second = open_case()
    truth = truth_of(second)
    plane = Plane(0)
    mask = cut(truth, plane) == 1
    if mask.any():
        d.key("q")
        centre = numpy.argwhere(mask)[mask.sum() // 2]
        asked = time.monotonic()
        d.click_at(*plane.spot(*centre))
        d.wait(lambda: d.look(part="Enter accepts"), "the answer")
        training = round_state()[0] in (0, 1)
        tap.ok(training, "a prompt is answered while the round trains, after "
                         f"{time.monotonic() - asked:.2f} s")
        d.key("Return")
        d.wait(lambda: row("SELECT count(*) FROM edit")[0] > edits, "the edit of the prompt")
    d.shot("while-training")

    # Curves, live
    d.key("ctrl+shift+r")
    d.find("Losses", timeout=20)
    time.sleep(2.5)
    d.shot("curves-live")
    d.key("Escape")
    time.sleep(0.3)

    # Pause and go on
    if round_state()[0] == 1:
        d.click(d.find("Activity"))
        d.find("Pause")
        asked = time.monotonic()
        press("Pause")
        d.wait(lambda: row("SELECT state FROM job ORDER BY id DESC")[0] == 2, "the pause")
        took = time.monotonic() - asked
        d.shot("paused")
        tap.ok(took < 2.5, f"the round pauses within {took:.2f} s of the click")
        press("Resume")
        d.wait(lambda: row("SELECT state FROM job ORDER BY id DESC")[0] == 1, "the round going on")
        d.key("Escape")

    # kill -9 in the middle of training, between checkpoints
    def beyond_checkpoint():
        folder = PROJECT / "models" / "round-1"
        state = round_state()
        if state[0] >= 2:
            raise SystemExit("the round was over before it could be killed: " + str(state))
        return (folder / "checkpoint.json").exists() and state[1] > STEPS * 0.25
    d.wait(beyond_checkpoint, "a checkpoint", 90 * SLOW)
    killed_at = round_state()[1]
    d.kill()
    whole = d.work / "Whole.crosslabel"
    shutil.copytree(PROJECT, whole, symlinks=True)
    shutil.rmtree(whole / "models" / "round-1")
    (whole / "project.lock").unlink(missing_ok=True)
    labels = rows("SELECT id, n_voxels, runs FROM edit ORDER BY id", project=whole)

    # It goes on from there
    d.start(PROJECT)
    d.find("Axial view")
    time.sleep(1)
    tap.ok(rows("SELECT id, n_voxels, runs FROM edit ORDER BY id") == labels,
           "no label was lost with the round")
    menu("Training", "Start Round…")
    d.find("Go On with the Round?")
    d.shot("go-on")
    press("Go On")
    wait_done(1)
    time.sleep(1.5)
    d.shot("round-done")
    tap.ok(round_state()[1] == STEPS, f"killed at step {killed_at}, the round went on to its end")
    tap.ok(row("SELECT count(*) FROM prediction")[0] == row("SELECT count(*) FROM scan")[0],
           "every scan has its prediction")
    again = subprocess.run([d.program, "train", whole, "--resume"], capture_output=True, text=True,
                           check=False)
    tap.ok(again.returncode == 0, "the same round without interruption: " + again.stderr[-200:])
    resumed, uninterrupted = curve(PROJECT), curve(whole)
    differing = [(a, b) for a, b in zip(resumed, uninterrupted) if a != b]
    tap.ok(len(resumed) > STEPS and resumed == uninterrupted,
           f"the resumed curve is the uninterrupted one, {len(resumed)} values bit for bit"
           + (f"; not {differing[:2]}, {len(uninterrupted)}" if resumed != uninterrupted else ""))

    # Curves and predictions
    d.key("ctrl+shift+r")
    d.find("Losses", timeout=20)
    time.sleep(2)
    d.shot("rounds")
    d.key("Escape")
    time.sleep(0.3)
    d.key("shift+p")
    d.find(part="Prediction of round 1")
    time.sleep(0.8)
    d.shot("prediction")
    d.key("shift+p")
    d.key("shift+e")
    d.find(part="Uncertainty of round 1")
    time.sleep(0.8)
    d.shot("uncertainty")
    d.key("shift+e")

    # Review, place by place
    n_places = sum(len(drive.json_of(p.read_text()))
                   for p in (PROJECT / "cache/predictions/round-1").glob("*_regions.json"))
    edits = row("SELECT count(*) FROM edit")[0]
    menu("Training", "Review Predictions")
    d.find("Accept", timeout=20)
    time.sleep(2)
    d.shot("review")
    tap.ok(n_places > 0 and bool(d.look(part="in dispute")), f"{n_places} places to review")
    d.key("shift+a")
    d.wait(lambda: row("SELECT count(*) FROM event WHERE kind = 'review'")[0] == 1,
           "the decision about a place")
    d.key("shift+u")
    d.wait(lambda: row("SELECT count(*) FROM event WHERE kind = 'review'")[0] == 2,
           "the second decision")
    decisions = [r[0] for r in rows("SELECT detail FROM event WHERE kind = 'review' ORDER BY id")]
    tap.ok('"accept"' in decisions[0] and '"unsure"' in decisions[1],
           "accept and unsure are kept as events")
    accepted = rows("SELECT round, provenance, tool FROM edit WHERE tool = 'prediction'")
    tap.ok(all(r[0] == 1 for r in accepted), "an accepted place carries the number of the round")
    time.sleep(1)
    d.shot("review-decided")

    # What to label next, and why
    for _ in range(8):  # past what was proposed before and is not finished
        if row("SELECT rank FROM scan WHERE id = ?", open_case())[0] >= 1:
            break
        here = open_case()
        d.key("n")
        d.wait(lambda: open_case() != here, "another case")
    d.find("Axial view")
    time.sleep(1.5)
    third = open_case()
    reason = row("SELECT reason FROM scan WHERE id = ?", third)[0]
    d.shot("next-proposal")
    tap.ok(bool(d.look(part=reason[:25])) and row("SELECT round FROM selection ORDER BY id DESC")[0]
           == 1, "the round proposes the next case and says why: " + reason[:70])

    # Accept the prediction as label: one edit, with the round's number; one undo
    predicted = nibabel.load(
        PROJECT / row("SELECT path FROM prediction WHERE scan = ?", third)[0]).get_fdata()
    before = row("SELECT n_edits FROM scan WHERE id = ?", third)[0]
    menu("Training", "Accept Prediction as Label")
    d.wait(lambda: row("SELECT n_edits FROM scan WHERE id = ?", third)[0] == before + 1,
           "the accepted prediction")
    d.wait(lambda: row("SELECT accepted_edit FROM prediction WHERE scan = ?", third)[0],
           "the note that it was accepted")
    time.sleep(0.8)
    d.shot("accepted")
    edit = row("SELECT round, tool, n_voxels FROM edit ORDER BY id DESC")
    tap.ok(edit[0] == 1 and edit[1] == "prediction", f"accepted as one edit of round 1: {edit}")

    def exported(folder, case_id):
        shutil.rmtree(folder, ignore_errors=True)
        d.cli("export", PROJECT, "--out", folder)
        name = row("SELECT name FROM scan WHERE id = ?", case_id)[0]
        found = folder / f"{name}_labels.nii.gz"
        return nibabel.load(found).get_fdata() if found.exists() else None
    labels = exported(d.work / "out1", third)
    tap.ok(labels is not None and ((labels == predicted) | (labels != 0)).all()
           and (labels[predicted != 0] != 0).all(), "the export carries the accepted prediction")
    d.key("ctrl+z")
    d.wait(lambda: row("SELECT head FROM scan WHERE id = ?", third)[0]
           != row("SELECT max(id) FROM edit")[0], "the undo")
    labels = exported(d.work / "out2", third)
    tap.ok(labels is None or labels.sum() == 0 or before > 0, "one undo takes it back")
    d.key("ctrl+shift+z")
    d.wait(lambda: row("SELECT head FROM scan WHERE id = ?", third)[0]
           == row("SELECT max(id) FROM edit")[0], "the redo")

    # kill -9 while labelling
    d.key("ctrl+0")
    d.key("g")
    time.sleep(0.5)
    plane = Plane(1)
    # Where the prediction left something to paint: a stroke that changes nothing is no edit.
    free = cut(exported(d.work / "out3", third), plane) == 0
    here = free[:-14, 3:-3] & free[14:, 3:-3]
    a, b = (int(at) for at in numpy.argwhere(here)[0] + (0, 3))
    d.key("b")
    d.drag([plane.spot(a, b), plane.spot(a + 2, b)])
    d.wait(lambda: row("SELECT n_edits FROM scan WHERE id = ?", third)[0] == before + 2,
           "the finished stroke")
    d.drag([plane.spot(a + 12, b), plane.spot(a + 14, b)], release=False)
    d.kill()
    d.xdotool("mouseup", 1)
    labels = rows("SELECT id, n_voxels, runs FROM edit ORDER BY id")
    d.start(PROJECT)
    d.find("Axial view")
    time.sleep(1)
    tap.ok(rows("SELECT id, n_voxels, runs FROM edit ORDER BY id") == labels
           and d.cli("info", PROJECT, "--check") is not None,
           "killed in the middle of a stroke: every finished edit is there")

    # Export and report from the window
    menu("Training", "Export Round Report…")
    time.sleep(1.5)
    page = d.work / "report.html"
    d.key("ctrl+a")
    d.type(str(page))
    time.sleep(0.3)
    d.shot("report-dialog")
    d.key("Return")
    d.wait(page.exists, "the report")
    text = page.read_text()
    tap.ok("<svg" in text and "data:image/png" in text and "Model card" in text
           and str(PROJECT) not in text and "http" not in text.replace("http://www.w3.org", ""),
           f"the report stands alone: {len(text) // 1024} KiB, pictures, curves and a card")

    # A second round takes in what was signed since; then back to the first one's model
    second_signed = row("SELECT count(DISTINCT scan) FROM slice_task JOIN scan ON scan.id = scan"
                        " WHERE state = 1 AND validation = 0")[0]
    d.key("b", "ctrl+0", "g")
    time.sleep(0.5)
    plane = Plane(0)
    d.point(*plane.spot(10, 10))
    d.xdotool("click", 1)
    time.sleep(0.5)
    d.key("ctrl+Return")
    d.wait(lambda: row("SELECT count(DISTINCT scan) FROM slice_task JOIN scan ON scan.id = scan"
                       " WHERE state = 1 AND validation = 0")[0] == second_signed + 1,
           "a slice signed on another case")
    start_round(max(20, STEPS // 6), "second-dialog")
    wait_done(2)
    time.sleep(1)
    tap.ok(row("SELECT count(*) FROM round_scan WHERE round = 2 AND role = 'labelled'")[0]
           == second_signed + 1, "new sign-offs entered the second round")
    d.key("ctrl+shift+r")
    d.find("Losses", timeout=20)
    time.sleep(1.5)
    d.shot("two-rounds")
    press("Go Back to This")
    d.wait(lambda: row("SELECT value FROM setting WHERE key = 'current-model'") == ("1",),
           "the model of round 1 in use")
    time.sleep(1)
    d.shot("gone-back")
    detail = row("SELECT detail FROM event WHERE kind = 'model' ORDER BY id DESC")[0]
    tap.ok('"model":1' in detail and '"before":2' in detail, "going back is an event: " + detail)
    d.key("Escape")
    time.sleep(0.3)
    d.key("shift+p")
    d.find(part="Prediction of round 1")
    tap.ok(True, "predictions are those of round 1 again")
    tap.ok(d.close() == 0, "the window closes")
    print(f"# {time.monotonic() - began:.0f} s")
except (Exception, SystemExit) as error:  # the log says more than a trace
    import traceback
    tap.ok(False, f"the drive went through: {error}")
    print("# " + "\n# ".join(traceback.format_exc().splitlines()[-6:]))
    print("# " + "\n# ".join((d.work / "program.log").read_text(errors="replace")
                            .splitlines()[-25:]))
finally:
    d.end()
tap.finish()
