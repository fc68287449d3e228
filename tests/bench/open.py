#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opening a gzipped 512 × 512 × 300 int16 scan, beside nibabel and numpy on the same file in the
same run. One JSON line. Usage: open.py CROSSLABEL [FILE]"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import nibabel as nib
import numpy as np


def make_scan(path):
    """Smooth shapes and noise: compresses to about half, as scans do."""
    rng = np.random.default_rng(0)
    x, y, z = np.ogrid[:512, :512, :300]
    body = (((x - 256) / 200.0) ** 2 + ((y - 256) / 160.0) ** 2 < 1) * 1000.0
    data = np.empty((512, 512, 300), np.int16)
    for k in range(300):
        noise = rng.normal(scale=12, size=(512, 512))
        data[:, :, k] = body[:, :, 0] + 300 * np.sin(x[:, :, 0] / 30 + k / 20) * (body[:, :, 0] > 0) + noise - 1000
    nib.save(nib.Nifti1Image(data, np.diag([0.7, 0.7, 1.0, 1])), path)


def time_nibabel(path, as_float):
    """In a process of its own, for its memory."""
    code = ("import nibabel, numpy, sys, time, resource\n"
            "best = []\n"
            "for _ in range(5):\n"
            "    began = time.monotonic()\n"
            "    image = nibabel.load(sys.argv[1])\n"
            f"    data = {'image.get_fdata()' if as_float else 'numpy.asarray(image.dataobj)'}\n"
            "    best.append(time.monotonic() - began)\n"
            "    del data, image\n"
            "print(sorted(best)[2], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)")
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True, text=True)
    return tuple(float(word) for word in out.stdout.split())


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(folder, "scan.nii.gz")
        if len(sys.argv) <= 2:
            make_scan(path)
        open(path, "rb").read()
        ours = json.loads(subprocess.run([sys.argv[1], "bench", "open", path], capture_output=True,
                                         check=True, text=True).stdout)
        as_int, int_mib = time_nibabel(path, False)
        as_float, float_mib = time_nibabel(path, True)
        compressed = os.path.getsize(path) / 2**20
        print(json.dumps({
            "bench": "open", "seconds": ours["seconds"], "nibabel_seconds": as_int,
            "nibabel_float64_seconds": as_float, "ratio": as_int / ours["seconds"],
            "stored_mib": ours["stored_mib"], "compressed_mib": compressed,
            "peak_rss_mib": ours["peak_rss_mib"],
            "allowed_mib": 1.1 * (ours["stored_mib"] + compressed),
            "nibabel_peak_rss_mib": int_mib}))


if __name__ == "__main__":
    main()
