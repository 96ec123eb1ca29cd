"""Arguments that only tests use."""

from __future__ import annotations

import pytest

from local.__main__ import read_arguments
from local.gateway.websocket_limits import Faults


def test_faults_and_short_lives_can_be_asked_for() -> None:
    options = read_arguments(
        ["--faults", '{"drop_posts": 0.5}', "--idle-seconds", "1.5", "--duration-seconds", "3"]
    )
    assert options.faults == Faults(drop_posts=0.5)
    assert (options.idle_seconds, options.duration_seconds) == (1.5, 3)
    assert read_arguments([]).faults == Faults()


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"drop_everything": 1}'])
def test_a_fault_that_does_not_exist_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["--faults", text])
    assert "invalid faults" in capsys.readouterr().err
