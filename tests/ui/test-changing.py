#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Going from case to case again and again: what the program holds in memory does not grow. A scan that
stays behind with each change is seen four times over."""
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402

drive.inside_display(os.path.abspath(__file__))

import project  # noqa: E402

N_WARM, N_CHANGES = 8, 40
SIZE = (128, 128, 80)
SCAN_MIB = 2 * SIZE[0] * SIZE[1] * SIZE[2] / 2**20

tap = drive.Tap()
d = drive.Driver()
p = project.Project(d, "Rounds", 4, size="%d,%d,%d" % SIZE)


def resident_mib():
    pages = int(pathlib.Path(f"/proc/{d.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def change(n):
    """To the next case or back, until its name is in the title. Gives the name."""
    before = d.title()
    d.key("n" if n % 2 == 0 else "shift+n")
    return d.wait(lambda: d.title() not in ("", before) and d.title(), f"another case, change {n}")


try:
    d.start(p.path)
    d.find("Axial view")
    d.wait(d.title, "the first case")
    seen, names = [], set()
    for n in range(N_CHANGES):
        names.add(change(n))
        d.settle()
        seen.append(resident_mib())
    first = statistics.median(seen[N_WARM:N_WARM + 8])
    last = statistics.median(seen[-8:])
    n_between = N_CHANGES - 8 - N_WARM
    print(f"# resident {seen[0]:.0f} MiB after the first change, {first:.1f} early, {last:.1f} late")
    tap.ok(len(names) >= 2, f"{N_CHANGES} changes between {', '.join(sorted(names))}")
    tap.ok(last - first < 0.25 * n_between * SCAN_MIB,
           f"{last - first:.1f} MiB more after {n_between} changes; a scan has {SCAN_MIB:.1f}")
    tap.ok(d.close() == 0, "the window closes")
except Exception as error:
    tap.ok(False, f"the drive went through: {error}")
    d.tell_log()
finally:
    d.end()
tap.finish()
