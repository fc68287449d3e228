#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every shader module must be valid SPIR-V for Vulkan 1.2. Speaks TAP."""
import pathlib
import subprocess
import sys


def main():
    validator, modules = sys.argv[1], sys.argv[2:]
    print(f"1..{len(modules)}")
    failed = not modules
    for number, module in enumerate(modules, 1):
        result = subprocess.run(
            [validator, "--target-env", "vulkan1.2", module], capture_output=True, text=True
        )
        words = (result.stdout + result.stderr).strip()
        good = result.returncode == 0 and not words
        failed = failed or not good
        for line in words.splitlines():
            print(f"# {line}")
        print(f"{'ok' if good else 'not ok'} {number} - {pathlib.Path(module).name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
