"""The event log over REST: complete, in pages, and never behind the session."""

from __future__ import annotations

import pytest

from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, RestClient, creation

LOG = f"/v1/sessions/{SESSION}/events"


def test_event_log_contains_the_pushed_events(rest: RestClient, store: FakeStore) -> None:
    rest.start_session()
    store.advance(1_500)
    pushed = rest.command("switch").json["events"]

    log = rest.get(LOG)

    assert log.status == 200
    assert log.data["next"] is None
    assert [(one["version"], one["type"]) for one in log.data["events"]] == [
        (1, "session_created"),
        (2, "session_started"),
        (3, "cycle_switched"),
    ]
    assert log.data["events"][2] == {"id": "0-2", "version": 3, **pushed[0]}
    assert pushed[0]["previous_participant_id"] == ANNE
    assert pushed[0]["time_used_ms"] == 1_500


def test_due_timeout_is_in_the_event_log_at_its_deadline(
    rest: RestClient, store: FakeStore
) -> None:
    rest.post("/v1/sessions", creation(action_on_timeout={"type": "skip_cycle", "data": [1]}))
    started_ms = store.clock_ms
    rest.command("start")
    store.advance(12_345)

    expired, switched = rest.get(f"{LOG}?after=0-1").data["events"]

    assert expired["participant_id"] == ANNE
    assert expired["data"] == [1]
    assert "group_id" not in expired
    assert switched["active_participant_id"] == BEN
    at = rest.get(f"/v1/sessions/{SESSION}").data["cycle_started_at"]
    assert expired["at"] == switched["at"] == at
    assert store.events(SESSION)[-1][1].at_ms == started_ms + 10_000


def test_pages_follow_each_other_and_the_last_has_no_next(rest: RestClient) -> None:
    rest.start_session()
    for _ in range(4):
        rest.command("switch")
    versions: list[int] = []
    cursor = ""
    for _ in range(3):
        page = rest.get(f"{LOG}?limit=2{cursor}").data
        versions += [one["version"] for one in page["events"]]
        cursor = f"&after={page['next']}"

    assert versions == [1, 2, 3, 4, 5, 6]
    assert page["next"] is None
    assert rest.get(f"{LOG}?after={page['events'][-1]['id']}").data == {"events": [], "next": None}


def test_event_log_of_a_missing_session_is_404(rest: RestClient) -> None:
    assert rest.get(LOG).error["code"] == "SESSION_NOT_FOUND"
    rest.post("/v1/sessions", creation())
    rest.call("DELETE", f"/v1/sessions/{SESSION}")
    assert rest.get(LOG).status == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=", "after"),
        ("after=last", "after"),
        ("after=12", "after"),
        ("after=1-1-1", "after"),
        ("after=-1-1", "after"),
        ("after=9223372036854775808-0", "after"),
        ("after=%2B", "after"),
        ("after=%D9%A1-0", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
    ],
)
def test_invalid_page_is_rejected(rest: RestClient, query: str, field: str) -> None:
    rest.post("/v1/sessions", creation())
    refused = rest.get(f"{LOG}?{query}")

    assert (refused.status, refused.error["code"]) == (400, "VALIDATION_ERROR")
    assert [one["field"] for one in refused.error["details"]] == [field]


def test_every_valid_event_id_is_accepted(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())
    for after in ("0-0", "9223372036854775807-9223372036854775807", "1700000000000-0"):
        assert rest.get(f"{LOG}?after={after}&limit=1000").status == 200
