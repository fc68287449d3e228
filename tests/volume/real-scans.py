#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real scans beside the project (CROSSLABEL_DATA), where they are: each opens, with nibabel's
values and affine; HDF5 files hold what their NIfTI twins hold. Speaks TAP. Arguments: scan-tool;
--full for every file instead of every tenth."""
import glob
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import nibabel as nib
import numpy as np

DATA = os.environ.get("CROSSLABEL_DATA", "")
spec = importlib.util.spec_from_file_location("files", pathlib.Path(__file__).with_name("nifti-files.py"))
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)


def info(path):
    out = subprocess.run([os.environ["CROSSLABEL"], "info", "--json", path], capture_output=True, check=True)
    return json.loads(out.stdout)


def check_nifti(step):
    paths = sorted(glob.glob(os.path.join(DATA, "*", "*.nii.gz")))[::step]
    tool = files.Tool(sys.argv[1])
    for path in paths:
        files.compare(tool, path)
    return f"{len(paths)} files"


def check_hdf5(step):
    paths = sorted(glob.glob(os.path.join(DATA, "laseg", "*.h5")))
    tool = files.Tool(sys.argv[1])
    for path in paths:
        values, affine, came_from, letters, dtype = tool.dump(path)
        twin = nib.load(path.replace(".h5", ".nii.gz"))
        assert np.abs(values - twin.get_fdata()).max() < 2e-6  # the twin keeps levels, not floats
        assert np.array_equal(affine, twin.affine) and came_from == "assumed" and letters == "LPS"
        assert dtype == "float32"
    return f"{len(paths)} files"


def check_pictures(step):
    paths = sorted(glob.glob(os.path.join(DATA, "kvasir-seg", "*", "*.jpg")))[::step]
    for path in paths:
        facts = info(path)
        assert facts["shape"] == [352, 352, 1] and facts["max"] > 100, path
    return f"{len(paths)} files"


def main():
    step = 1 if "--full" in sys.argv else 10
    checks = [check_nifti, check_hdf5, check_pictures]
    failed = False
    print(f"1..{len(checks)}")
    for number, check in enumerate(checks, 1):
        name = check.__name__[6:]
        if not os.path.isdir(DATA):
            print(f"ok {number} - {name} # SKIP the real scans are not here (CROSSLABEL_DATA)")
            continue
        try:
            print(f"ok {number} - {name} # {check(step)}")
        except Exception as error:
            failed = True
            print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
