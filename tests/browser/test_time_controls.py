"""The page's parser of time controls and the server's agree on what is a time control."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Page
from pydantic import TypeAdapter, ValidationError

from chalicelib.core.errors import InvalidSetup
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.schemas.time_controls import TimeControlRequest
from tests.e2e.instances import Instance

from .screens import Screens

SERVER: TypeAdapter[Any] = TypeAdapter(TimeControlRequest)

PARSE = """async (texts) => {
    const src = new URL('.', document.querySelector('script[type=module][src$="main.js"]').src);
    const { parseTimeControl } = await import(new URL('time-controls.js', src));
    return texts.map((text) => parseTimeControl(text));
}"""

# At both ends of every range, and just outside.
TIMES = [
    *["0", "0.0001s", "0.001s", "0.999s", "1s", "1.5s", "599.999s", "10m", "600.001s"],
    *["3599.999s", "1h", "3600.001s", "743h59m59s", "744h", "2678400.001s", "745h"],
    "99999999999s",
]
COUNTS = ["0", "1", "007", "100", "101", "500", "501", "1000", "5.5"]


@pytest.fixture
def page(screens: Screens, stack: Instance) -> Page:
    return screens.open(f"{stack.rest_url}/")


def is_accepted(text: str) -> bool:
    try:
        control = SERVER.validate_python(text)
        create_setup(
            session_id="",
            sync_mode=SyncMode.PER_PARTICIPANT,
            participants=[Participant(name, 0, control.main_ms) for name in "ab"],
            total_time_ms=control.main_ms,
            time_control=control.control(),
        )
    except (ValidationError, InvalidSetup):
        return False
    return True


def test_page_accepts_exactly_what_the_server_accepts(page: Page) -> None:
    # All times have a unit, so that the page and the server read them alike.
    texts = [
        *TIMES,
        *(f"*{main}" for main in TIMES),
        *(
            f"{main}{sign}{time}{first}"
            for main, time in product(TIMES, TIMES)
            for sign, first in (("+", ""), ("+", "!"), (" d", ""), (" b", ""))
        ),
        *(
            f"{main}+{count}{sign}{time}"
            for main, count, time in product(TIMES, COUNTS, TIMES)
            for sign in "x/"
        ),
        *(
            f"{form}{number}{end}"
            for number in ("0", "0.5", "5", "600", "601")
            for form, end in (("15 | ", ""), ("15|", "!"), ("G/60;d", ""), ("G/60 d", ""))
        ),
        *(f"G/60;+{number}" for number in ("0", "2.5", "600", "601")),
        *(f"{count}/{main}" for count, main in product(COUNTS, TIMES)),
        *(
            f"40/{main}{added}:{cycles}{rest}"
            for main, rest in product(("0.999s", "1s", "24h", "744h"), ("1s", "743h59m59s", "744h"))
            for added, cycles in product(
                ("", "+0", "+30s!", "+601s", " d5s", " d0", " b10m", "+5x30s", "+20/5m"),
                ("", "20/", "0/", "501/"),
            )
        ),
        *("40/1h:1h:1h", "40/1h:1h+30s!", "40/*3m", "40/1h:", ":40/1h", "*3m:1h", "40/40/1h"),
        *(f"{'1/1s:' * count}1s" for count in (8, 9, 10)),
    ]
    assert sum(map(is_accepted, texts)) > 200
    for text, result in zip(texts, page.evaluate(PARSE, texts), strict=True):
        is_control = result is not None and "text" in result
        assert is_control == is_accepted(text), text
        assert not is_control or is_accepted(result["text"]), (text, result)
        assert not is_control or is_accepted(result["text"]), (text, result)


def test_page_sends_what_it_was_given(page: Page) -> None:
    texts = [text for main, time in product(TIMES, TIMES) if is_accepted(text := f"{main}+{time}!")]
    assert len(texts) > 20
    for text, result in zip(texts, page.evaluate(PARSE, texts), strict=True):
        given, sent = SERVER.validate_python(text), SERVER.validate_python(result["text"])
        assert (given.main_ms, given.control()) == (sent.main_ms, sent.control()), text
