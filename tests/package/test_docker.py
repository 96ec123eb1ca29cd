"""The Dockerfile, checked by hadolint."""

from __future__ import annotations

import subprocess

from infra.packaging import ROOT, linters_bin


def test_hadolint_accepts_the_dockerfile() -> None:
    done = subprocess.run(
        [linters_bin() / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
