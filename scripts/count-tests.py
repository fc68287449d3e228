#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints 'N passed, N failed, N skipped' from meson's JUnit log; exit 1 if any failed or none ran."""
import sys
import xml.etree.ElementTree as ET


def main():
    passed = failed = skipped = 0
    for suite in ET.parse(sys.argv[1]).getroot().iter("testsuite"):
        cases = list(suite.iter("testcase"))
        bad = 0
        for case in cases:
            if case.find("failure") is not None or case.find("error") is not None:
                bad += 1
            elif case.find("skipped") is not None:
                skipped += 1
            else:
                passed += 1
        # A program that dies reports fewer cases than it has; the suite's own count says so.
        failed += max(bad, int(suite.get("errors", 0)) + int(suite.get("failures", 0)))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
