"""One connection to one server, which speaks RESP3: commands go out, answers come in.

Must know nothing of what is stored, of other connections or of repeating. It
logs in when it opens, and is closed by whoever meets an exception in it: half
an exchange may be behind it then.

hiredis reads and writes the protocol. redis-py could do the rest, but to import
it makes the first answer of a cold start take a third longer.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from hiredis import ProtocolError, PushNotification, Reader, pack_command

from ..redis_url import RedisAddress, Tls
from .reach import reached

if TYPE_CHECKING:
    from ssl import SSLContext

Command = tuple[bytes | str | int, ...]

HEALTH_CHECK_AFTER_S = 15
"""A connection idle for longer is tried with a PING before it is used.

A Lambda that was frozen wakes up with sockets that are dead and do not know.
"""

READ_BYTES = 65_536
LEAST_WAIT_S = 0.001
_INCOMPLETE = object()

# hiredis takes any number of words, and tells mypy of one.
_packed = cast("Callable[[Command], bytes]", pack_command)


class Unanswered(Exception):
    """No answer could be had: the server can't be reached, or is none."""


class TimedOut(Unanswered):
    """It was silent for longer than it may be."""


class TurnedAway(Unanswered):
    """To ask again at once would not help: the server lets nobody in, or none could be found."""


class ErrorReply(Exception):
    """The server says no. ``code`` is the word it begins with, such as NOSCRIPT."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.partition(" ")[0]


class Connection:
    """For one thread at a time. It is open from its first use until it is closed.

    ``answer_within_s`` is how long a server may take until it has let us in, and again
    for each answer.
    """

    def __init__(self, address: RedisAddress, answer_within_s: float) -> None:
        self._address = address
        self._answer_within_s = answer_within_s
        self._socket: socket.socket | None = None
        self._heard = select.poll()
        self._reader = _new_reader()
        self._used_at_s = 0.0

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that are sent at once, in their order; ErrorReplies among them.

        Raises:
            Unanswered: There are none; some of the commands may have been carried out.
        """
        self.open()
        return self._exchange(commands, self._answer_within_s)

    def open(self) -> None:
        """Make sure that somebody is there.

        Raises:
            Unanswered: Nobody is.
        """
        if self._socket is None:
            self._connect()
            return
        self._expect_silence()
        if time.monotonic() - self._used_at_s > HEALTH_CHECK_AFTER_S:
            self._exchange([("PING",)], self._answer_within_s)

    def send(self, commands: Sequence[Command]) -> None:
        """Have commands on their way.

        Raises:
            Unanswered: They are not, or not all of them.
        """
        words = b"".join(map(_packed, commands))
        opened = self._opened()
        try:
            # What is left from the last answer may be next to nothing.
            opened.settimeout(self._answer_within_s)
            opened.sendall(words)
        except OSError as error:
            raise self._unanswered(error) from error

    def receive(self, within_s: float) -> Any:
        """What comes next, an answer or what was published; an ErrorReply is returned, too.

        Raises:
            TimedOut: Nothing does in time. It may be asked for again.
            Unanswered: The connection is lost, or whoever is there speaks no RESP.
        """
        try:
            # Zero would make it one that never blocks, with errors of its own.
            until_s = time.monotonic() + max(within_s, LEAST_WAIT_S)
            while (received := self._reader.gets()) is _INCOMPLETE:
                opened = self._opened()
                opened.settimeout(_left_s(until_s))
                read = opened.recv(READ_BYTES)
                if not read:
                    raise Unanswered(f"{self._name()} has closed the connection")
                self._reader.feed(read)
        except OSError as error:
            raise self._unanswered(error) from error
        except ProtocolError as error:
            raise Unanswered(f"{self._name()} is no Redis: {error}") from error
        return received

    def close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            with suppress(OSError):
                opened.close()

    def _connect(self) -> None:
        address = self._address
        until_s = time.monotonic() + self._answer_within_s
        try:
            self._socket = reached(address.host, address.port, self._answer_within_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if address.tls is not None:
                context = _tls_context(address.tls)
                self._socket.settimeout(_left_s(until_s))
                self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
            self._heard = select.poll()
            self._heard.register(self._socket, select.POLLIN)
            # What was read of an answer over the last one is not the beginning of one over this.
            self._reader = _new_reader()
            self._log_in(_left_s(until_s))
        # The last is what a host says that can be no name.
        except (OSError, UnicodeError) as error:
            self.close()
            raise self._unanswered(error) from error

    def _expect_silence(self) -> None:
        """What nobody has asked for would be taken for the next answer, and that for the one after.

        Raises:
            Unanswered: The server has said something since, or left.
        """
        if self._reader.has_data() or self._heard.poll(0):
            # TLS has words of its own, which are not the server's.
            with suppress(TimedOut):
                self.receive(0)
                raise Unanswered(f"{self._name()} says what nobody has asked for")
            if self._reader.has_data():
                raise Unanswered(f"{self._name()} says half of what nobody has asked for")

    def _exchange(self, commands: Sequence[Command], within_s: float) -> list[Any]:
        self.send(commands)
        answers = []
        for _ in commands:
            answer = self.receive(within_s)
            while isinstance(answer, PushNotification):
                answer = self.receive(within_s)
            answers.append(answer)
        self._used_at_s = time.monotonic()
        return answers

    def _log_in(self, within_s: float) -> None:
        address = self._address
        hello: Command = ("HELLO", 3)
        if address.username or address.password:
            hello += ("AUTH", address.username or "default", address.password)
        selecting: list[Command] = [("SELECT", address.database)] if address.database else []
        for answer in self._exchange([hello, *selecting], within_s):
            if isinstance(answer, ErrorReply):
                raise TurnedAway(f"{self._name()} says: {answer}")

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise Unanswered(f"The connection to {self._name()} is closed")
        return self._socket

    def _unanswered(self, error: Exception) -> Unanswered:
        if isinstance(error, TimeoutError):
            return TimedOut(f"{self._name()} is silent: {error}")
        return Unanswered(f"{self._name()}: {error}")

    def _name(self) -> str:
        return f"{self._address.host}:{self._address.port}"


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _new_reader() -> Reader:
    return Reader(replyError=ErrorReply, notEnoughData=_INCOMPLETE)


@lru_cache(maxsize=4)
def _tls_context(tls: Tls) -> SSLContext:
    """Built once: to read what the system trusts takes longer than any exchange."""
    # Only those pay for it who use TLS.
    import ssl  # noqa: PLC0415

    context = ssl.create_default_context(cafile=tls.ca_file)
    context.check_hostname = tls.verifies_name
    if not tls.verifies:
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context
