#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From phantoms to exported labels on the command line: phantom, info, new, edit, import, export."""
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap
from tap import fails, ok, ok_json

try:
    import nibabel
    import numpy
except ImportError:
    nibabel = None


def need_nibabel():
    if nibabel is None:
        raise tap.Skip("python3-nibabel is not installed")


def voxels(path):
    return numpy.asanyarray(nibabel.load(path).dataobj)


def make_project(folder, count=3, *more):
    ok("phantom", "--out", folder / "scans", "--count", count, "--seed", 5, "--size", "32,30,24")
    scans = sorted((folder / "scans").glob("phantom_???.nii.gz"))
    truths = sorted((folder / "scans").glob("phantom_???_label.nii.gz"))
    project = folder / "p.crosslabel"
    ok("new", project, "--scan", *scans, "--truth", *truths, "--label", "a", "b=#112233", "c",
       "--seed", 1, *more)
    return project, scans, truths


def test_new_and_info(folder):
    project, scans, _ = make_project(folder, 12)
    info = ok_json("info", project)
    assert info["kind"] == "project" and len(info["scans"]) == 12
    assert [l["name"] for l in info["labels"]] == ["a", "b", "c"]
    assert info["labels"][1]["colour"] == "#112233"
    chosen = [s["id"] for s in info["scans"] if s["validation"]]
    assert len(chosen) == 2, chosen  # I6: max (2, 10 %)
    assert all(not os.path.isabs(s["path"]) for s in info["scans"])  # I10
    again = folder / "again"
    ok("new", again, "--scan", *scans, "--label", "a", "--seed", 1)
    info = ok_json("info", again)  # found as again.crosslabel
    assert chosen == [s["id"] for s in info["scans"] if s["validation"]]
    other = {tuple(s["id"] for s in ok_json(
        "new", folder / f"s{seed}", "--scan", *scans, "--label", "a", "--seed", seed)["scans"]
        if s["validation"]) for seed in range(8)}
    assert len(other) > 3, other


