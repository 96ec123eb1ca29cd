"""Building whole states from parts: joins pages, merges partial updates.

Pure; never changes its arguments. The rules are in docs/protocol.md, "Sessions too large for a
message".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from .clock_math import participant_at
from .state_version import Snapshot, StateVersion
from .wire_types import Message, ParticipantState, SessionState

GROUP_CLOCK_FIELDS = (
    "time_remaining_ms",
    "delay_remaining_ms",
    "main_remaining_ms",
    "period_remaining_ms",
    "periods_left",
    "cycles_left",
    "stage",
    "is_running",
    "has_expired",
)
"""The fields that all members of a group have in common."""


def snapshot_from(message: Message, state: SessionState | None = None) -> Snapshot:
    """The snapshot in a STATE_SYNC or STATE_UPDATE; ``state`` replaces a partial one."""
    whole = message["state"] if state is None else state
    return Snapshot(message["epoch"], message["version"], message["timestamp"], whole)


def apply_update(snapshot: Snapshot, update: Message) -> Snapshot | None:
    """The snapshot after an update; ``None`` if a partial one does not fit it."""
    if not update.get("partial"):
        return snapshot_from(update)
    base = StateVersion(update["epoch"], update["baseVersion"], update["baseUpdatedAt"])
    if base != snapshot.state_version:
        return None
    if "participantChanges" in update:
        return _apply_changes(snapshot, update)
    merged = snapshot_from(update, merge_partial(snapshot.state, update["state"]))
    if merged.state["sync_mode"] != "simultaneous":
        return merged
    kept = _kept_timestamps(snapshot, update["state"])
    if max(kept.values(), default=0) > update["timestamp"]:
        # The store's clock has stepped back, and since then their clocks have run.
        return None
    return replace(merged, participant_timestamps=kept)


def _apply_changes(snapshot: Snapshot, update: Message) -> Snapshot | None:
    """The snapshot after an update that tells only what changed for many of ``simultaneous``.

    Every clock is brought to its timestamp; ``None`` if one was sent with a later one.
    """
    state, timestamp = snapshot.state, update["timestamp"]
    participants: list[dict[str, Any]] = []
    for one in state["participants"]:
        elapsed_ms = timestamp - snapshot.timestamp_of(one["participant_id"])
        if elapsed_ms < 0:
            return None
        participants.append({**participant_at(one, state, elapsed_ms)})
    for changes in update["participantChanges"]:
        for first, last in changes["positions"]:
            for changed in participants[first : last + 1]:
                changed.update(changes["set"])
                for name, added in changes["add"].items():
                    changed[name] += added
    for shown in participants:
        remaining_ms = shown["time_remaining_ms"] if shown["is_running"] else None
        shown["deadline_at"] = None if remaining_ms is None else _iso(timestamp + remaining_ms)
    whole = cast(SessionState, {**update["state"], "participants": participants})
    return snapshot_from(update, whole)


def _iso(instant_ms: int) -> str:
    """An instant as the server writes it: ISO 8601, UTC, in milliseconds."""
    instant = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kept_timestamps(snapshot: Snapshot, partial: SessionState) -> dict[str, int]:
    """The timestamps of participants who are not in ``partial``: their clocks may be running."""
    kept = {
        one["participant_id"]: snapshot.timestamp_of(one["participant_id"])
        for one in snapshot.state["participants"]
    }
    for one in partial["participants"]:
        kept.pop(one["participant_id"], None)
    return kept


def join_pages(pages: Sequence[SessionState]) -> SessionState:
    """The whole state from all of its pages, in their order."""
    whole = pages[-1].copy()
    whole["participants"] = [one for page in pages for one in page["participants"]]
    if "groups" in whole:
        groups = {one["group_id"]: one for page in pages for one in page.get("groups", ())}
        whole["groups"] = list(groups.values())
    return whole


def merge_partial(state: SessionState, partial: SessionState) -> SessionState:
    """The whole state as of ``partial``, which follows ``state``.

    Only the clock of an active participant moves. Each participant who was or is active is in
    ``partial``, as is one member of each group whose clock moves; the others keep their values.
    In ``simultaneous`` the clocks of others may be running: their values are as of when they were
    sent. A participant who joined takes the place that their index gives them.
    """
    updated = {one["participant_id"]: one for one in partial["participants"]}
    by_group = {one.get("group_id"): one for one in partial["participants"]}
    first = next(iter(partial["participants"]), None)

    def carried_over(one: ParticipantState) -> ParticipantState:
        if partial["sync_mode"] == "global" and first is not None:
            return _with_fields(one, first, ("time_remaining_ms", "is_running"), has_expired=False)
        member = by_group.get(one.get("group_id")) if partial["sync_mode"] == "per_group" else None
        if member is None:
            return one
        # A stage may lack what the one before had.
        own = {name: value for name, value in one.items() if name not in GROUP_CLOCK_FIELDS}
        return _with_fields(own, member, GROUP_CLOCK_FIELDS)

    whole = partial.copy()
    participants = {one["participant_id"]: carried_over(one) for one in state["participants"]}
    # Sorting is stable: those of equal index stay in the order in which they joined.
    whole["participants"] = sorted(
        (participants | updated).values(), key=lambda one: one["participant_index"]
    )
    if "groups" in state:
        groups = {one["group_id"]: one for one in [*state["groups"], *partial.get("groups", ())]}
        whole["groups"] = list(groups.values())
    return whole


def _with_fields(
    one: Mapping[str, Any], source: Mapping[str, Any], names: Sequence[str], **more: Any
) -> ParticipantState:
    copied = {name: source[name] for name in names if name in source}
    return cast(ParticipantState, {**one, **copied, **more})
