"""Every key in Redis, and every channel, named once.

All that one commit touches must lie in one slot of a Redis Cluster, so the
hash tag is a shard, calculated from the session's id. Names are made here and
passed to the scripts as KEYS; no script may make up one of its own.

    session:{07}:<id>                hash: epoch, version, updated_at_ms, due_ms, setup (written
                                     once), facts
    session:{07}:<id>:events         stream: version, event; the last thousand or so
    session:{07}:<id>:connections    hash: who watches, since when, last heard of, and where; with a
                                     token, until when and which
    reply:{07}:<id>:<command id>     what a command made and was answered with: for a minute, or
                                     a day, if the id is an Idempotency-Key
    switches:{07}:<id>               the bucket of its switches: the us at which it is drained
    messages:{07}:<id>:<connection>  the bucket of a connection's messages
    revoked:{07}:<id>:<token id>     that a token holds no more, for as long as it might have
    deadlines:{07}                   sorted set: session id by the ms it is to be settled at
                                     and channel: an instant earlier than all of these to come
    sessions:{07}                    sorted set: session id by its status and the minute it expires
    connected:{07}                   sorted set: connection id by the ms it was last heard of
    connection:<connection id>       the session that a connection watches, and who it is that
                                     does, while it is heard of
    requests:<address>               the bucket of an address, in a slot of its own
    updates:{07}:<id>                channel: what everybody who watches is told
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The names that belong to one session; ``shards`` must never change under it."""

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
        # hash() differs from process to process; a shard may not.
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
        """What a command did is remembered by id and not within the session.

        A session could hold only the last few ids, and where many clients
        contend, more commits than that can pass between a lost reply and its
        repetition.
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


WATCHED = "session:*:connections"
"""Matches the list of every session that somebody watches."""


def session_of_list(key: str) -> str:
    """The id of the session whose list of connections has this name."""
    return key.split(":")[2]


def connection(connection_id: str) -> str:
    # In a slot of its own, because a message of a connection does not say
    # which session it is about.
    return f"connection:{connection_id}"


def requests(address: str) -> str:
    # No session's slot can be that of an address, which calls for many of them.
    return f"requests:{address}"


ALL_UPDATES = "updates:*"
"""Matches the channel of every session."""


def session_of_channel(channel: str) -> str:
    """The id of the session whose updates have this channel."""
    return channel.split(":")[2]


ALL_ALARMS = "deadlines:*"
"""Matches the channel of every shard's alarms."""


def shard_of_alarms(channel: str) -> int:
    """The shard whose alarms have this channel."""
    return int(channel.partition(":")[2].strip("{}"))
