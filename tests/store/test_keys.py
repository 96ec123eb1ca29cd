"""Key names: the same in every process, and one slot per session."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from chalicelib.store.keys import SessionKeys

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def all_names(keys: SessionKeys) -> list[str]:
    names = [getattr(keys, field.name) for field in fields(keys) if field.name[0] != "_"]
    return [*names, keys.reply("r"), keys.messages("c")]


def test_names_are_as_documented() -> None:
    assert all_names(SessionKeys.of("game", shards=16)) == [
        "session:{12}:game",
        "session:{12}:game:events",
        "session:{12}:game:connections",
        "deadlines:{12}",
        "sessions:{12}",
        "connected:{12}",
        "updates:{12}:game",
        "switches:{12}:game",
        "reply:{12}:game:r",
        "messages:{12}:game:c",
    ]


@settings(deadline=None)
@given(ids, st.integers(1, 200))
def test_all_names_of_a_session_share_one_slot(session_id: str, shards: int) -> None:
    names = all_names(SessionKeys.of(session_id, shards))
    assert len({key_slot(name.encode()) for name in names}) == 1


@settings(deadline=None)
@given(st.lists(ids, min_size=2, max_size=2, unique=True))
def test_sessions_share_no_key_but_the_index(session_ids: list[str]) -> None:
    one, other = (SessionKeys.of(session_id, shards=1) for session_id in session_ids)
    assert one.session != other.session
    assert one.updates != other.updates
    assert one.reply("r") != other.reply("r")


def test_sessions_spread_over_all_shards() -> None:
    indexes = {SessionKeys.of(f"session-{n}", shards=16).deadlines for n in range(1000)}
    assert indexes == {f"deadlines:{{{shard:02}}}" for shard in range(16)}
