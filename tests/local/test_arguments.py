"""Options of ``python -m local`` that only tests use."""

from __future__ import annotations

import pytest

from chalice_gateway.websocket_limits import Faults
from local.__main__ import read_arguments


def test_hidden_options_are_read() -> None:
    options = read_arguments(
        ["--faults", '{"drop_posts": 0.5}', "--idle-seconds", "1.5", "--duration-seconds", "3"]
    )
    assert options.faults == Faults(drop_posts=0.5)
    assert (options.idle_seconds, options.duration_seconds) == (1.5, 3)
    assert read_arguments([]).faults == Faults()


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"drop_everything": 1}'])
def test_invalid_faults_are_rejected(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["--faults", text])
    assert "invalid faults" in capsys.readouterr().err
