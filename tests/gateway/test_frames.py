"""One client's frames: how they are told apart, and what they come to."""

from __future__ import annotations

import itertools
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from local.gateway.frames import (
    BinaryFrame,
    Closed,
    FrameEvent,
    FrameProtocol,
    NoEvent,
    TextMessage,
    frame_length,
)

from .serving import frame

LARGEST = 2**17
ENDED = Closed(1000, "")


def frames() -> FrameProtocol:
    return FrameProtocol(message_bytes=LARGEST, frame_bytes=2**15)


def all_heard(read: FrameProtocol) -> list[FrameEvent]:
    heard = []
    while (one := read.next_event()) is not None:
        heard.append(one)
    return heard


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
def test_frames_are_told_apart_by_their_lengths(payloads: list[bytes]) -> None:
    whole = [frame(Opcode.TEXT, payload) for payload in payloads]
    joined, at = b"".join(whole), 0

    for one in whole:
        assert frame_length(joined, at) == len(one)
        at += len(one)
    assert frame_length(joined, at) is None


@pytest.mark.parametrize("payload", [b"", b"x" * 126, b"x" * 70_000])
def test_a_length_is_known_as_soon_as_the_head_says_it(payload: bytes) -> None:
    whole = frame(Opcode.TEXT, payload)
    known = [frame_length(whole[:there], 0) for there in range(15)]

    head = len(whole) - 4 - len(payload)
    assert known == [None] * head + [len(whole)] * (15 - head)


@given(st.lists(pieces, max_size=8), st.lists(st.integers(1, 50_000), max_size=8))
def test_what_is_heard_is_the_same_however_the_bytes_come_in(
    said: list[tuple[bytes, list[FrameEvent]]], cuts: list[int]
) -> None:
    data = b"".join(one for one, _ in said) + frame(Opcode.CLOSE, b"\x03\xe8")
    ends = sorted({min(end, len(data)) for end in itertools.accumulate(cuts)} | {len(data)})
    read, heard = frames(), list[FrameEvent]()

    for begin, end in itertools.pairwise([0, *ends]):
        read.receive_data(data[begin:end])
        heard += all_heard(read)

    assert heard == [*(one for _, meant in said for one in meant), ENDED]


def test_nothing_is_parsed_before_it_is_asked_for() -> None:
    one = frame(Opcode.TEXT, b"{}")
    read = frames()
    read.receive_data(one * 40_000)

    for number in range(1, 101):
        assert read.next_event() == TextMessage("{}")
        assert read.unparsed_bytes == len(one) * (40_000 - number)


def test_what_waits_is_kept_as_it_came() -> None:
    data = frame(Opcode.TEXT, b"") * 40_000
    read = frames()
    tracemalloc.start()
    try:
        read.receive_data(data)
        for _ in range(100):
            read.next_event()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most_bytes < 2 * sys.getsizeof(data)


def test_a_message_of_empty_frames_takes_no_room_however_many_they_are() -> None:
    read = frames()
    read.receive_data(frame(Opcode.TEXT, b"x", fin=False))
    read.next_event()
    tracemalloc.start()
    try:
        for _ in range(100):
            read.receive_data(frame(Opcode.CONT, b"", fin=False) * 100)
            assert set(all_heard(read)) == {NoEvent()}
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    read.receive_data(frame(Opcode.CONT, b"y"))

    assert read.next_event() == TextMessage("xy")
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
def test_after_the_end_nothing_is_heard_nor_kept(last: bytes, ended: Closed) -> None:
    after = frame(Opcode.TEXT, b"and another thing")
    read = frames()
    read.receive_data(last + after)

    assert all_heard(read) == [ended]
    read.receive_data(after)
    assert (read.next_event(), read.unparsed_bytes) == (None, 0)
    data, ends = read.data_to_send()
    assert data[:1] == b"\x88"
    assert ends


def test_who_is_being_closed_is_heard_until_it_says_goodbye() -> None:
    read = frames()
    read.close(1001, "Going away")
    read.close(1000, "too late")
    read.send(b"too late")
    assert read.data_to_send() == (b"\x88\x0c\x03\xe9Going away", False)

    read.receive_data(
        frame(Opcode.TEXT, b"1") + frame(Opcode.BINARY, b"2") + frame(Opcode.CLOSE, b"\x03\xe9")
    )

    assert all_heard(read) == [TextMessage("1"), BinaryFrame(), Closed(1001, "")]
    assert read.data_to_send() == (b"", True)


def test_what_waits_from_somebody_who_has_left_is_dropped() -> None:
    read = frames()
    read.receive_data(frame(Opcode.TEXT, b"1") * 2)
    read.next_event()

    read.receive_eof()

    assert (read.next_event(), read.unparsed_bytes) == (None, 0)


def test_what_is_sent_is_cut_at_the_size_of_a_frame() -> None:
    read = frames()

    read.send(b"x" * (2**15 + 1))

    data, ends = read.data_to_send()
    assert [data[0], data[4 + 2**15], data[-1:]] == [0x01, 0x80, b"x"]
    assert not ends
