"""Edits: what can change in a session's setup after its creation, as a JSON merge patch.

The request has been validated field by field; here each is merged with what the session has
(RFC 7396), and the result is held to the limits of a creation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from typing_extensions import TypedDict

from .appointments import Appointments
from .errors import AlreadyStarted, InvalidSetup
from .json_values import (
    depth,
    is_same,
    merged,
    size_bytes,
)
from .limits import MAX_ACTION_DATA_BYTES, MAX_METADATA_BYTES, MAX_NESTING
from .session import S, Session, Status, with_appointments
from .setup import (
    Message,
    MessageStyle,
    Permission,
    Setup,
    SoftClose,
    TimeoutAction,
    checked_permissions,
    checked_soft_close,
    default_action,
    fingerprint,
    in_warning_order,
)


class MessagePatch(TypedDict, total=False):
    text: str | None
    style: MessageStyle | None


class ActionPatch(TypedDict, total=False):
    type: TimeoutAction | None
    data: object


class SoftClosePatch(TypedDict, total=False):
    extend_to_ms: int | None
    max_extension_ms: int | None


class Patch(TypedDict, total=False):
    """A value for each field to change; None restores what a creation without it has.

    Instants are in milliseconds.
    """

    metadata: Mapping[str, object] | None
    message: MessagePatch | None
    starts_at: int | None
    ends_at: int | None
    warn_at_ms: list[int] | None
    action_on_timeout: ActionPatch | None
    soft_close: SoftClosePatch | None
    participants_may: list[Permission] | None


AFTER_THE_END: Final = frozenset({"metadata", "message"})
"""The fields that can change in an ended session."""

WITHOUT_CLOCKS: Final = frozenset({"metadata", "message", "warn_at_ms", "participants_may"})
"""The fields that change no clock, so that a switch before can still be undone."""


def edit(session: S, patch: Patch, now_ms: int) -> tuple[S, tuple[str, ...]]:
    """The session after the patch, and the names of the fields that changed.

    Returns the same session object if none did.

    Raises:
        InvalidSetup: A merged value exceeds its limits, lacks something, or is not of this mode.
        AlreadyStarted: The start would change after it.
    """
    setup, appointments = session.setup, _edit_appointments(session, patch, now_ms)
    changed = {
        "starts_at": appointments.starts_at_ms != session.appointments.starts_at_ms,
        "ends_at": appointments.ends_at_ms != session.appointments.ends_at_ms,
    }
    for name, edit_field in _EDITS.items():
        if name in patch:
            edited = edit_field(setup, patch[name], now_ms)  # type: ignore[literal-required]
            setup, changed[name] = edited, edited is not setup
    if setup is not session.setup:
        requested = session.setup.requested or fingerprint(session.setup)
        session = replace(session, setup=replace(setup, requested=requested))
    if changed["starts_at"]:
        session = with_appointments(session, appointments)
    elif changed["ends_at"]:
        session = replace(session, appointments=appointments)
    return session, tuple(name for name in _FIELDS if changed.get(name))


def _edit_appointments(session: Session, patch: Patch, now_ms: int) -> Appointments:
    present = session.appointments
    edited = Appointments(
        patch.get("starts_at", present.starts_at_ms), patch.get("ends_at", present.ends_at_ms)
    )
    if edited.starts_at_ms != present.starts_at_ms:
        if session.status is not Status.PENDING:
            raise AlreadyStarted("update", session.status)
        edited.check_start(now_ms)
    if edited.ends_at_ms != present.ends_at_ms:
        edited.check_end(now_ms)
    if edited != present:
        edited.check_order()
    return edited


def _edit_metadata(setup: Setup, patch: Mapping[str, object] | None, _: int) -> Setup:
    metadata = cast(Mapping[str, object] | None, merged(setup.metadata, patch))
    if is_same(metadata, setup.metadata):
        return setup
    _check_size("metadata", metadata, MAX_METADATA_BYTES)
    return replace(setup, metadata=metadata)


def _edit_message(setup: Setup, patch: MessagePatch | None, now_ms: int) -> Setup:
    if patch is None:
        return setup if setup.message is None else replace(setup, message=None)
    text, style = None, None
    if setup.message is not None:
        text, style, _ = setup.message
    text, style = patch.get("text", text), patch.get("style", style) or MessageStyle.NORMAL
    if text is None:
        raise InvalidSetup("message.text", "A message needs a text; null removes the message")
    if setup.message is not None and setup.message[:2] == (text, style):
        return setup
    return replace(setup, message=Message(text, style, now_ms))


def _edit_warnings(setup: Setup, marks_ms: list[int] | None, _: int) -> Setup:
    ordered = in_warning_order(marks_ms or ())
    return setup if ordered == setup.warn_at_ms else replace(setup, warn_at_ms=ordered)


def _edit_action(setup: Setup, patch: ActionPatch | None, _: int) -> Setup:
    action, data = default_action(setup.sync_mode), None
    if patch is not None:
        action = patch.get("type", setup.action_on_timeout) or action
        data = setup.action_data
        if "data" in patch:
            data = merged(data, patch["data"])
    if action is setup.action_on_timeout and is_same(data, setup.action_data):
        return setup
    _check_size("action_on_timeout.data", data, MAX_ACTION_DATA_BYTES)
    return replace(setup, action_on_timeout=action, action_data=data)


def _edit_soft_close(setup: Setup, patch: SoftClosePatch | None, _: int) -> Setup:
    soft_close = None
    if patch is not None:
        extend_to_ms, max_extension_ms = setup.soft_close or (None, None)
        extend_to_ms = patch.get("extend_to_ms", extend_to_ms)
        if extend_to_ms is None:
            raise InvalidSetup(
                "soft_close.extend_to_ms", "A soft close needs extend_to_ms; null removes it"
            )
        max_extension_ms = patch.get("max_extension_ms", max_extension_ms)
        soft_close = SoftClose(extend_to_ms, max_extension_ms)
    if soft_close == setup.soft_close:
        return setup
    return replace(setup, soft_close=checked_soft_close(setup.sync_mode, soft_close))


def _edit_permissions(setup: Setup, given: list[Permission] | None, _: int) -> Setup:
    permissions = checked_permissions(setup.sync_mode, given or ())
    if permissions == setup.participants_may:
        return setup
    return replace(setup, participants_may=permissions)


def _check_size(field: str, value: object, limit_bytes: int) -> None:
    if depth(value) > MAX_NESTING:
        raise InvalidSetup(field, f"Must be nested at most {MAX_NESTING} levels deep when merged")
    if (size := size_bytes(value)) > limit_bytes:
        raise InvalidSetup(
            field, f"Must be at most {limit_bytes} bytes of JSON when merged, got {size}"
        )


_EDITS: Final[Mapping[str, Callable[[Setup, Any, int], Setup]]] = {
    "metadata": _edit_metadata,
    "message": _edit_message,
    "warn_at_ms": _edit_warnings,
    "action_on_timeout": _edit_action,
    "soft_close": _edit_soft_close,
    "participants_may": _edit_permissions,
}

_FIELDS: Final = (
    "metadata",
    "message",
    "starts_at",
    "ends_at",
    "warn_at_ms",
    "action_on_timeout",
    "soft_close",
    "participants_may",
)
"""All fields, in the order in which an event names those that changed."""
