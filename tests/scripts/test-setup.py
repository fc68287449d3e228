#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/setup.sh against machines that are not this one: dpkg-query, apt-get, sudo, id, meson and
ninja are small stand-ins that write down how they were called. And scripts/count-tests.py."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Machine:
    """A folder of stand-ins that comes first in PATH."""

    def __init__(self, folder, uid=0, missing=(), sudo=None, apt="exit 0"):
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "calls"
        self.log.write_text("")
        self.put("id", f'[ "$1" = -u ] && echo {uid}')
        gone = "|".join(missing) or "nothing"
        self.put("dpkg-query", 'shift 3; for p; do case "$p" in ' + gone
                 + ') echo "no packages found matching $p" >&2;; -f*|*Abbrev*) ;;'
                 + ' *) echo "ii $p";; esac; done')
        self.put("apt-get", apt)
        if sudo is not None:
            self.put("sudo", sudo)

    def put(self, name, body):
        file = self.bin / name
        file.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.log}\n{body}\n')
        file.chmod(0o755)

    def run(self, lists="build run"):
        # Only the stand-ins and what the shell needs: this machine's sudo is out of sight.
        tools = self.bin.parent / "tools"
        tools.mkdir(exist_ok=True)
        for tool in ("bash", "sed", "tr", "grep", "env", "sleep", "cat", "tail", "true"):
            path = tools / tool
            if not path.exists():
                path.symlink_to(subprocess.check_output(["which", tool], text=True).strip())
        script = f'set -eu; here={ROOT}; . {ROOT}/scripts/setup.sh; setup_packages {lists}'
        done = subprocess.run(["bash", "-c", script], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60,
                              env={"PATH": f"{self.bin}:{tools}", "HOME": "/nonexistent"})
        assert done.stdout == "", done.stdout  # standard output is the program's
        return done.returncode, done.stderr, self.log.read_text().splitlines()


SUDO_WORKS = 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"'
SUDO_ASKS = 'if [ "$1" = -n ]; then exit 1; fi; echo ASKED >&2; exit 1'


def apt_calls(calls):
    return [c for c in calls if c.startswith("apt-get")]


def test_nothing_missing(folder):
    status, err, calls = Machine(folder, uid=1000).run()
    assert status == 0 and not apt_calls(calls) and err == "", (status, err, calls)


def test_root_installs(folder):
    status, err, calls = Machine(folder, missing=["meson", "glslc"]).run()
    assert status == 0, err
    update, install = apt_calls(calls)
    assert "update" in update and install.endswith("--no-install-recommends meson glslc"), calls
    assert "DPkg::Lock::Timeout=" in install and " -y " in install


def test_sudo_installs(folder):
    machine = Machine(folder, uid=1000, missing=["meson"], sudo=SUDO_WORKS)
    status, err, calls = machine.run()
    assert status == 0 and len(apt_calls(calls)) == 2, (err, calls)
    assert all(c.startswith("sudo -n") for c in calls if c.startswith("sudo")), calls


def test_no_question_without_terminal(folder):
    machine = Machine(folder, uid=1000, missing=["meson", "libgtk-4-dev"], sudo=SUDO_ASKS)
    status, err, calls = machine.run()
    assert status == 1 and "ASKED" not in err and not apt_calls(calls), (status, err, calls)
    assert "apt-get install -y --no-install-recommends meson libgtk-4-dev\n" in err, err


def test_no_sudo(folder):
    status, err, calls = Machine(folder, uid=1000, missing=["xvfb"]).run("check")
    assert status == 1 and not apt_calls(calls)
    assert "sudo apt-get install -y --no-install-recommends xvfb\n" in err, err


def test_failing_update_is_tolerated(folder):
    apt = 'case "$*" in *update*) echo "E: no network" ; exit 100;; esac'
    status, err, calls = Machine(folder, missing=["meson"], apt=apt).run()
    assert status == 0 and "going on" in err and len(apt_calls(calls)) == 2, (status, err)


def test_busy_lists_are_waited_for(folder):
    flag = folder / "once"
    apt = (f'case "$*" in *update*) if [ ! -e {flag} ]; then : >{flag};'
           ' echo "E: Could not get lock /var/lib/apt/lists/lock."; exit 100; fi;; esac')
    machine = Machine(folder, missing=["meson"], apt=apt)
    status, err, calls = machine.run()
    assert status == 0 and "waiting" in err and len(apt_calls(calls)) == 3, (status, err, calls)


def test_failing_install(folder):
    apt = 'case "$*" in *install*) echo "E: Unable to locate package" >&2; exit 100;; esac'
    status, err, _ = Machine(folder, missing=["meson"], apt=apt).run()
    assert status == 1 and "--no-install-recommends meson" in err.splitlines()[-1], err


def count(folder, *tests, broken=0):
    log = folder / "testlog.json"
    log.write_text("".join(json.dumps(t) + "\n" for t in tests))
    done = subprocess.run([sys.executable, ROOT / "scripts" / "count-tests.py", "--broken",
                           str(broken), log], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()[-1]


def result(stdout, result="OK", code=0):
    return {"name": "t", "stdout": stdout, "result": result, "returncode": code}


def test_count(folder):
    good = result("1..3\nok 1 a\nok 2 b # SKIP no\nok 3 c\n")
    assert count(folder, good) == (0, "2 passed, 0 failed, 1 skipped")
    assert count(folder, good, result("1..2\nok 1\nnot ok 2\n", "FAIL", 1)) == (
        1, "3 passed, 1 failed, 1 skipped")
    # A program that dies after good lines.
    assert count(folder, result("1..3\nok 1\nok 2\n", "ERROR", -6)) == (
        1, "2 passed, 1 failed, 0 skipped")
    # One that dies after a bad line: the bad line and the death.
    assert count(folder, result("1..3\nnot ok 1\n", "ERROR", -11)) == (
        1, "0 passed, 2 failed, 0 skipped")
    assert count(folder, result("1..3\nok 1\nok 2\nok 3\n", "TIMEOUT", -9)) == (
        1, "3 passed, 1 failed, 0 skipped")
    assert count(folder, result("", "OK")) == (0, "1 passed, 0 failed, 0 skipped")
    assert count(folder, result("", "SKIP", 77)) == (1, "0 passed, 0 failed, 1 skipped")
    assert count(folder, good, broken=1) == (1, "2 passed, 1 failed, 1 skipped")


if __name__ == "__main__":
    sys.exit(tap.main([test_nothing_missing, test_root_installs, test_sudo_installs,
                       test_no_question_without_terminal, test_no_sudo,
                       test_failing_update_is_tolerated, test_busy_lists_are_waited_for,
                       test_failing_install, test_count]))
