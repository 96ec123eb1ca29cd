"""The WebSocket frame protocol."""

from __future__ import annotations

import itertools
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from chalice_gateway.frames import (
    BinaryFrame,
    Closed,
    FrameEvent,
    FrameProtocol,
    NoEvent,
    TextMessage,
    frame_length,
)

from .websocket_serving import frame

LARGEST = 2**17
ENDED = Closed(1000, "")


def frame_protocol() -> FrameProtocol:
    return FrameProtocol(message_bytes=LARGEST, frame_bytes=2**15)


def all_events(protocol: FrameProtocol) -> list[FrameEvent]:
    events = []
    while (one := protocol.next_event()) is not None:
        events.append(one)
    return events


texts = st.one_of(st.text(max_size=200), st.sampled_from(["x" * 125, "x" * 126, "ü" * 10_000]))
pieces = st.one_of(
    texts.map(lambda text: (frame(Opcode.TEXT, text.encode()), [TextMessage(text)])),
    st.lists(texts, min_size=1, max_size=4).map(
        lambda parts: (
            frame(Opcode.TEXT, b"", fin=False)
            + b"".join(frame(Opcode.CONT, part.encode(), fin=False) for part in parts)
            + frame(Opcode.CONT, b"!"),
            [*[NoEvent()] * (1 + len(parts)), TextMessage("".join(parts) + "!")],
        )
    ),
    st.binary(max_size=100).map(lambda data: (frame(Opcode.PING, data), [NoEvent()])),
)


@given(st.lists(st.binary(max_size=300) | st.sampled_from([bytes(70_000)]), max_size=8))
def test_frame_length_finds_each_frame(payloads: list[bytes]) -> None:
    whole = [frame(Opcode.TEXT, payload) for payload in payloads]
    joined, at = b"".join(whole), 0

    for one in whole:
        assert frame_length(joined, at) == len(one)
        at += len(one)
    assert frame_length(joined, at) is None


@pytest.mark.parametrize("payload", [b"", b"x" * 126, b"x" * 70_000])
def test_frame_length_is_known_once_the_header_is_complete(payload: bytes) -> None:
    whole = frame(Opcode.TEXT, payload)
    known = [frame_length(whole[:there], 0) for there in range(15)]

    head = len(whole) - 4 - len(payload)
    assert known == [None] * head + [len(whole)] * (15 - head)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_close_within_a_fragmented_message_is_answered_with_its_own_code(step: int) -> None:
    protocol = frame_protocol()
    data = (
        frame(Opcode.TEXT, b"half", fin=False)
        + frame(Opcode.PING, b"")
        + frame(Opcode.CLOSE, b"\x0f\xa0bye")
    )

    events: list[FrameEvent] = []
    for at in range(0, len(data), step):
        protocol.receive_data(data[at : at + step])
        events += all_events(protocol)

    assert events == [NoEvent(), NoEvent(), Closed(4000, "bye")]
    written, ends = protocol.data_to_send()
    assert written.endswith(b"\x88\x05\x0f\xa0bye")
    assert ends


@given(st.lists(pieces, max_size=8), st.lists(st.integers(1, 50_000), max_size=8))
def test_events_are_the_same_whatever_the_chunks(
    sent: list[tuple[bytes, list[FrameEvent]]], cuts: list[int]
) -> None:
    data = b"".join(one for one, _ in sent) + frame(Opcode.CLOSE, b"\x03\xe8")
    ends = sorted({min(end, len(data)) for end in itertools.accumulate(cuts)} | {len(data)})
    protocol, events = frame_protocol(), list[FrameEvent]()

    for begin, end in itertools.pairwise([0, *ends]):
        protocol.receive_data(data[begin:end])
        events += all_events(protocol)

    assert events == [*(one for _, expected in sent for one in expected), ENDED]


def test_frames_are_parsed_on_demand() -> None:
    one = frame(Opcode.TEXT, b"{}")
    protocol = frame_protocol()
    protocol.receive_data(one * 40_000)

    for number in range(1, 101):
        assert protocol.next_event() == TextMessage("{}")
        assert protocol.unparsed_bytes == len(one) * (40_000 - number)


def test_unparsed_frames_stay_bytes() -> None:
    data = frame(Opcode.TEXT, b"") * 40_000
    protocol = frame_protocol()
    tracemalloc.start()
    try:
        protocol.receive_data(data)
        for _ in range(100):
            protocol.next_event()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2 * sys.getsizeof(data)


def test_empty_fragments_take_no_memory() -> None:
    protocol = frame_protocol()
    protocol.receive_data(frame(Opcode.TEXT, b"x", fin=False))
    protocol.next_event()
    tracemalloc.start()
    try:
        for _ in range(100):
            protocol.receive_data(frame(Opcode.CONT, b"", fin=False) * 100)
            assert set(all_events(protocol)) == {NoEvent()}
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    protocol.receive_data(frame(Opcode.CONT, b"y"))

    assert protocol.next_event() == TextMessage("xy")
    assert left_bytes < 10_000


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (frame(Opcode.CLOSE, b"\x03\xe8"), ENDED),
        (frame(Opcode.TEXT, b"\xff"), Closed(1007, "invalid start byte at 0")),
        (b"\x81\x01x", Closed(1002, "incorrect masking")),
    ],
    ids=["goodbye", "no text", "no mask"],
)
def test_bytes_after_the_close_are_discarded(last: bytes, ended: Closed) -> None:
    after = frame(Opcode.TEXT, b"and another thing")
    protocol = frame_protocol()
    protocol.receive_data(last + after)

    assert all_events(protocol) == [ended]
    protocol.receive_data(after)
    assert (protocol.next_event(), protocol.unparsed_bytes) == (None, 0)
    data, ends = protocol.data_to_send()
    assert data[:1] == b"\x88"
    assert ends


def test_frames_are_read_until_the_client_s_close_frame() -> None:
    protocol = frame_protocol()
    protocol.close(1001, "Going away")
    protocol.close(1000, "too late")
    protocol.send(b"too late")
    assert protocol.data_to_send() == (b"\x88\x0c\x03\xe9Going away", False)

    protocol.receive_data(
        frame(Opcode.TEXT, b"1") + frame(Opcode.BINARY, b"2") + frame(Opcode.CLOSE, b"\x03\xe9")
    )

    assert all_events(protocol) == [TextMessage("1"), BinaryFrame(), Closed(1001, "")]
    assert protocol.data_to_send() == (b"", True)


def test_eof_discards_unparsed_bytes() -> None:
    protocol = frame_protocol()
    protocol.receive_data(frame(Opcode.TEXT, b"1") * 2)
    protocol.next_event()

    protocol.receive_eof()

    assert (protocol.next_event(), protocol.unparsed_bytes) == (None, 0)


def test_sent_message_is_split_at_the_frame_limit() -> None:
    protocol = frame_protocol()

    protocol.send(b"x" * (2**15 + 1))

    data, ends = protocol.data_to_send()
    assert [data[0], data[4 + 2**15], data[-1:]] == [0x01, 0x80, b"x"]
    assert not ends
