"""`make mutants`: put faults into the core and into what guards it, and count those no test finds.

Run by the Python of build/tools-venv, where mutmut is. mutmut makes the faults, and finds out which
tests reach which function; ``fault_runs`` tries them. mutmut's settings are in pyproject.toml;
docs/mutants.md lists what survives, and why. Verdicts are kept in the folder ``mutants``: a second
run tries only what has none, or has changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

LEAST_PERCENT = {"chalicelib.core": 97, "chalicelib.auth": 99}
"""Of all faults so many must be found, by the package they are put into."""

ONE_FAULT = "chalicelib.core.soft_close.x_extend__mutmut_1"
"""mutmut only prepares everything when it runs; so it runs this."""


def main() -> int:
    mutmut = Path(sys.executable).with_name("mutmut")
    # Each fault that survives costs a run of all tests, so properties try fewer examples.
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants"}
    children = str(os.cpu_count() or 1)
    prepare: list[str | Path] = [mutmut, "run", "--max-children", children, ONE_FAULT]
    settings = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutmut"]
    tests = settings["pytest_add_cli_args_test_selection"] + settings["pytest_add_cli_args"]
    run = [sys.executable, "-m", "pytest", "--tb=native", "-p", "tests.fault_runs", *tests]
    for command, folder, output in ((prepare, ".", None), (run, "mutants", subprocess.DEVNULL)):
        status = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, check=False
        ).returncode
        if status != 0:
            return status
    results = subprocess.run(
        [mutmut, "results", "--all", "true"], capture_output=True, text=True, check=True
    )
    return report(results.stdout)


def report(results: str) -> int:
    """Print what survived and the score; 1 if it is too low, or if nothing was tried."""
    outcomes = dict(line.strip().rsplit(": ", 1) for line in results.splitlines() if ": " in line)
    for name, outcome in sorted(outcomes.items()):
        if outcome not in ("killed", "caught by type check"):
            sys.stdout.write(f"{outcome:>12}  {name}\n")
    return max(report_package(name, outcomes) for name in LEAST_PERCENT)


def report_package(package: str, outcomes: Mapping[str, str]) -> int:
    """Print the score of one package; 1 if it is too low, or if something was not tried."""
    counts = Counter(
        outcome for name, outcome in outcomes.items() if name.startswith(f"{package}.")
    )
    total = sum(counts.values())
    if total == 0 or counts["not checked"]:
        sys.stderr.write(f"{package}: mutmut has not tried every fault\n")
        return 1
    # A fault that makes a test run for ever is found; its parent notices.
    found = counts["killed"] + counts["timeout"]
    percent = 100 * found / total
    sys.stdout.write(
        f"{package}: {found} of {total} faults found: {percent:.1f} % ({dict(counts)})\n"
    )
    return percent < LEAST_PERCENT[package]


if __name__ == "__main__":
    sys.exit(main())
