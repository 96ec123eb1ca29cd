"""How much of each part the tests must reach, branches included.

Run after the tests: ``python -m tests.coverage_floors``. An average would let
a well-tested core hide an untested store.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLOORS = {
    "core": (("chalicelib/core/",), 95),
    "engine": (("chalicelib/engine/",), 95),
    "auth": (("chalicelib/auth/",), 98),
    "rate_limit": (("chalicelib/rate_limit/",), 95),
    "store": (("chalicelib/store/",), 90),
    "REST": (("app.py", "chalicelib/rest/"), 90),
    "schemas": (("chalicelib/schemas/",), 95),
    "api_docs": (("chalicelib/api_docs/",), 95),
    "broadcast": (("chalicelib/broadcast/",), 90),
    "websocket": (("chalicelib/websocket/",), 90),
    "telemetry": (("chalicelib/telemetry/",), 90),
    "chalice-gateway": (("local/gateway/",), 95),
    "Python client": (("client/python/",), 95),
    "everything": (("",), 92),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        subprocess.run(
            [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)], check=True
        )
        files = json.loads(report.read_text())["files"]
    short = 0
    for part, (prefixes, floor) in FLOORS.items():
        found = [one["summary"] for path, one in files.items() if path.startswith(prefixes)]
        total = sum(one["num_statements"] + one["num_branches"] for one in found)
        covered = sum(one["covered_lines"] + one["covered_branches"] for one in found)
        reached = 100 * covered / total if total else 0.0
        verdict = "" if reached >= floor else "  <- too little"
        short += bool(verdict)
        sys.stdout.write(f"{part:16} {reached:6.2f} % of at least {floor} %{verdict}\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
