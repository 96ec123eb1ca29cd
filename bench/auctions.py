"""Soft close under fire: a hundred bids at once, within the last milliseconds of an auction.

Each round is an auction of its own on the real store. It is written as one that has run for long,
so that its deadline is a few milliseconds away by the store's clock, which alone decides: a bid
counts from when its session was loaded. Two processes, each with an engine of its own and many
threads, bid until that deadline and after it; a third one settles, as a sweeper does.
The event log then tells the auction again, and its arithmetic must show that no bid came too late
and that none left less than it should.

Owns the auctions and what is wrong in them. Must never judge how fast it was.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection as Pipe
from typing import NamedTuple
from uuid import uuid4

from chalicelib.core.commands import Start, apply
from chalicelib.core.cycles import session_elapsed_ms
from chalicelib.core.errors import Conflict, InvalidTransition, StoreUnavailable
from chalicelib.core.events import CycleSwitched, SessionExpired, TimeExtended
from chalicelib.core.session import Rotation, create
from chalicelib.core.setup import Participant, SoftClose, SyncMode, create_setup
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import LoggedEvent
from chalicelib.store.session_store import RedisStore

from .correctness import PROCESSES, ROUND_SECONDS, WorkerSilent, worker
from .lab import Lab
from .measure import Progress
from .plan import Plan
from .report import Check, Result, Row
from .sessions import creation_commit, engine_on, store_on

TOTAL_MS = 60_000
EXTEND_TO_MS = 1_000
LAST_MS = 10
"""All bid at one instant of the last milliseconds, another one in each auction."""

LEAD_MS = 20
"""From the writing of an auction to its deadline, so that all processes know of it in time."""

SETTLED_FOR_MS = 5
"""How long, from a moment before the deadline, a process settles all the time."""

BIDDERS = 10


class Bid(NamedTuple):
    """An accepted bid: the version that it made, and what it left on the session clock."""

    version: int
    left_ms: int


class Auction(NamedTuple):
    session_id: str
    deadline_ms: int
    bid_at_ms: int


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    found = _bid_together(lab.valkey.url, plan, progress)
    counters = {
        "auctions": found["auctions"],
        "bids at once, in each": plan.bids,
        "bids accepted": found["accepted"],
        "bids refused, after the deadline": found["refused"],
        "bids given up after lost races": found["lost_races"],
        "auctions extended": found["extended"],
        "auctions that ended without a bid": found["ended"],
        **{what: found[what] for what in WRONG},
    }
    rows: list[Row] = [{"what": what, "value": value} for what, value in counters.items()]
    checks = [Check(what, str(found[what]), "0", found[what] == 0) for what in WRONG]
    return Result(
        "auctions",
        "Bids in the last milliseconds",
        f"{PROCESSES} processes with an engine each, in threads, and another that settles. All bid"
        f" at one instant of the last {LAST_MS} ms of an auction, one auction after another; a bid"
        f" with less than {EXTEND_TO_MS:,} ms left, by the store's clock, puts the end off to that."
        " `--auctions` does as many as it says.",
        rows,
        checks,
        sound=all(check.must_holds for check in checks),
    )


SHORT = "accepted bids that left less than extend_to_ms"
LATE = "accepted bids at or after the deadline of then"
DISAGREEING = "auctions whose log and answers disagree"
WRONG = (SHORT, LATE, DISAGREEING)


def open_auction(store: RedisStore, chance: random.Random) -> Auction:
    """An auction that has run for a minute, but for the last milliseconds."""
    deadline_ms = store.now_ms() + LEAD_MS
    began_ms = deadline_ms - TOTAL_MS
    setup = create_setup(
        session_id=str(uuid4()),
        sync_mode=SyncMode.GLOBAL,
        participants=[Participant(str(uuid4()), one, TOTAL_MS) for one in range(BIDDERS)],
        total_time_ms=TOTAL_MS,
        soft_close=SoftClose(EXTEND_TO_MS),
    )
    decision = apply(create(setup, uuid4().hex, began_ms), Start(), began_ms)
    store.commit(creation_commit(decision))
    return Auction(setup.session_id, deadline_ms, deadline_ms - chance.randint(0, LAST_MS))


def faults(auction: Auction, bids: Sequence[Bid], log: Sequence[LoggedEvent]) -> Counter[str]:
    """What is wrong in an auction as its log tells it; and what happened, to be counted."""
    counts: Counter[str] = Counter(auctions=1, accepted=len(bids))
    deadline_ms, left_ms = auction.deadline_ms, dict[int, int]()
    for _, version, event in log:
        match event:
            case CycleSwitched(at_ms=at_ms):
                counts[LATE] += at_ms >= deadline_ms
                left_ms[version] = deadline_ms - at_ms
            case TimeExtended(delta_ms=delta_ms):
                deadline_ms += delta_ms
                left_ms[version] += delta_ms
            case SessionExpired(at_ms=at_ms):
                counts["ended"] += 1
                counts[DISAGREEING] += at_ms != deadline_ms
    counts["extended"] += deadline_ms > auction.deadline_ms
    counts[SHORT] += sum(left < EXTEND_TO_MS for left in left_ms.values())
    answered = {bid.version: bid.left_ms for bid in bids}
    counts[DISAGREEING] += answered != left_ms or len(answered) != len(bids)
    return counts


def bid(engine: SyncEngine, session_id: str) -> Bid | str:
    """A bid, or why it was not accepted."""
    try:
        result = engine.switch_cycle(session_id)
    except InvalidTransition:
        return "refused"
    except (Conflict, StoreUnavailable):
        return "lost_races"
    session = result.session
    if not isinstance(session, Rotation):
        raise TypeError(type(session))
    return Bid(session.version, session.total_time_ms - session_elapsed_ms(session, result.now_ms))


def _bid_together(redis_url: str, plan: Plan, progress: Progress) -> Counter[str]:
    totals: Counter[str] = Counter()
    chance = random.Random(1)
    give_up_at = time.monotonic() + plan.auction_seconds
    with ExitStack() as parts:
        store = parts.enter_context(store_on(redis_url))
        workers = [
            parts.enter_context(worker(_work, redis_url, plan.bids // PROCESSES))
            for _ in range(PROCESSES)
        ]
        workers.append(parts.enter_context(worker(_settle, redis_url)))
        for number in range(1, plan.auction_rounds + 1):
            if number % 10 == 0:
                progress(f"auction {number:,} of {plan.auction_rounds:,}")
            totals += _round(store, workers, chance)
            if time.monotonic() > give_up_at:
                break
    return totals


def _round(store: RedisStore, workers: Sequence[Pipe], chance: random.Random) -> Counter[str]:
    auction = open_auction(store, chance)
    for pipe in workers:
        pipe.send(auction)
    answers: list[Bid | str] = []
    for pipe in workers:
        if not pipe.poll(ROUND_SECONDS):
            raise WorkerSilent
        answers += pipe.recv()
    bids = [answer for answer in answers if isinstance(answer, Bid)]
    log = store.read_events(auction.session_id, None, 1_000) or ()
    store.delete(auction.session_id, uuid4().hex, b"{}")
    refusals = Counter(answer for answer in answers if isinstance(answer, str))
    return faults(auction, bids, log) + refusals


def _work(redis_url: str, threads: int, pipe: Pipe) -> None:
    """A process that bids: in each auction it is sent, once in each thread."""
    with engine_on(redis_url) as engine, ThreadPoolExecutor(threads) as pool:

        def bid_in(auction: Auction) -> Bid | str:
            _sleep_until(auction.bid_at_ms)
            return bid(engine, auction.session_id)

        while (auction := pipe.recv()) is not None:
            pipe.send(list(pool.map(bid_in, [auction] * threads)))


def _settle(redis_url: str, pipe: Pipe) -> None:
    """A process that settles each auction it is sent, around its deadline."""
    with engine_on(redis_url) as engine:
        while (auction := pipe.recv()) is not None:
            _sleep_until(auction.deadline_ms - 1)
            while time.time() * 1000 < auction.deadline_ms + SETTLED_FOR_MS:
                engine.get_current_state(auction.session_id)
            pipe.send([])


def _sleep_until(instant_ms: int) -> None:
    # The store is on this machine, so its clock is ours.
    time.sleep(max(0.0, instant_ms / 1000 - time.time()))
