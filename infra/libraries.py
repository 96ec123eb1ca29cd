"""Shared libraries, as the loader of Lambda's Linux reads them.

https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; 64 bits and
little-endian, as both of Lambda's architectures are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r"\.so(\.[\d.]+)?$")

_HEADER = struct.Struct("<18xH20xQ10xHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL_TABLE = 2
_LOADED = 0x2


class Section(NamedTuple):
    """One section of a file: what it is, and where."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    information: int
    alignment: int
    entry_size: int


def is_library(name: str) -> bool:
    return _NAME.search(name) is not None


def machine_of(library: bytes) -> int:
    """The number of the architecture it is for."""
    machine: int = _HEADER.unpack_from(library)[0]
    return machine


def without_symbols(library: bytes) -> bytes:
    """The same library, with zeros where the symbols stand that debuggers alone read.

    Nothing moves, so that nothing has to be put right; zeros take no room in a
    zip. What the loader itself looks up is in sections that it loads.
    """
    emptied = bytearray(library)
    for section in _only_for_debuggers(library):
        end = section.offset + section.size
        emptied[section.offset : end] = bytes(section.size)
    return bytes(emptied)


def _only_for_debuggers(library: bytes) -> Iterator[Section]:
    _, table, size, count, names = _HEADER.unpack_from(library)
    sections = [
        Section(*_SECTION.unpack_from(library, table + number * size)) for number in range(count)
    ]
    for section in sections:
        if section.kind == _SYMBOL_TABLE and not section.flags & _LOADED:
            yield section
            named_in = sections[section.link]
            # Unless sections are named there, too, or what the loader looks up.
            if section.link != names and not named_in.flags & _LOADED:
                yield named_in
