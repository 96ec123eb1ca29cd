"""ETag, If-Match and If-None-Match, as in RFC 9110."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.schemas.conditions import (
    cached_versions,
    expected_versions,
    idempotency_key,
)
from chalicelib.schemas.errors import InvalidRequest
from tests.fakes import FakeStore

from .client import SESSION, Answer, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"


@pytest.fixture
def session(rest: RestClient) -> Answer:
    return rest.post("/v1/sessions", creation())


def test_every_response_has_an_etag_of_the_version(rest: RestClient, session: Answer) -> None:
    assert session.headers["ETag"] == '"1"'
    assert rest.post("/v1/sessions", creation()).headers["ETag"] == '"1"'
    assert rest.command("start").headers["ETag"] == '"2"'
    assert rest.command("switch").headers["ETag"] == '"3"'
    assert rest.get(PATH).headers["ETag"] == '"3"'
    assert rest.call("HEAD", PATH).headers["ETag"] == '"3"'
    assert rest.get(PATH).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("held", ['"1"', 'W/"1"', '"7", "1"', '"a,b" , W/"1"', "*", ', ,"1",'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_current_etag_is_304(rest: RestClient, session: Answer, held: str, method: str) -> None:
    answer = rest.call(method, PATH, headers={"If-None-Match": held})

    assert (answer.status, answer.text) == (304, "")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("held", ['"2"', '"01"', '""', '"é"', 'W/"11", "+1"'])
def test_other_etag_gets_the_state(rest: RestClient, session: Answer, held: str) -> None:
    answer = rest.get(PATH, headers={"If-None-Match": held})

    assert (answer.status, answer.data["version"]) == (200, 1)


def test_due_timeout_is_not_hidden_by_an_etag(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", creation(action_on_timeout={"type": "end_session"}))
    tag = rest.command("start").headers["ETag"]
    store.advance(5_000)
    assert rest.get(PATH, headers={"If-None-Match": tag}).status == 304

    store.advance(5_000)
    answer = rest.get(PATH, headers={"If-None-Match": tag})

    assert (answer.status, answer.data["status"], answer.headers["ETag"]) == (200, "expired", '"3"')


def test_missing_session_matches_no_etag(rest: RestClient) -> None:
    assert rest.get(PATH, headers={"If-None-Match": "*"}).status == 404


@pytest.mark.parametrize("expected", ['"1"', '"7", "1"', "*", " * ", ',"1"'])
def test_if_match_with_the_current_version_is_applied(
    rest: RestClient, session: Answer, expected: str
) -> None:
    assert rest.command("start", headers={"If-Match": expected}).status == 200


@pytest.mark.parametrize("expected", ['"2"', 'W/"1"', '"01"', '"x"', '"2", W/"1"'])
def test_if_match_with_another_version_is_412(
    rest: RestClient, session: Answer, expected: str
) -> None:
    for answer in (
        rest.command("start", headers={"If-Match": expected}),
        rest.call("DELETE", PATH, headers={"If-Match": expected}),
    ):
        assert (answer.status, answer.error["code"]) == (412, "PRECONDITION_FAILED")
        assert answer.error["details"]["actual_version"] == 1
    assert rest.get(PATH).data["version"] == 1


def test_expected_version_is_reported_if_there_is_one(rest: RestClient, session: Answer) -> None:
    one = rest.command("start", headers={"If-Match": '"2"'})
    many = rest.command("start", headers={"If-Match": '"2", "3"'})

    assert one.error["details"] == {"expected_version": 2, "actual_version": 1}
    assert many.error["details"] == {"expected_version": None, "actual_version": 1}


def test_command_on_a_missing_session_is_404_despite_if_match(rest: RestClient) -> None:
    for expected in ("*", '"1"'):
        assert rest.command("start", headers={"If-Match": expected}).status == 404


def test_conditional_deletion_of_a_missing_session_is_412(
    rest: RestClient, session: Answer
) -> None:
    assert rest.call("DELETE", PATH, headers={"If-Match": "*"}).status == 204
    for expected in ("*", '"1"'):
        answer = rest.call("DELETE", PATH, headers={"If-Match": expected})
        assert (answer.status, answer.error["details"]["actual_version"]) == (412, None)
    assert rest.call("DELETE", PATH).status == 204


MALFORMED = [
    "",
    " ",
    ",",
    "1",
    "x",
    '"1',
    '1"',
    '"1" "2"',
    'w/"1"',
    'W/ "1"',
    '*, "1"',
    '"a b"',
    "**",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_invalid_list_of_etags_is_named(rest: RestClient, session: Answer, text: str) -> None:
    for header, answer in (
        ("If-Match", rest.command("start", headers={"If-Match": text})),
        ("If-None-Match", rest.get(PATH, headers={"If-None-Match": text})),
    ):
        assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
        assert [one["field"] for one in answer.error["details"]] == [header]
    assert rest.get(PATH).data["version"] == 1


tags = st.tuples(
    st.booleans(),
    st.integers(1, 10**15).map(str)
    | st.sampled_from(["0", "01", "+1", "1.0", "1e3", "9" * 17])
    | st.text(st.characters(min_codepoint=0x23, max_codepoint=0xFF, exclude_characters="\x7f")),
)
spaces = st.text(" \t", max_size=2)


@given(st.lists(tags, min_size=1), spaces, st.integers(0, 2))
def test_every_valid_list_of_etags_is_read(
    listed: list[tuple[bool, str]], space: str, empty: int
) -> None:
    text = "," * empty + f"{space},{space}".join(
        f'{"W/" if weak else ""}"{opaque}"' for weak, opaque in listed
    )
    versions = [
        (weak, int(opaque))
        for weak, opaque in listed
        if opaque.isdecimal() and opaque.isascii() and opaque[0] != "0" and len(opaque) <= 16
    ]

    assert expected_versions(text) == {version for weak, version in versions if not weak}
    assert cached_versions(text) == {version for _, version in versions}


@given(st.text(st.characters(max_codepoint=0x100)))
@example("\n")
@example('"1"\n')
@example('"1"' + " " * 100_000 + "x")
def test_arbitrary_text_is_read_or_rejected(text: str) -> None:
    for read in (expected_versions, cached_versions, idempotency_key):
        with suppress(InvalidRequest):
            read(text)
