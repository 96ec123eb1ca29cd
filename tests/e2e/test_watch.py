"""``python -m local watch``, from before a session is created to its end."""

from __future__ import annotations

import subprocess
import sys

from tests.waiting import HUNG_AFTER_S
from tickless import RestClient

from .instances import ROOT, Instance
from .sessions import a_session


def test_watch_waits_for_the_session_draws_it_and_ends_with_it(pair: list[Instance]) -> None:
    session = a_session(2)
    session_id = session["session_id"]
    command = [sys.executable, "-m", "local", "watch", session_id]
    with (
        RestClient(pair[0].rest_url) as rest,
        subprocess.Popen(
            [*command, "--ws-url", pair[1].websocket_url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as watcher,
    ):
        rest.create_session(session)
        rest.start(session_id)
        rest.complete(session_id)
        said, _ = watcher.communicate(timeout=HUNG_AFTER_S)
    assert watcher.returncode == 0
    assert "version 3" in said
    assert said.splitlines()[-1] == "The session is completed."
