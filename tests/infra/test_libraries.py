"""A library is smaller in a zip without its symbols, and does what it did."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from infra.libraries import is_library, machine_of, without_symbols

SYMBOLS, STRINGS, LOADED = 2, 3, 0x2
TABLE_AT, CONTENT_AT = 64, 512
CONTENT = b"16 bytes of text"


def library(*sections: tuple[int, int, int], names: int = 0) -> bytes:
    """A file of sections, each of one kind, with flags, and linked to another."""
    head = bytearray(TABLE_AT)
    place_of_sections = (TABLE_AT, 64, len(sections), names)
    struct.pack_into("<4s14xH20xQ10xHHH", head, 0, b"\x7fELF", 62, *place_of_sections)
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, flags, 0, CONTENT_AT + 16 * place, 16, link, 0, 1, 0)
        for place, (kind, flags, link) in enumerate(sections)
    )
    return (bytes(head) + table).ljust(CONTENT_AT, b"\0") + CONTENT * len(sections)


def emptied(*sections: tuple[int, int, int], names: int = 0) -> list[int]:
    before = library(*sections, names=names)
    after = without_symbols(before)
    assert (len(after), after[:CONTENT_AT]) == (len(before), before[:CONTENT_AT])
    found = [after[CONTENT_AT + 16 * place :][:16] for place in range(len(sections))]
    assert set(found) <= {CONTENT, bytes(16)}
    return [place for place, content in enumerate(found) if content != CONTENT]


def test_symbols_and_their_names_are_emptied_and_nothing_else() -> None:
    text, symbols = (1, LOADED, 0), (SYMBOLS, 0, 2)
    names, section_names = (STRINGS, 0, 0), (STRINGS, 0, 0)

    assert emptied(text, symbols, names, section_names, names=3) == [1, 2]


@pytest.mark.parametrize(
    ("strings", "names"),
    [((STRINGS, 0, 0), 1), ((STRINGS, LOADED, 0), 0)],
    ids=["sections' names", "what is loaded"],
)
def test_names_that_others_need_stay(strings: tuple[int, int, int], names: int) -> None:
    assert emptied((SYMBOLS, 0, 1), strings, names=names) == [0]


def test_what_the_loader_looks_up_stays() -> None:
    assert emptied((SYMBOLS, LOADED, 1), (STRINGS, 0, 0)) == []


def test_its_architecture_is_read() -> None:
    assert machine_of(library()) == 62


def test_libraries_are_known_by_their_names() -> None:
    assert is_library("a.libs/libssl-1a2b.so.3")
    assert not is_library("a/b.solution")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere libraries have another form")
def test_a_library_without_symbols_does_what_it_did(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("hiredis")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, tmp_path / "hiredis")
    (path,) = (tmp_path / "hiredis").glob("*.so")
    before = path.read_bytes()
    after = without_symbols(before)
    path.write_bytes(after)

    ask = "import hiredis; r = hiredis.Reader(); r.feed(b':42\\r\\n'); print(r.gets())"
    ran = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "42\n"
    assert len(zlib.compress(after)) < len(zlib.compress(before))
