# SPDX-License-Identifier: Apache-2.0
"""The little that a script test needs: TAP, the program under test, a folder to work in."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

CROSSLABEL = os.environ.get("CROSSLABEL", "crosslabel")


class Skip(Exception):
    """Raised by a test that cannot run here; the reason is printed."""


def run(*words, input=None, env=None, cwd=None, timeout=300, who=None):
    """The program with these words: (status, stdout, stderr). Death by a signal fails the test."""
    done = subprocess.run([CROSSLABEL, *map(str, words)], input=input, capture_output=True,
                          text=True, timeout=timeout, cwd=cwd,
                          env={**os.environ, **env} if env else None, **(who or {}))
    assert done.returncode >= 0, f"{words}: killed by signal {-done.returncode}: {done.stderr}"
    return done.returncode, done.stdout, done.stderr


def ok(*words, **more):
    status, out, err = run(*words, **more)
    assert status == 0, f"{words}: exit {status}: {err}"
    return out


def ok_json(*words, **more):
    return json.loads(ok(*words, "--json", **more))


def fails(*words, status=1, **more):
    """One clear line on standard error and this exit status; gives the line."""
    got, out, err = run(*words, **more)
    assert got == status, f"{words}: exit {got}, not {status}: {err}"
    assert err.startswith("crosslabel: ") and err.count("\n") == 1, f"{words}: {err!r}"
    return err


# Root may do everything: what an ordinary user may not is tried as nobody.
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


def nobody_can_run():
    """Whether nobody reaches the program: not from a folder of root's own."""
    try:
        return subprocess.run([CROSSLABEL, "--version"], capture_output=True, cwd="/", **NOBODY).returncode == 0
    except PermissionError:
        return False


def main(tests):
    """Runs functions that take a fresh folder each; answers the exit status."""
    print(f"1..{len(tests)}", flush=True)
    failed = False
    for number, test in enumerate(tests, 1):
        name = test.__name__.removeprefix("test_").replace("_", "-")
        with tempfile.TemporaryDirectory(prefix="crosslabel-") as folder:
            try:
                test(pathlib.Path(folder))
                print(f"ok {number} - {name}", flush=True)
            except Skip as reason:
                print(f"ok {number} - {name} # SKIP {' '.join(str(reason).split())}", flush=True)
            except Exception:
                failed = True
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}")
                print(f"not ok {number} - {name}", flush=True)
    return 1 if failed else 0
