"""The clients of the benchmarks read and write WebSocket frames as any client does."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from bench.watchers import WatchersFailed, frame, messages, update, version_of

SIZES = (0, 1, 125, 126, 127, 630, 65_535)


@pytest.mark.parametrize("size", SIZES)
def test_a_server_takes_what_a_client_says(size: int) -> None:
    server = ServerProtocol(state=OPEN)
    server.receive_data(frame(b"x" * size))

    (event,) = server.events_received()

    assert isinstance(event, Frame)
    assert (event.opcode, bytes(event.data)) == (Opcode.TEXT, b"x" * size)


def test_frames_of_every_size_are_told_apart_however_they_are_cut() -> None:
    texts = [b"y" * size for size in (*SIZES, 65_536)]
    server = ServerProtocol(state=OPEN)
    for text in texts:
        server.send_text(text)
    sent = b"".join(server.data_to_send())

    for piece in (1_000, 65_537, len(sent)):
        heard: list[bytes] = []
        left = b""
        for at in range(0, len(sent), piece):
            whole, left = messages(left + sent[at : at + piece])
            heard += whole
        assert heard == texts
        assert left == b""


def test_half_a_head_is_kept() -> None:
    assert messages(b"\x81\x7e\x01") == ([], b"\x81\x7e\x01")
    assert messages(b"\x81") == ([], b"\x81")


def test_a_closing_server_is_an_error() -> None:
    server = ServerProtocol(state=OPEN)
    server.send_close(1001, "Going away")

    with pytest.raises(WatchersFailed, match="Going away"):
        messages(b"".join(server.data_to_send()))


def test_an_update_has_its_size_and_its_version() -> None:
    made = update(1_234, 630)

    assert len(made) == 630
    assert version_of(made) == 1_234
    assert version_of(b'{"type":"STATE_SYNC","version":7}') is None
    assert version_of(b'{"type":"STATE_UPDATE"}') is None
