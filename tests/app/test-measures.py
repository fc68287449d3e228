#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""phantom, info and evaluate on the command line."""
import hashlib
import math
import pathlib
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


def test_phantoms_are_deterministic(folder):
    made = ok_json("phantom", "--out", folder / "a", "--count", 3, "--seed", 7)
    again = ok_json("phantom", "--out", folder / "b", "--count", 3, "--seed", 7)
    other = ok_json("phantom", "--out", folder / "c", "--count", 3, "--seed", 8)

    def hashes(answer):
        return [hashlib.sha256(open(path, "rb").read()).hexdigest()
                for pair in answer["phantoms"] for path in (pair["scan"], pair["label"])]
    assert hashes(made) == hashes(again)
    assert not set(hashes(made)) & set(hashes(other))
    assert len(set(hashes(made))) == 6
    assert sorted(path.name for path in (folder / "a").iterdir()) == [
        f"phantom_{n:03d}{suffix}.nii.gz" for n in range(3) for suffix in ("", "_label")]
    assert len(made["labels"]) in (2, 3)


def test_phantoms_are_scans(folder):
    """Each organ is there, differs from what surrounds it, and keeps its side of the body."""
    need_nibabel()
    made = ok_json("phantom", "--out", folder, "--count", 12, "--seed", 3, "--organs", 3)
    oblique = 0
    for pair in made["phantoms"]:
        scan, truth = nibabel.load(pair["scan"]), nibabel.load(pair["label"])
        assert numpy.array_equal(scan.affine, truth.affine)
        image, labels = scan.get_fdata(), numpy.asarray(truth.dataobj)
        assert set(numpy.unique(labels)) == {0, 1, 2, 3}
        body = image[image > 0.2 * numpy.median(image[labels > 0])]
        for label in (1, 2, 3):
            inside = labels == label
            assert 100 < inside.sum() < 0.2 * labels.size, (pair, label)
            assert abs(numpy.median(image[inside]) - numpy.median(body)) > 0.3 * image[inside].std()
        centre = [scan.affine @ [*numpy.argwhere(labels == label).mean(0), 1] for label in (1, 2)]
        assert centre[0][0] > centre[1][0], "the liver lies to the right of the spleen"
        linear = scan.affine[:3, :3] / numpy.linalg.norm(scan.affine[:3, :3], axis=0)
        oblique += bool((numpy.abs(linear).max(0) < 0.999).any())
        spacing = nibabel.affines.voxel_sizes(scan.affine)
        assert spacing.max() > 1.3 * spacing.min()
    assert 2 <= oblique <= 6, oblique


def test_usage(folder):
    fails("phantom", status=2)
    fails("phantom", "--out", folder, "--size", "4,4,4", status=2)
    fails("phantom", "--out", folder, "--count", 0, status=2)
    fails("phantom", "--out", folder, "--nonsense", status=2)
    (folder / "file").write_text("x")
    fails("phantom", "--out", folder / "file" / "x")
    fails("info", status=2)
    fails("info", folder / "nothing.nii")
    fails("evaluate", status=2)
    fails("evaluate", "--pred", "x", status=2)
    fails("evaluate", "--pred", "x", "--truth", "y", "--empty", "maybe", status=2)
    fails("bench", status=2)
    fails("bench", "open", status=2)


def save(path, data, affine=None):
    nibabel.save(nibabel.Nifti1Image(data, numpy.diag([2, 1, 4, 1.0]) if affine is None else affine), path)
    return path


def test_evaluate_files(folder):
    need_nibabel()
    truth = numpy.zeros((20, 20, 10), numpy.uint8)
    truth[5:15, 5:15, 2:8] = 1
    truth[16:19, 16:19, 2:8] = 3
    pred = numpy.zeros_like(truth)
    pred[6:16, 5:15, 2:8] = 1  # one voxel, 2 mm, along i
    answer = ok_json("evaluate", "--pred", save(folder / "p.nii.gz", pred),
                     "--truth", save(folder / "t.nii.gz", truth))
    one, three = answer["labels"]
    assert (one["label"], three["label"]) == (1, 3)
    assert math.isclose(one["dice"], 0.9) and math.isclose(one["jaccard"], 9 / 11)
    assert one["hd95_vox"] == 1 and one["hd95_mm"] == 2
    assert 0 < one["asd_mm"] < 2 and math.isclose(one["asd_mm"], one["assd_mm"])
    assert three["dice"] == 0 and three["hd95_mm"] is None and three["asd_vox"] is None
    answer = ok_json("evaluate", "--pred", folder / "p.nii.gz", "--truth", folder / "t.nii.gz",
                     "--empty", "128")
    assert answer["labels"][1]["hd95_mm"] == 128 and answer["labels"][1]["dice"] == 0
    answer = ok_json("evaluate", "--pred", folder / "p.nii.gz", "--truth", folder / "t.nii.gz",
                     "--empty", "zero")
    assert answer["labels"][1]["hd95_mm"] == 0
    same = ok_json("evaluate", "--pred", folder / "t.nii.gz", "--truth", folder / "t.nii.gz")
    assert all(label["dice"] == 1 and label["hd95_mm"] == 0 for label in same["labels"])


def test_evaluate_refusals(folder):
    need_nibabel()
    data = numpy.ones((6, 5, 4), numpy.uint8)
    good = save(folder / "a.nii", data)
    assert "6 × 5 × 4" in fails("evaluate", "--pred", good, "--truth", save(folder / "b.nii", data[:5]))
    moved = save(folder / "c.nii", data, numpy.diag([-2, 1, 4, 1.0]))
    assert "affine" in fails("evaluate", "--pred", good, "--truth", moved)
    grey = save(folder / "d.nii", data * 0.5)
    assert "labels" in fails("evaluate", "--pred", grey, "--truth", good)
    fails("evaluate", "--pred", folder / "none.nii", "--truth", good)


def test_evaluate_project(folder):
    made = ok_json("phantom", "--out", folder / "scans", "--count", 4, "--seed", 5, "--size", "32,30,24")
    project = folder / "p.crosslabel"
    pairs = made["phantoms"]
    ok("new", project, "--scan", *[pair["scan"] for pair in pairs], "--truth",
       *[pair["label"] for pair in pairs], "--label", "a", "b", "c", "--seed", 1)
    assert ok_json("evaluate", project)["scans"] == []
    ok("import", project, "--scan", 2, "--labels", pairs[1]["label"], "--dense")
    ok("import", project, "--scan", 3, "--labels", pairs[2]["label"], "--slices", "axial:12,c:15")
    first, second = ok_json("evaluate", project)["scans"]
    assert first["scan"] == 2 and first["what"] == "labels"
    assert first["mean"]["dice"] == 1 and first["mean"]["hd95_mm"] == 0
    assert second["scan"] == 3 and second["what"] == "signed-slices"
    assert second["mean"]["dice"] == 1 and second["mean"]["hd95_mm"] is None  # I3


if __name__ == "__main__":
    sys.exit(tap.main([test for name, test in sorted(globals().items()) if name.startswith("test_")]))
