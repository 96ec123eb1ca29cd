"""axe-core, which finds accessibility faults, as the browser client's package.json pins it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Page

from tests.e2e.instances import ROOT

SCRIPT = ROOT / "client/js/node_modules/axe-core/axe.min.js"


class Axe:
    """Runs axe-core in a page, past whatever policy the page has."""

    def __init__(self, script: Path) -> None:
        self._script = script.read_text()

    @classmethod
    def installed(cls) -> Self:
        if not SCRIPT.exists():
            pytest.fail("axe-core is not installed: `make test-browser`, or `npm ci` in client/js")
        return cls(SCRIPT)

    def faults(self, page: Page) -> list[str]:
        """Every violation of WCAG's A and AA rules and of good practice, gravest or not."""
        page.evaluate(self._script)
        found = page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{fault['impact']} {fault['id']}: {fault['help']}: {node['html']}"
            for fault in found
            for node in fault["nodes"]
        ]
