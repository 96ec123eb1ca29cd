"""The comparison of HTTP servers, with the gateway's own."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from bench import http_front
from bench.http_front import OURS


def test_server_is_probed_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_front, "ROUNDS", 2)
    monkeypatch.setattr(http_front, "COUNT", 3)
    with http_front.served(OURS) as (port, pid), ExitStack() as parts:
        assert http_front.keeps_header_case(port) == "as sent"
        assert http_front.pipelines(port) == "in order"
        assert http_front.accepted_head_kilobytes(port) == "8 KB"
        assert http_front.measure({OURS: (port, pid)}, parts)[OURS].count == 6


def test_server_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_front, "free_port", lambda: "no port")
    with pytest.raises(RuntimeError, match="is it installed"), http_front.served(OURS):
        pass
