"""`make mutants`: put faults into the core and into what guards it, and count those no test finds.

Run by the Python of build/tools-venv, where mutmut is. mutmut's settings are in
pyproject.toml; docs/mutants.md lists what survives, and why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

LEAST_PERCENT = {"chalicelib.core": 97, "chalicelib.auth": 99}
"""Of all faults so many must be found, by the package they are put into."""


def main() -> int:
    mutmut = Path(sys.executable).with_name("mutmut")
    # Each fault that survives costs a run of all tests, so properties try fewer examples.
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants"}
    children = str(os.cpu_count() or 1)
    run: list[str | Path] = [mutmut, "run", "--max-children", children]
    if (status := subprocess.run(run, env=environment, check=False).returncode) != 0:
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
