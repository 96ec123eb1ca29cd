"""Contract of every @connections client, over real sockets."""

from __future__ import annotations

import threading
from dataclasses import replace
from math import inf
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

import pytest

from chalicelib.broadcast.connections_api import (
    Closed,
    ConnectionsApi,
    Credentials,
    Delete,
    DeliveryStatus,
    Post,
    Request,
)

from .conftest import PATIENT, OpenApi
from .stub_server import CREDENTIALS, CUT, CUT_SHORT, HANG, LAST, Stub

ID = "PJqB0fHsqRcCHlw="
HURRIED = replace(PATIENT, answer_within_s=0.3, repeats_of_failures=50)
"""Gives up on an answer soon, for tests in which none comes.

On a busy machine one that does come may take longer.
"""


def post(stub: Stub, connection_id: str = ID, data: bytes = b"{}", deadline_s: float = inf) -> Post:
    return Post(stub.endpoint, connection_id, data, deadline_s)


def test_post_arrives_signed_and_unchanged(api: ConnectionsApi, stub: Stub) -> None:
    data = '{"type":"STATE_UPDATE","name":"Zoë"}'.encode() + bytes(range(256))

    assert api.post_all([post(stub, data=data)], 60) == [DeliveryStatus.DELIVERED]

    (received,) = stub.received
    assert (received.method, received.body) == ("POST", data)
    assert received.path == "/dev/@connections/PJqB0fHsqRcCHlw%3D"
    assert "content-type" not in received.headers


@pytest.mark.parametrize("connection_id", ["L0SM9cOFvHcCIhw=", "a-b_c+d/e", "ü ~", "%3D", "?#&"])
def test_any_connection_id_is_encoded_as_it_is_signed(
    api: ConnectionsApi, stub: Stub, connection_id: str
) -> None:
    assert api.post_all([post(stub, connection_id)], 60) == [DeliveryStatus.DELIVERED]
    assert stub.received[0].connection_id == connection_id


def test_temporary_credentials_are_signed_with_their_token(open_api: OpenApi) -> None:
    temporary = Credentials("ASIAEXAMPLE", "secret/+", "IQoJb3JpZ2luX2Vj//8BEA=+token" * 20)
    stub = Stub(temporary)
    stub.open()
    try:
        api = open_api(credentials=temporary)
        assert api.post_all([post(stub)], 60) == [DeliveryStatus.DELIVERED]
        assert api.delete(stub.endpoint, ID, 10) == DeliveryStatus.DELIVERED
    finally:
        stub.close()


def test_signature_with_another_secret_is_forbidden(open_api: OpenApi, stub: Stub) -> None:
    api = open_api(credentials=CREDENTIALS._replace(secret_access_key="another"))

    assert api.post_all([post(stub)], 60) == [DeliveryStatus.FORBIDDEN]


def test_region_is_signed(open_api: OpenApi, stub: Stub) -> None:
    assert open_api(region="us-east-1").post_all([post(stub)], 60) == [DeliveryStatus.FORBIDDEN]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, DeliveryStatus.DELIVERED),
        (400, DeliveryStatus.FAILED),
        (403, DeliveryStatus.FORBIDDEN),
        (410, DeliveryStatus.GONE),
        (413, DeliveryStatus.TOO_LARGE),
    ],
)
def test_final_response_is_not_retried(
    api: ConnectionsApi, stub: Stub, status: int, outcome: DeliveryStatus
) -> None:
    stub.respond(ID, status)

    assert api.post_all([post(stub)], 60) == [outcome]
    assert len(stub.received) == 1


@pytest.mark.parametrize("trouble", [500, 503, CUT, CUT_SHORT])
def test_failure_is_retried_twice(api: ConnectionsApi, stub: Stub, trouble: int | str) -> None:
    stub.respond(ID, trouble, trouble)

    assert api.post_all([post(stub, data=b"1")], 60) == [DeliveryStatus.DELIVERED]
    assert stub.bodies(ID) == [b"1"] * 3


@pytest.mark.parametrize("trouble", [500, 504])
def test_third_failure_is_final(api: ConnectionsApi, stub: Stub, trouble: int) -> None:
    stub.respond(ID, *[trouble] * 9)

    assert api.post_all([post(stub)], 60) == [DeliveryStatus.FAILED]
    assert len(stub.received) == 3


def test_refused_connection_is_a_failure(api: ConnectionsApi, stub: Stub) -> None:
    nowhere = Post("http://127.0.0.1:1/dev", ID, b"", inf)

    assert api.post_all([nowhere, post(stub)], 60) == [
        DeliveryStatus.FAILED,
        DeliveryStatus.DELIVERED,
    ]


