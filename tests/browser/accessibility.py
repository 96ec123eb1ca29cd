"""Accessibility checks with axe-core, in the version that client/js/package.json pins."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Page

from tests.e2e.instances import ROOT

SCRIPT = ROOT / "client/js/node_modules/axe-core/axe.min.js"


class Axe:
    """Runs axe-core in a page, regardless of the page's content security policy."""

    def __init__(self, script: Path) -> None:
        self._script = script.read_text()

    @classmethod
    def installed(cls) -> Self:
        if not SCRIPT.exists():
            pytest.fail(
                "axe-core is not installed; run `make test-browser`, or `npm ci` in client/js"
            )
        return cls(SCRIPT)

    def violations(self, page: Page) -> list[str]:
        """Every violation of WCAG A, WCAG AA and best practices, whatever its impact."""
        page.evaluate(self._script)
        found = page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{rule['impact']} {rule['id']}: {rule['help']}: {node['html']}"
            for rule in found
            for node in rule["nodes"]
        ]
