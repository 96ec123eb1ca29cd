"""Names and links in the documents exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("client/*/*.md"),
    *ROOT.glob("local/gateway/**/*.md"),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "examples/README.md",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_linked_files_exist(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text())

    assert [one for one in targets if not (document.parent / one).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_linked_sections_exist(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", document.read_text())
    sections = {
        name: _sections(document.parent / name if name else document) for name, _ in targets
    }

    assert [one for one in targets if one[1] not in sections[one[0]]] == []


def _sections(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_guarantee_names_the_tests_that_prove_it() -> None:
    guarantees = (ROOT / "docs" / "guarantees.md").read_text()
    rows = re.findall(r"^\| (?!guarantee|-)(.+) \|$", guarantees, re.MULTILINE)

    assert len(rows) >= 30
    assert [row for row in rows if not re.search(r"\| `(?:tests|client)/", row)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_named_test_exists(document: Path) -> None:
    named = re.findall(r"`((?:tests|client/\w+/test)/[\w./-]+)`", document.read_text())

    assert [one for one in named if not (ROOT / one).exists()] == []


def test_every_file_and_benchmark_of_the_own_code_table_exists() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    rows = [line for line in architecture.splitlines() if line.startswith("| ") and "`" in line]
    paths = re.findall(r"\b((?:bench|chalicelib|client|infra|local|tests)/[\w/.]+)", "".join(rows))
    benchmarks = re.findall(r"python -m bench --only (\w+)", architecture)

    assert len(rows) >= 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert set(benchmarks) <= BENCHMARKS.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_named_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))

    assert named <= targets


def test_every_setting_is_documented() -> None:
    settings = (ROOT / "chalicelib" / "settings.py").read_text()
    fields = re.findall(r"^    (\w+): (?:str|int|bool) = ", settings, re.MULTILINE)
    reference = (ROOT / "docs" / "settings.md").read_text()

    assert fields
    assert [name for name in fields if f"`{name.upper()}`" not in reference] == []