def test_throttled_post_is_retried_until_it_is_accepted(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, *[429] * 20)

    assert api.post_all([post(stub)], 30) == [DeliveryStatus.DELIVERED]
    assert len(stub.received) == 21


def test_post_throttled_until_its_deadline_is_limited(api: ConnectionsApi, stub: Stub) -> None:
    assert api.post_all([post(stub)], 60) == [DeliveryStatus.DELIVERED]
    stub.respond(ID, *[429] * 10_000)

    assert api.post_all([post(stub)], 1) == [DeliveryStatus.LIMITED]
    assert len(stub.received) > 2


def test_connection_receives_posts_in_order(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, 429, 200, 500, CUT, 200, 429)
    versions = [b"%d" % version for version in range(40)]

    outcomes = api.post_all([post(stub, data=version) for version in versions], 30)

    assert outcomes == [DeliveryStatus.DELIVERED] * 40
    seen = stub.bodies(ID)
    assert sorted(seen, key=int) == seen
    assert sorted(set(seen), key=int) == versions


def test_connection_has_one_request_in_flight_at_a_time(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, HANG)
    done: SimpleQueue[tuple[bytes, DeliveryStatus]] = SimpleQueue()
    for version in (b"1", b"2"):
        api.submit_all([post(stub, data=version)], lambda sent, how: done.put((sent.data, how)))
    stub.wait_until(lambda received: received)
    # Something that was submitted later has come and gone, elsewhere.
    assert api.post_all([post(stub, "another=")], 60) == [DeliveryStatus.DELIVERED]
    assert stub.bodies(ID) == [b"1"]

    stub.let_go(ID)

    assert [done.get(timeout=60) for _ in range(2)] == [
        (b"1", DeliveryStatus.DELIVERED),
        (b"2", DeliveryStatus.DELIVERED),
    ]


def test_hanging_connection_delays_no_other(api: ConnectionsApi, stub: Stub) -> None:
    hanging: SimpleQueue[DeliveryStatus] = SimpleQueue()
    for number in range(8):
        stub.respond(f"hanging-{number}", HANG)
        api.submit_all([post(stub, f"hanging-{number}")], lambda _, how: hanging.put(how))
    stub.wait_until(lambda received: len(received) == 8)

    outcomes = api.post_all([post(stub, f"well-{number}") for number in range(100)], 30)

    assert outcomes == [DeliveryStatus.DELIVERED] * 100
    assert hanging.empty()


def test_hanging_request_is_retried(open_api: OpenApi, stub: Stub) -> None:
    stub.respond(ID, HANG, HANG)

    assert open_api(HURRIED).post_all([post(stub)], 60) == [DeliveryStatus.DELIVERED]
    assert len(stub.received) >= 3


def test_deadline_of_a_batch_holds_if_requests_hang(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, HANG)
    began_s = monotonic()

    outcomes = api.post_all([post(stub, data=b"1"), post(stub, data=b"2")], 0.3)

    assert outcomes == [DeliveryStatus.LATE] * 2
    assert 0.3 <= monotonic() - began_s < PATIENT.answer_within_s


def test_request_can_have_an_earlier_deadline(api: ConnectionsApi, stub: Stub) -> None:
    late = post(stub, "late", deadline_s=monotonic() - 1)

    assert api.post_all([late, post(stub)], 60) == [DeliveryStatus.LATE, DeliveryStatus.DELIVERED]
    assert stub.bodies("late") == []


def test_connection_is_closed_after_earlier_posts(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, 429, 200, 204)
    final_message: list[Request] = [
        post(stub, data=b"final message"),
        Delete(stub.endpoint, ID, inf),
    ]

    assert api.post_all(final_message, 10) == [DeliveryStatus.DELIVERED] * 2
    assert api.post_all([post(stub, data=b"next")], 60) == [DeliveryStatus.DELIVERED]
    assert [(one.method, one.body) for one in stub.received[1:]] == [
        ("POST", b"final message"),
        ("DELETE", b""),
        ("POST", b"next"),
    ]


def test_closing_a_gone_connection_is_reported(api: ConnectionsApi, stub: Stub) -> None:
    stub.respond(ID, 410)

    assert api.delete(stub.endpoint, ID, 10) == DeliveryStatus.GONE


def test_sockets_are_reused(api: ConnectionsApi, stub: Stub) -> None:
    for _ in range(20):
        assert api.post_all([post(stub)], 60) == [DeliveryStatus.DELIVERED]

    assert {received.socket for received in stub.received} == {0}