def test_edit_to_export(folder):
    need_nibabel()
    project, scans, _ = make_project(folder)
    script = ("scan 1\nbox 2 1,2,3 4,6,8\nset 1 5,5,5 # one voxel\nsign axial 5\n"
              "set 3 0,0,0\nundo\n")
    out = ok("edit", project, "--script", "-", input=script)
    assert out.splitlines()[1] == "ok 2 edit 1 voxels 120", out
    result = ok_json("export", project, "--out", folder / "out")
    assert result["exported"] == 1 and result["skipped"] == 2
    labels = nibabel.load(folder / "out" / "phantom_000_labels.nii.gz")
    scan = nibabel.load(scans[0])
    expected = numpy.zeros(scan.shape, int)
    expected[1:5, 2:7, 3:9] = 2
    expected[5, 5, 5] = 1
    assert (voxels(folder / "out" / "phantom_000_labels.nii.gz") == expected).all()
    for field in ("pixdim", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b",
                  "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "xyzt_units"):
        assert (labels.header[field] == scan.header[field]).all(), field  # I5
    mask = voxels(folder / "out" / "phantom_000_domain.nii.gz")
    axis = [i for i, c in enumerate(nibabel.aff2axcodes(scan.affine)) if c in "SI"][0]
    inside = numpy.take(mask, 5, axis)
    assert inside.all() and mask.sum() == inside.size  # I3


def test_free_text_stays_home(folder):
    need_nibabel()
    folder.joinpath("scans").mkdir()
    data = numpy.arange(6 * 7 * 8, dtype=numpy.int16).reshape(6, 7, 8)
    image = nibabel.Nifti1Image(data, numpy.diag([2, 2, 3, 1]))
    image.header["descrip"] = b"PATIENT^NAME"
    image.header["aux_file"] = b"secret"
    image.header["db_name"] = b"secret"
    path = folder / "scans" / "x.nii.gz"
    nibabel.save(image, path)
    ok("new", folder / "p", "--scan", path, "--label", "a")
    ok("edit", folder / "p", "--script", "-", input="scan x\nset 1 1,1,1\ncomplete\n")
    for style in ("nifti", "nnunet"):
        ok("export", folder / "p", "--out", folder / style, "--format", style)
        for file in (folder / style).rglob("*.nii.gz"):
            raw = gzip.decompress(file.read_bytes())
            assert b"PATIENT" not in raw and b"secret" not in raw, file  # I5, I10
    image = voxels(folder / "nnunet" / "imagesTr" / "x_0000.nii.gz")
    assert (image == data).all() and image.dtype == data.dtype


def test_nnunet(folder):
    need_nibabel()
    project, scans, truths = make_project(folder)
    ok("import", project, "--scan", 2, "--labels", truths[1], "--slices", "a:12,c:15,s:16")
    ok("import", project, "--scan", 3, "--labels", truths[2])  # a draft: no domain
    result = ok_json("export", project, "--out", folder / "n", "--format", "nnunet")
    assert result["exported"] == 1
    dataset = json.loads((folder / "n" / "dataset.json").read_text())
    assert dataset["labels"] == {"background": 0, "a": 1, "b": 2, "c": 3, "ignore": 4}
    assert dataset["numTraining"] == 1 and dataset["file_ending"] == ".nii.gz"
    labels = voxels(folder / "n" / "labelsTr" / "phantom_001.nii.gz")
    truth = voxels(truths[1])
    codes = nibabel.aff2axcodes(nibabel.load(scans[1]).affine)
    domain = numpy.zeros(labels.shape, bool)
    for letters, index in (("SI", 12), ("AP", 15), ("RL", 16)):
        axis = [i for i, c in enumerate(codes) if c in letters][0]
        domain[tuple(index if a == axis else slice(None) for a in range(3))] = True
    assert (labels[domain] == truth[domain]).all() and (labels[~domain] == 4).all()  # I3


def test_import_states(folder):
    need_nibabel()
    project, scans, truths = make_project(folder)
    result = ok_json("import", project, "--scan", "phantom_000", "--labels", truths[0], "--dense")
    assert result["complete"] and result["voxels"] == (voxels(truths[0]) != 0).sum()
    again = ok_json("import", project, "--scan", 1, "--labels", truths[0], "--dense")
    assert again["edit"] == 0 and again["voxels"] == 0
    ok("export", project, "--out", folder / "o")
    assert (voxels(folder / "o" / "phantom_000_labels.nii.gz") == voxels(truths[0])).all()
    fails("import", project, "--scan", 2, "--labels", truths[0], "--slices", "a:999")
    assert "grid" in fails("import", project, "--scan", 2, "--labels", shrink(truths[1], folder))
    high = nibabel.Nifti1Image(numpy.full(voxels(truths[1]).shape, 9, numpy.uint8),
                               nibabel.load(truths[1]).affine)
    nibabel.save(high, folder / "high.nii.gz")
    assert "9" in fails("import", project, "--scan", 2, "--labels", folder / "high.nii.gz")


def shrink(path, folder):
    image = nibabel.load(path)
    smaller = folder / "smaller.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels(path)[1:], image.affine), smaller)
    return smaller


def test_changed_source(folder):
    project, scans, _ = make_project(folder)
    ok("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\nscan 2\nset 1 1,1,1\n")
    shutil.copy(scans[2], scans[1])
    assert "changed" in fails("export", project, "--out", folder / "o")  # I1
    assert list((folder / "o").iterdir()) == []
    scans[1].unlink()
    assert "not where it was" in fails("export", project, "--out", folder / "o")


def test_moved_source(folder):
    project, scans, _ = make_project(folder)
    ok("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\n")
    (folder / "elsewhere" / "deep").mkdir(parents=True)
    shutil.move(scans[0], folder / "elsewhere" / "deep" / scans[0].name)
    ok("export", project, "--out", folder / "o")
    paths = [s["path"] for s in ok_json("info", project)["scans"]]
    assert paths[0] == "../elsewhere/deep/phantom_000.nii.gz", paths
    shutil.move(folder / "scans", folder / "moved" / "scans")  # project and scans together
    shutil.move(folder / "elsewhere", folder / "moved" / "elsewhere")
    shutil.move(project, folder / "moved" / "p.crosslabel")
    ok("export", folder / "moved" / "p.crosslabel", "--out", folder / "o2")


def test_wrong_words(folder):
    project, scans, truths = make_project(folder)
    fails("new", folder / "q", status=2)
    fails("new", folder / "q", "--scan", *scans, status=2)
    fails("new", folder / "q", "--scan", *scans, "--truth", truths[0], "--label", "a", status=2)
    fails("new", folder / "q", "--scan", scans[0], scans[0], "--label", "a")
    fails("new", folder / "q", "--scan", folder / "none.nii", "--label", "a")
    fails("new", folder / "q", "--scan", *scans, "--label", "a", "--validation", 3)
    fails("new", project, "--scan", *scans, "--label", "a")
    fails("new", folder / "q", "--scan", *scans, "--label", "a=#12345g")
    fails("new", folder / "nowhere" / "q", "--scan", *scans, "--label", "a")
    assert not list(folder.glob("*q*")), list(folder.iterdir())  # whole or not at all
    for line in ("scan 9", "box 1 0,0,0 1,1,1", "scan 1\nbox 7 0,0,0 1,1,1", "scan 1\nbox 1 a b",
                 "scan 1\nbrush 1 axial 5000 3 1,1", "scan 1\nbrush 1 axial 5 -3 1,1",
                 "scan 1\nundo", "scan 1\njump 55", "scan 1\nrevert 55", "dance", "scan",
                 "scan 1\nsign up 3", "scan 1\nset 1 99999999999,0,0"):
        fails("edit", project, "--script", "-", input=line + "\n")
    fails("edit", project, "--script", folder / "none")
    fails("edit", scans[0], "--script", "-", input="")
    fails("edit", folder, "--script", "-", input="")
    fails("export", project, "--out", folder / "o")  # nothing labelled
    fails("export", project, "--out", folder / "o", "--format", "dicom", status=2)
    fails("info", folder)
    fails("info", folder / "none.crosslabel")


def test_locked_label(folder):
    project, _, _ = make_project(folder)
    ok("edit", project, "--script", "-", input="scan 1\nbox 1 0,0,0 3,3,3\nlock 1\n")
    out = ok("edit", project, "--script", "-", input="scan 1\nbox 2 2,2,2 5,5,5\n")
    assert "voxels 56" in out, out  # 4³ without the 2³ that label 1 keeps (I4)
    assert "locked" in fails("edit", project, "--script", "-", input="scan 1\nundo\nundo\n")


def test_second_writer(folder):
    project, _, _ = make_project(folder)
    first = subprocess.Popen([tap.CROSSLABEL, "edit", project, "--script", "-"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first.stdin.write("scan 1\n")
    first.stdin.flush()
    first.stdout.readline()
    assert f"process {first.pid} on " in fails("edit", project, "--script", "-", input="")
    ok("info", project)  # reading is welcome
    first.stdin.write("set 1 2,2,2\n")
    first.stdin.close()
    assert "edit 1" in first.stdout.read()
    assert first.wait() == 0
    first.stdout.close()


def test_export_keeps_what_is_there(folder):
    project, _, _ = make_project(folder)
    ok("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\n")
    (folder / "o").mkdir()
    (folder / "o" / "mine.txt").write_text("mine")
    ok("export", project, "--out", folder / "o")
    first = (folder / "o" / "phantom_000_labels.nii.gz").read_bytes()
    ok("export", project, "--out", folder / "o")
    assert first == (folder / "o" / "phantom_000_labels.nii.gz").read_bytes()
    assert sorted(p.name for p in (folder / "o").iterdir()) == [
        "labels.label", "mine.txt", "phantom_000_domain.nii.gz", "phantom_000_labels.nii.gz"]
    (folder / "file").write_text("")
    fails("export", project, "--out", folder / "file")


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of this size; needs the right to mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise tap.Skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_disk(folder):
    project, scans, _ = make_project(folder)
    ok("edit", project, "--script", "-",
       input="scan 1\n" + "".join(f"set 1 {i},{i % 7},{i % 5}\n" for i in range(30)))
    with small_disk(folder / "small", "4k") as small:
        assert "space" in fails("export", project, "--out", small / "o").lower()
        left = [p for p in small.rglob("*")]
        assert left in ([], [small / "o"]), left  # nothing half-written
    with small_disk(folder / "disk", "800k") as disk:
        shutil.copy(scans[0], disk / "a.nii.gz")
        ok("new", disk / "p", "--scan", disk / "a.nii.gz", "--label", "a", "b")
        lines = "".join(f"box {1 + n % 2} 0,0,{n % 20} 20,20,{n % 20}\nset {1 + n % 2} "
                        + " ".join(f"{i},{j},3" for i in range(n % 2, 30, 2) for j in range(30))
                        + "\n" for n in range(400))
        status, out, err = tap.run("edit", disk / "p", "--script", "-", input="scan 1\n" + lines)
        assert status == 1 and "space" in err, (status, err)
        acked = [line for line in out.splitlines() if " edit " in line]
        info = ok_json("info", disk / "p", "--check")
        assert info["scans"][0]["edits"] == len(acked) > 10, (info["scans"][0]["edits"], len(acked))


def test_no_permission(folder):
    if not tap.nobody_can_run():
        raise tap.Skip("the program lies where only root may run it")
    project, scans, _ = make_project(folder)
    for path in [project, *project.iterdir()]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)
    who = {"cwd": "/", "env": {"HOME": "/nonexistent"}, "who": tap.NOBODY}
    try:
        ok("info", project, **who)
        fails("edit", project, "--script", "-", input="scan 1\nset 1 1,1,1\n", **who)
        fails("export", project, "--out", folder / "not-mine" / "o", **who)
        fails("phantom", "--count", "1", "--seed", "1", "--out", project, **who)
        scans[0].chmod(0)
        assert "ermission" in fails("info", scans[0], **who)
        fails("new", folder / "q", "--scan", scans[1], "--label", "a", **who)
    finally:
        folder.chmod(0o700)
        project.chmod(0o700)


if __name__ == "__main__":
    sys.exit(tap.main([test_new_and_info, test_edit_to_export, test_free_text_stays_home,
                       test_nnunet, test_import_states, test_changed_source, test_moved_source,
                       test_wrong_words, test_locked_label, test_second_writer,
                       test_export_keeps_what_is_there, test_full_disk, test_no_permission]))
