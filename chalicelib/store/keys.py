"""Redis keys and channels: every name is defined here.

All keys of a commit must lie in one slot of a Redis Cluster, so the hash tag is a shard
computed from the session id. Scripts receive names as KEYS and must not build their own.

    session:{07}:<id>                hash: epoch, version, updated_at_ms, due_ms, facts, setup
                                     (written when it changes), renewable_until_ms
    session:{07}:<id>:events         stream: version, event; the last thousand or so
    session:{07}:<id>:connections    hash: connection id to registered_at_ms, last_seen_at_ms and
                                     endpoint; with a token, its expiry and id
    reply:{07}:<id>:<command id>     idempotency record of a command: for a minute, or a day if the
                                     id is an Idempotency-Key
    switches:{07}:<id>               rate-limit bucket of switches: the us at which it is drained
    messages:{07}:<id>:<connection>  rate-limit bucket of a connection's messages
    revoked:{07}:<id>:<token id>     exists for a revoked token, until the token would have expired
    deadlines:{07}                   sorted set: session id by the ms at which to settle it
                                     and channel: a deadline earlier than all others to come
    sessions:{07}                    sorted set: session id by its status and the minute it expires;
                                     for a day longer, so that it is known to have expired, or by
                                     the ms of its deletion
    connected:{07}                   sorted set: connection id by the ms of its last heartbeat
    connection:<connection id>       the connection's session and bearer; expires when silent
    requests:<address>               rate-limit bucket of an address, in a slot of its own
    updates:{07}:<id>                channel: the session's updates
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The names of one session's keys. ``shards`` must never change while sessions exist."""

    session: str
    events: str
    connections: str
    deadlines: str
    sessions: str
    connected: str
    updates: str
    switches: str
    _tagged: str

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, session_id: str, shards: int) -> SessionKeys:
        # Not hash(): it differs from process to process.
        tag = shard_tag(crc32(session_id.encode()) % shards)
        tagged = f"{tag}:{session_id}"
        session = f"session:{tagged}"
        return cls(
            session=session,
            events=f"{session}:events",
            connections=f"{session}:connections",
            deadlines=deadlines(tag),
            sessions=sessions(tag),
            connected=connected(tag),
            updates=f"updates:{tagged}",
            switches=f"switches:{tagged}",
            _tagged=tagged,
        )

    def reply(self, command_id: str) -> str:
        """Idempotency records have keys of their own, outside the session.

        A session could hold only the last few ids, and under contention more commits than
        that can happen between a lost reply and its retry.
        """
        return f"reply:{self._tagged}:{command_id}"

    def revoked(self, token_id: str) -> str:
        return f"revoked:{self._tagged}:{token_id}"

    def messages(self, connection_id: str) -> str:
        return f"messages:{self._tagged}:{connection_id}"


def shard_tag(shard: int) -> str:
    """``{07}``: the part of a key that decides its slot."""
    return f"{{{shard:02}}}"


def deadlines(tag: str) -> str:
    return f"deadlines:{tag}"


def sessions(tag: str) -> str:
    return f"sessions:{tag}"


def connected(tag: str) -> str:
    return f"connected:{tag}"


ALL_CONNECTIONS = "session:*:connections"
"""Matches the connections of every session."""


def session_of_list(key: str) -> str:
    """The session id in the key of a session's connections."""
    return key.split(":")[2]


def connection(connection_id: str) -> str:
    # Not in the session's slot: a socket message does not name its session.
    return f"connection:{connection_id}"


def requests(address: str) -> str:
    # Not in a session's slot: an address calls for many sessions.
    return f"requests:{address}"


ALL_UPDATES = "updates:*"
"""Matches the channel of every session."""


def session_of_channel(channel: str) -> str:
    """The session id in an updates channel."""
    return channel.split(":")[2]


ALL_ALARMS = "deadlines:*"
"""Matches the deadline channel of every shard."""


def shard_of_alarms(channel: str) -> int:
    """The shard in a deadline channel."""
    return int(channel.partition(":")[2].strip("{}"))
