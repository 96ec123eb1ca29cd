"""Every metric, emitted once."""

from __future__ import annotations

from chalicelib.ports import StoreStats
from chalicelib.telemetry.ports import Telemetry


def tell_of_everything(telemetry: Telemetry) -> None:
    telemetry.answered("POST", "/v1/sessions/{session_id}/switch", 200, 0.001)
    telemetry.heard("PING", "OK", 0.001)
    telemetry.switched("websocket", 0.001)
    telemetry.lost_race()
    telemetry.fanned_out({"delivered": 2, "gone": 1}, 0.5)
    telemetry.settled(1500)
    telemetry.rate_limited("session")
    telemetry.limiter_failed_open()
    telemetry.overdue(StoreStats(sessions={}, connections=0, overdue=3, overdue_ms=4500))
    telemetry.flush()
