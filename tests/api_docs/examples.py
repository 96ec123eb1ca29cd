"""The fenced examples of a document, in their order, and what it takes to meet one.

``...`` stands for what is not shown: in an object for further properties, in a
list for further elements, as a whole string for a value of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LATER = re.compile(r"\b([\d,]+) ms\s+later")
FENCED = re.compile(r"^```(http|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MORE = "..."


@dataclass(frozen=True)
class Later:
    """Time passes."""

    ms: int


@dataclass(frozen=True)
class Asked:
    """A request, and how it is answered; an answer that is left out has no body."""

    method: str
    path: str
    body: Any
    status: int
    answer: Any


@dataclass(frozen=True)
class Line:
    """A message that a client sends or receives."""

    is_sent: bool
    message: Any


Step = Later | Asked | Line


def read_examples(text: str) -> Iterator[Step]:
    """Everything that a document's examples do, in its order."""
    end, asked = 0, None
    for block in FENCED.finditer(text):
        for passed in LATER.findall(text[end : block.start()]):
            yield Later(int(passed.replace(",", "")))
        end = block.end()
        if block[1] == "json":
            yield from _lines(block[2])
            continue
        head, _, body = block[2].partition("\n\n")
        if asked is None:
            asked = (*head.split(), _read(body))
        else:
            method, path, given = asked
            yield Asked(method, path, given, int(head), _read(body))
            asked = None


def _lines(text: str) -> Iterator[Line]:
    for line in re.split(r"^(?=[<>] )", text, flags=re.MULTILINE):
        if line.strip():
            yield Line(line[0] == ">", _read(line[1:]))


def _read(text: str) -> Any:
    if not text.strip():
        return None
    in_objects = re.sub(r"\.\.\.(?=\s*})", f'"{MORE}": null', text)
    return json.loads(re.sub(r"(?<!\")\.\.\.(?=\s*\])", f'"{MORE}"', in_objects))


def differences(shown: Any, real: Any, at: str = "") -> list[str]:
    """Where something real is otherwise than it is shown."""
    if shown == MORE:
        return [] if real else [f"{at} is missing"]
    if isinstance(shown, dict) and isinstance(real, dict):
        names = {*shown, *real} if MORE not in shown else {*shown} - {MORE}
        return [
            one
            for name in sorted(names)
            for one in differences(
                shown.get(name, "nothing"), real.get(name, "nothing"), f"{at}.{name}"
            )
        ]
    if isinstance(shown, list) and isinstance(real, list):
        if shown[-1:] == [MORE]:
            real, shown = real[: len(shown) - 1], shown[:-1]
        if len(shown) != len(real):
            return [f"{at} has {len(real)} elements"]
        pairs = enumerate(zip(shown, real, strict=True))
        return [one for place, pair in pairs for one in differences(*pair, at=f"{at}.{place}")]
    return [] if shown == real else [f"{at} is {real!r}, not {shown!r}"]
