"""A script's header documents its keys and arguments in their order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.store.script import SCRIPTS

scripts = pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.lua")), ids=lambda it: it.stem)


def header_and_body(script: Path) -> tuple[str, str]:
    text = script.read_text()
    header = re.match(r"(?:--.*\n)+", text)
    assert header is not None
    return header[0], text[header.end() :]


@scripts
@pytest.mark.parametrize("array", ["KEYS", "ARGV"])
def test_script_header_documents_keys_and_arguments(script: Path, array: str) -> None:
    header, body = header_and_body(script)
    section = re.search(rf"^-- {array} ((?:.*\n(?:--  +)?)*?)-- (?=[A-Za-z])", header, re.MULTILINE)
    documented = re.findall(r"\b(\d+) ([a-z_]+)", section[1]) if section else []
    bound: list[tuple[str, str]] = []
    for names, values in re.findall(r"^local (.+?) = (.+)$", body, re.MULTILINE):
        numbers = re.findall(rf"{array}\[(\d+)\]", values)
        if numbers:
            bound += zip(numbers, names.split(", "), strict=True)
    assert bound == documented


@scripts
def test_no_script_builds_a_key(script: Path) -> None:
    _, body = header_and_body(script)
    subjects = re.findall(r"redis\.call\('[A-Z]+', ([^,)]+)", body)
    passed_on = re.findall(r"\b(?:measure|consume)\((\w+)", body)
    assert subjects or passed_on
    keys = {"session", "events", "connections", "reply", "deadlines", "sessions", "connected"}
    keys |= {"revoked"}
    limits = {"bucket", "switches", "messages"}
    assert set(subjects + passed_on) <= keys | limits | {"channel"}
