"""States that come in parts, made whole: pages and partial updates.

Values in, values out; what is given is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .place import Held, Place
from .states import Message, ParticipantState, SessionState

OF_A_BANK = (
    "time_remaining_ms",
    "delay_remaining_ms",
    "main_remaining_ms",
    "period_remaining_ms",
    "periods_left",
    "cycles_left",
    "is_running",
    "has_expired",
)
"""What all members of a group show alike."""


def as_held(message: Message, state: SessionState | None = None) -> Held:
    """What a STATE_SYNC or STATE_UPDATE brings, with the whole state where its own is a part."""
    whole = message["state"] if state is None else state
    return Held(message["epoch"], message["version"], message["timestamp"], whole)


def applied(held: Held, update: Message) -> Held | None:
    """What is held after a newer update of the same epoch; ``None`` where it doesn't fit."""
    if not update.get("partial"):
        return as_held(update)
    base = Place(update["epoch"], update["baseVersion"], update["baseUpdatedAt"])
    if base != held.place:
        return None
    return as_held(update, merged(held.state, update["state"]))


def in_one(pages: Sequence[SessionState]) -> SessionState:
    """The state whose participants and groups come in pages, which are in their order."""
    whole = pages[-1].copy()
    whole["participants"] = [one for page in pages for one in page["participants"]]
    if "groups" in whole:
        groups = {one["group_id"]: one for page in pages for one in page.get("groups", ())}
        whole["groups"] = list(groups.values())
    return whole


def merged(held: SessionState, partial: SessionState) -> SessionState:
    """The whole state at the instant of ``partial``, which follows ``held``.

    Only a clock of somebody active moves, and whoever was or is active is in
    the message, as is one of those who share a clock: what others hold stands.
    """
    news = {one["participant_id"]: one for one in partial["participants"]}
    speakers = {one["group_id"]: one for one in partial["participants"]}
    anybody = next(iter(partial["participants"]), None)

    def brought(one: ParticipantState) -> ParticipantState:
        if partial["sync_mode"] == "global" and anybody is not None:
            return _with(one, anybody, ("time_remaining_ms", "is_running"), has_expired=False)
        speaker = speakers.get(one["group_id"]) if partial["sync_mode"] == "per_group" else None
        return one if speaker is None else _with(one, speaker, OF_A_BANK)

    whole = partial.copy()
    whole["participants"] = [
        news.get(one["participant_id"]) or brought(one) for one in held["participants"]
    ]
    if "groups" in held:
        groups = {one["group_id"]: one for one in partial.get("groups", ())}
        whole["groups"] = [groups.get(one["group_id"], one) for one in held["groups"]]
    return whole


def _with(
    one: ParticipantState, speaker: Mapping[str, Any], names: Sequence[str], **more: Any
) -> ParticipantState:
    alike = {name: speaker[name] for name in names if name in speaker}
    return cast(ParticipantState, {**one, **alike, **more})
