# SPDX-License-Identifier: Apache-2.0
"""What a project has on the disk, as the command line tells it while the window is open."""
import shutil

import drive
import nibabel
import numpy


class Project:
    def __init__(self, driver, name, n_scans, size="96,80,40", validation=2):
        """A new project of phantoms with two labels."""
        self.d = driver
        self.phantoms = driver.work / "phantoms"
        driver.cli("phantom", "--out", self.phantoms, "--count", n_scans, "--seed", 3,
                   "--organs", 2, "--size", size)
        self.path = driver.work / f"{name}.crosslabel"
        self.scans = sorted(p for p in self.phantoms.glob("*.nii.gz") if "_label" not in p.name)
        driver.cli("new", self.path, *[a for s in self.scans for a in ("--scan", s)],
                   "--label", "liver", "--label", "kidney", "--validation", validation,
                   "--seed", 1)

    def info(self):
        return drive.json_of(self.d.cli("info", self.path, "--json"))

    def case(self, name):
        return next(s for s in self.info()["scans"] if s["name"] == name)

    def image(self, name):
        return nibabel.load(self.phantoms / f"{name}.nii.gz")

    def truth(self, name):
        return nibabel.load(self.phantoms / f"{name}_label.nii.gz").get_fdata().astype(int)

    def labels(self, name):
        """The case's labels once the last gesture is committed. Only a case that stands before its
        first edit and has no domain may be missing in what is exported."""
        self.d.settle()
        case = self.case(name)
        if case["head"] == 0 and not case["complete"] \
                and not any(s["signed"] for s in case["slices"]):
            return numpy.zeros(case["shape"], int)
        folder = self.d.work / "out"
        shutil.rmtree(folder, ignore_errors=True)
        self.d.cli("export", self.path, "--out", folder)
        return nibabel.load(folder / f"{name}_labels.nii.gz").get_fdata().astype(int)
