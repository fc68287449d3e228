#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every #include "folder/..." must point the way ARCHITECTURE.md allows. Speaks TAP."""
import pathlib
import re
import sys

ALLOWED = {
    "volume": set(),
    "render": {"volume"},
    "ui": {"volume", "render"},
    "db": {"volume"},
    "seg": set(),
    "active": {"volume"},
    "app": {"volume", "render", "ui", "db", "seg", "active"},
}
# Rooms of seg/ in the order of its own arrow; a room may include itself and those before it.
SEG_ROOMS = ["tensor", "ops", "nn", "model", "generalist", "infer", "method"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def wrong_includes(root, folder):
    allowed = ALLOWED[folder] | {folder}
    for path in sorted((root / folder).rglob("*.[ch]*")):
        if path.suffix not in {".c", ".h", ".cu", ".cuh", ".glsl"}:
            continue
        rooms = path.relative_to(root).parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or "/" not in match.group(1):
                continue
            target = pathlib.PurePosixPath(match.group(1)).parts
            where = f"{path.relative_to(root)}:{number}: {match.group(1)}"
            if target[0] not in ALLOWED:
                continue
            if folder == "seg" and target[0] == "volume" and rooms[1] == "adapter":
                continue
            if target[0] not in allowed:
                yield where
            elif folder == "seg" and len(rooms) > 2 and len(target) > 2:
                if rooms[1] == "backend" and target[1] != "backend":
                    yield where
                if rooms[1] in SEG_ROOMS and target[1] in SEG_ROOMS:
                    if SEG_ROOMS.index(target[1]) > SEG_ROOMS.index(rooms[1]):
                        yield where


def main():
    root = pathlib.Path(sys.argv[1])
    print(f"1..{len(ALLOWED)}")
    failed = False
    for number, folder in enumerate(ALLOWED, 1):
        wrong = list(wrong_includes(root, folder))
        failed = failed or bool(wrong)
        for where in wrong:
            print(f"# {where}")
        print(f"{'not ok' if wrong else 'ok'} {number} - {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