def test_closed_idle_sockets_fail_no_request(api: ConnectionsApi, stub: Stub) -> None:
    connection_ids = [f"connection-{number}" for number in range(10)]
    for _ in range(3):
        for connection_id in connection_ids:
            stub.respond(connection_id, LAST)
        outcomes = api.post_all([post(stub, one) for one in connection_ids], 60)
        assert outcomes == [DeliveryStatus.DELIVERED] * 10


def test_silently_dead_idle_sockets_are_replaced(open_api: OpenApi, stub: Stub) -> None:
    api = open_api(HURRIED)
    connection_ids = [f"connection-{number}" for number in range(10)]
    assert set(api.post_all([post(stub, one) for one in connection_ids], 60)) == {
        DeliveryStatus.DELIVERED
    }

    stub.forget_sockets()

    assert api.post_all([post(stub)], 60) == [DeliveryStatus.DELIVERED]
    # Nine more of the kept ones are dead: the next attempt used none of them.
    assert len(stub.unheard) == 1


def test_callback_can_submit_a_request(api: ConnectionsApi, stub: Stub) -> None:
    done: SimpleQueue[DeliveryStatus] = SimpleQueue()

    def once_more(sent: Post, _: DeliveryStatus) -> None:
        api.submit_all([sent._replace(data=b"2")], lambda _, how: done.put(how))

    api.submit_all([post(stub, data=b"1")], once_more)

    assert done.get(timeout=60) == DeliveryStatus.DELIVERED
    assert stub.bodies(ID) == [b"1", b"2"]


def test_callbacks_run_on_the_thread_of_the_client(api: ConnectionsApi, stub: Stub) -> None:
    threads: SimpleQueue[threading.Thread] = SimpleQueue()
    for number in range(5):
        api.submit_all(
            [post(stub, f"{number}")], lambda *_: threads.put(threading.current_thread())
        )

    found = {threads.get(timeout=60) for _ in range(5)}
    assert len(found) == 1
    assert threading.current_thread() not in found


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("endpoint", ["ftp://example.test/dev", "nonsense", "http://:x/", ""])
def test_invalid_endpoint_fails_only_its_own_requests(
    api: ConnectionsApi, stub: Stub, endpoint: str
) -> None:
    outcomes = api.post_all([Post(endpoint, ID, b"", inf), post(stub)], 60)

    assert outcomes == [DeliveryStatus.FAILED, DeliveryStatus.DELIVERED]


def test_empty_batch_returns_at_once(api: ConnectionsApi) -> None:
    assert api.post_all([], 60) == []


@pytest.mark.parametrize(
    ("within_s", "outcome"), [(30, DeliveryStatus.DELIVERED), (0.05, DeliveryStatus.DROPPED)]
)
def test_close_waits_for_unfinished_requests_until_its_deadline(
    api: ConnectionsApi, stub: Stub, within_s: float, outcome: DeliveryStatus
) -> None:
    stub.respond(ID, HANG)
    done: SimpleQueue[DeliveryStatus] = SimpleQueue()
    for _ in range(3):
        api.submit_all([post(stub)], lambda _, how: done.put(how))
    stub.wait_until(lambda received: received)
    closing = threading.Thread(target=api.close, args=(within_s,))
    closing.start()
    if outcome is DeliveryStatus.DELIVERED:
        stub.let_go(ID)
    closing.join(30)

    assert [done.get(timeout=60) for _ in range(3)] == [outcome] * 3


def test_closed_client_accepts_no_request(api: ConnectionsApi, stub: Stub) -> None:
    api.post_all([post(stub)], 60)
    api.close(5)
    api.close(5)

    with pytest.raises(Closed):
        api.submit_all([post(stub)], lambda *_: None)
    with pytest.raises(Closed):
        api.post_all([post(stub)], 1)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what Linux shows")
def test_closed_client_leaves_no_thread_or_descriptor(open_api: OpenApi, stub: Stub) -> None:
    # The first time, much is imported and cached for good.
    first = open_api()
    first.post_all([post(stub)], 60)
    first.close(10)
    before = _descriptors()
    threads = set(threading.enumerate())

    api = open_api()
    connection_ids = [f"connection-{number}" for number in range(50)]
    assert set(api.post_all([post(stub, one) for one in connection_ids], 60)) == {
        DeliveryStatus.DELIVERED
    }
    api.close(60)

    assert set(threading.enumerate()) == threads
    stub.close()
    assert _descriptors() <= before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
