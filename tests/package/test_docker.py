"""hadolint has no objection to the Dockerfile."""

from __future__ import annotations

import subprocess

from infra.packaging import ROOT, linters


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run(
        [linters() / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
