#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schema, desktop file, metainfo, POTFILES and translations are what their tools accept."""
import pathlib
import re
import shutil
import subprocess
import sys

root, desktop, metainfo = (pathlib.Path(p) for p in sys.argv[1:4])
results = []


def run(name, *command):
    if shutil.which(command[0]) is None:
        results.append((True, f"{name} # SKIP {command[0]} is not installed"))
        return
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    results.append((done.returncode == 0, name))
    if done.returncode:
        for line in (done.stdout + done.stderr).splitlines():
            results.append((None, line))


run("schema", "glib-compile-schemas", "--strict", "--dry-run", root / "resources")
run("desktop file", "desktop-file-validate", desktop)
run("metainfo", "appstreamcli", "validate", "--no-net", metainfo)

listed = set((root / "po" / "POTFILES").read_text().split())
found = set()
for folder in ("ui", "app"):
    for path in (root / folder).glob("*.c"):
        if re.search(r"\b(N?_|g_dngettext) \(", path.read_text()):
            found.add(path.relative_to(root).as_posix())
for path in (root / "resources").rglob("*"):
    if path.suffix == ".ui" or path.name.endswith((".desktop.in", ".metainfo.xml.in")):
        found.add(path.relative_to(root).as_posix())
results.append((found <= listed, f"POTFILES lists every file with words, missing: "
                f"{sorted(found - listed)}"))
for language in ("de", "zh_CN"):
    po = root / "po" / f"{language}.po"
    run(f"{language} can be compiled", "msgfmt", "--check", "-o", "/dev/null", po)
    if shutil.which("msgfmt"):
        told = subprocess.run(["msgfmt", "--statistics", "-o", "/dev/null", str(po)],
                              capture_output=True, text=True, check=False).stderr
        results.append(("fuzzy" not in told and "untranslated" not in told,
                        f"{language} is complete: {told.strip()}"))

number = 0
for ok, name in results:
    if ok is None:
        print(f"# {name}")
        continue
    number += 1
    print(f"{'ok' if ok else 'not ok'} {number} - {name}")
print(f"1..{number}")
sys.exit(0 if all(ok is not False for ok, _ in results) else 1)
