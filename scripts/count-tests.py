#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints 'N passed, N failed, N skipped' from meson's testlog.json files (one JSON object a line).

A TAP program counts as its lines; a program that dies, times out or leaves lines out counts as one
more failure, whatever it said before. Exit 1 if anything failed or nothing passed."""
import argparse
import json
import re
import sys

LINE = re.compile(r"^(not )?ok\b(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
GOOD = {"OK", "EXPECTEDFAIL"}


def count_lines(text):
    """(passed, failed, skipped, lines promised and not said)"""
    passed = failed = skipped = planned = 0
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
        match = LINE.match(line)
        if not match:
            continue
        if re.search(r"#\s*SKIP", match.group(2), re.IGNORECASE):
            skipped += 1
        elif match.group(1):
            failed += not re.search(r"#\s*TODO", match.group(2), re.IGNORECASE)
        else:
            passed += 1
    return passed, failed, skipped, max(0, planned - passed - failed - skipped)


def count_test(test):
    passed, failed, skipped, unsaid = count_lines(test.get("stdout") or "")
    result = test["result"]
    if result == "SKIP":
        # meson calls a TAP program skipped when every line of it is.
        return passed, failed, max(skipped, 1)
    if result in GOOD:
        return (passed, failed, skipped) if passed + failed + skipped else (1, 0, 0)
    # A program that ended by itself has said what failed; any other died on its way.
    if not failed or unsaid or test.get("returncode", -1) < 0 or result in ("TIMEOUT", "INTERRUPT"):
        failed += 1
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--broken", type=int, default=0, help="builds that failed")
    parser.add_argument("logs", nargs="*")
    args = parser.parse_args()
    total = [0, args.broken, 0]
    for log in args.logs:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.strip():
                    test = json.loads(line)
                    counts = count_test(test)
                    total = [a + b for a, b in zip(total, counts)]
                    if counts[1]:
                        print(f"failed: {test['name']} ({test['result']})")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
