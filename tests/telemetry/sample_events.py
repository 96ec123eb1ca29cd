"""Every metric, emitted once."""

from __future__ import annotations

from chalicelib.ports import StoreStats
from chalicelib.telemetry.metrics import Telemetry


def record_every_metric(telemetry: Telemetry) -> None:
    telemetry.record_request("POST", "/v1/sessions/{session_id}/switch", 200, 0.001)
    telemetry.record_message("PING", "OK", 0.001)
    telemetry.record_switch("websocket", 0.001)
    telemetry.record_lost_race()
    telemetry.record_fan_out("session", b"", {"delivered": 2, "gone": 1}, 0.5)
    telemetry.record_settlement(1500)
    telemetry.rate_limited("session")
    telemetry.limiter_failed_open()
    telemetry.record_overdue(StoreStats(sessions={}, connections=0, overdue=3, overdue_ms=4500))
    telemetry.flush()
