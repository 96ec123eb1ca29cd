"""Rate limits over REST: what is counted, what is left, and what is refused."""

from __future__ import annotations

import pytest

from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.fakes import FakeStore, RecordingSink

from .client import BEN, SESSION, Answer, RestClient, creation, rest_client
from .conftest import FakeContainer

PATH = f"/v1/sessions/{SESSION}"
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


@pytest.fixture
def rest(store: FakeStore) -> RestClient:
    """Six calls of an address in a minute, two switches of a session in a second."""
    return rest_client(FakeContainer(store, general=6, switch=2))


def rate_limit_headers(answer: Answer) -> tuple[int, ...]:
    return tuple(int(answer.headers[name]) for name in HEADERS)


def refused(answer: Answer) -> int:
    assert (answer.status, answer.error["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    seconds: int = answer.error["retry_after_seconds"]
    assert answer.headers["Retry-After"] == str(seconds)
    return seconds


def test_requests_above_the_limit_of_an_address_are_refused(
    rest: RestClient, store: FakeStore
) -> None:
    answers = [rest.post("/v1/sessions", creation()), rest.command("start")]
    answers += [rest.get(PATH), rest.get(f"{PATH}/events"), rest.call("HEAD", PATH)]
    answers += [rest.call("DELETE", PATH)]
    assert [rate_limit_headers(answer) for answer in answers] == [
        (6, 5, 10), (6, 4, 20), (6, 3, 30), (6, 2, 40), (6, 1, 50), (6, 0, 60)
    ]  # fmt: skip

    answer = rest.post("/v1/sessions", creation())

    assert (refused(answer), rate_limit_headers(answer)) == (10, (6, 0, 60))
    assert len(store.commits) == 2


def test_request_passes_after_retry_after_seconds(rest: RestClient, store: FakeStore) -> None:
    for _ in range(6):
        assert rest.get(PATH).status == 404
    store.advance(1_000 * refused(rest.get(PATH)))

    assert rest.get(PATH).status == 404
    refused(rest.get(PATH))


def test_refused_request_changes_nothing(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", creation())
    for _ in range(5):
        rest.get(PATH)

    refused(rest.command("start"))
    refused(rest.call("DELETE", PATH))

    assert rest.get(PATH, address="192.0.2.7").data["version"] == 1


def test_addresses_are_limited_separately_and_ipv6_by_network(rest: RestClient) -> None:
    def remaining(address: str) -> int:
        return rate_limit_headers(rest.get(PATH, address=address))[1]

    assert [remaining("192.0.2.1"), remaining("192.0.2.2"), remaining("192.0.2.1")] == [5, 5, 4]
    assert [remaining("2001:db8::1"), remaining("2001:db8::ffff:2")] == [5, 4]
    assert remaining("2001:db8:0:1::1") == 5
    assert remaining("::ffff:192.0.2.2") == 4
    assert remaining("test-invoke-source-ip") == 5


def test_forwarded_headers_do_not_change_the_address(rest: RestClient) -> None:
    for other in ("203.0.113.1", "203.0.113.2"):
        answer = rest.get(PATH, headers={"X-Forwarded-For": other, "Forwarded": f"for={other}"})

    assert rate_limit_headers(answer)[1] == 4


def test_switches_are_limited_by_session_and_not_by_address(
    rest: RestClient, store: FakeStore
) -> None:
    rest.start_session()

    switches = [rest.command("switch", address=f"192.0.2.{n}") for n in range(3)]

    assert [rate_limit_headers(answer) for answer in switches] == [(2, 1, 1), (2, 0, 1), (2, 0, 1)]
    assert refused(switches[2]) == 1
    assert rate_limit_headers(rest.get(PATH)) == (6, 3, 30)
    store.advance(500)
    assert rest.command("switch").data["version"] == 5


def test_repeated_switch_counts_against_its_address(rest: RestClient) -> None:
    rest.start_session()

    answers = [rest.command("switch", headers={"Idempotency-Key": "a"}) for _ in range(6)]

    assert {(answer.status, answer.text) for answer in answers[:5]} == {(200, answers[0].text)}
    assert [rate_limit_headers(answer)[:2] for answer in answers] == [
        (2, 1), (6, 3), (6, 2), (6, 1), (6, 0), (6, 0)
    ]  # fmt: skip
    refused(answers[5])
    # The session has room all the while.
    assert rate_limit_headers(rest.command("switch")) == (2, 0, 1)


def test_invalid_switch_counts_against_its_address(rest: RestClient) -> None:
    key = {"Idempotency-Key": "a"}
    for _ in range(3):
        assert rest.command("switch").status == 404
    rest.post("/v1/sessions", creation(), headers=key)
    assert rest.command("switch", headers=key).status == 422

    assert rate_limit_headers(rest.command("switch", address="192.0.2.7", headers=key)) == (
        6,
        5,
        10,
    )
    assert rate_limit_headers(rest.command("switch", headers=key)) == (6, 0, 60)
    refused(rest.command("switch", headers=key))


def test_refused_switches_do_not_count_against_other_clients(rest: RestClient) -> None:
    rest.start_session()

    out_of_turn = [rest.command("switch", {"current_participant_id": BEN}) for _ in range(5)]
    out_of_time = rest.command("switch", address="192.0.2.7", headers={"If-Match": '"1"'})

    assert [answer.status for answer in out_of_turn] == [409] * 4 + [429]
    assert [rate_limit_headers(answer)[:2] for answer in out_of_turn] == [
        (6, 3),
        (6, 2),
        (6, 1),
        (6, 0),
        (6, 0),
    ]
    assert (out_of_time.status, rate_limit_headers(out_of_time)[:2]) == (412, (6, 5))
    assert rate_limit_headers(rest.command("switch")) == (2, 1, 1)


def test_missing_session_counts_if_only_addresses_are_limited(store: FakeStore) -> None:
    rest = rest_client(FakeContainer(store, general=2))

    assert [rest.command("switch").status for _ in range(3)] == [404, 404, 429]


def test_request_refused_unread_is_not_counted(rest: RestClient) -> None:
    for _ in range(7):
        method = rest.call("PUT", PATH)
        media_type = rest.command("start", {}, headers={"Content-Type": "text/plain"})
        assert (method.status, media_type.status) == (405, 415)
        assert not set(HEADERS) & {*method.headers, *media_type.headers}


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/time"])
def test_some_paths_are_never_limited(rest: RestClient, path: str) -> None:
    for _ in range(10):
        answer = rest.get(path)
        assert answer.status == 200
        assert not set(HEADERS) & set(answer.headers)


def test_invalid_requests_are_counted(rest: RestClient) -> None:
    wrong = [
        rest.post("/v1/sessions", raw=b"{"),
        rest.post("/v1/sessions", {}),
        rest.get("/v1/sessions/42"),
        rest.post("/v1/sessions/42/switch"),
        rest.command("switch", []),
        rest.command("start", headers={"Idempotency-Key": ""}),
    ]

    assert [answer.status for answer in wrong] == [400] * 6
    assert [rate_limit_headers(answer)[1] for answer in wrong] == [5, 4, 3, 2, 1, 0]
    refused(rest.get("/v1/sessions/42"))


def test_requests_pass_and_are_counted_once_while_limits_cannot_be_counted(
    store: FakeStore,
) -> None:
    container, sink = FakeContainer(store, general=6, switch=2), RecordingSink()
    container.__dict__["telemetry"] = Telemetry(sink)
    rest = rest_client(container)
    store.cannot_count = True

    for _ in range(10):
        for answer in (rest.get(PATH), rest.command("switch")):
            assert answer.status == 404
            assert not set(HEADERS) & set(answer.headers)
        assert rest.get("/v1/sessions/42").status == 400
    assert sink.counts[names.LIMITER_FAILED_OPEN.name, ()] == 30


def test_unavailable_store_is_503_despite_limits(rest: RestClient, store: FakeStore) -> None:
    store.away = True

    assert rest.get(PATH).status == 503
    assert rest.command("switch").status == 503


def test_without_limits_responses_have_no_limit_headers(store: FakeStore) -> None:
    rest = rest_client(FakeContainer(store))
    rest.start_session()

    for answer in (rest.get(PATH), rest.command("switch"), rest.get("/v1/sessions/42")):
        assert not set(HEADERS) & set(answer.headers)
