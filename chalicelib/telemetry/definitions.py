"""Metric definitions, named by Prometheus conventions: base units, ``_total``.

CloudWatch uses the same names. Labels have few, known values: a route is its path
template with ``{session_id}``, and an id is never a label.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A counter, or a histogram of seconds if ``buckets`` are given."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Gauge:
    """A value read on each scrape."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

FINE_SECONDS = (
    *(0.0005, 0.00075, 0.001, 0.00125, 0.0015, 0.002, 0.0025, 0.003, 0.004, 0.005),
    *(0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5),
)
"""From a switch on one machine to one that exhausted its retries."""

REQUESTS = Metric(
    "tickless_http_requests_total", "Requests answered.", ("method", "route", "status")
)
REQUEST_SECONDS = Metric(
    "tickless_http_request_duration_seconds",
    "From a request's arrival at the function to its answer.",
    ("method", "route"),
    SECONDS,
)
MESSAGES = Metric(
    "tickless_socket_messages_total",
    "Messages of sockets, their opening and their end; code is OK, or why it was refused.",
    ("type", "code"),
)
MESSAGE_SECONDS = Metric(
    "tickless_socket_message_duration_seconds",
    "From a message's arrival at the function to the post of its answer.",
    ("type",),
    SECONDS,
)
SWITCH_SECONDS = Metric(
    "tickless_switch_duration_seconds",
    "From a switch's arrival at the function to its answer, where it was carried out.",
    ("transport",),
    FINE_SECONDS,
)
LOST_RACES = Metric("tickless_lost_races_total", "Commits refused because of a concurrent one.")
POSTS = Metric("tickless_posts_total", "Posts to connections, by outcome.", ("outcome",))
FAN_OUT_SECONDS = Metric(
    "tickless_fan_out_duration_seconds",
    "From an update's arrival at the posting process to the end of the last post.",
    (),
    SECONDS,
)
SWEEPER_LAG_SECONDS = Metric(
    "tickless_sweeper_lag_seconds",
    "From a deadline to the instant at which the sweeper settled it, on the store's clock.",
    (),
    (*SECONDS, 30, 60, 300),
)
RATE_LIMITED = Metric(
    "tickless_rate_limited_total", "Requests and messages above a rate limit.", ("scope",)
)
LIMITER_FAILED_OPEN = Metric(
    "tickless_limiter_failed_open_total",
    "Requests let through uncounted because the store could not be asked.",
)

METRICS = (
    REQUESTS,
    REQUEST_SECONDS,
    MESSAGES,
    MESSAGE_SECONDS,
    SWITCH_SECONDS,
    LOST_RACES,
    POSTS,
    FAN_OUT_SECONDS,
    SWEEPER_LAG_SECONDS,
    RATE_LIMITED,
    LIMITER_FAILED_OPEN,
)

STORE_UP = Gauge("tickless_store_up", "1 if the store answered this scrape, else 0.")
SESSIONS = Gauge("tickless_sessions", "Sessions in the store.", ("status",))
CONNECTIONS = Gauge("tickless_connections", "Connections heard of within three heartbeats.")
OVERDUE = Gauge("tickless_overdue_deadlines", "Deadlines that have passed and are not settled.")
OVERDUE_SECONDS = Gauge(
    "tickless_overdue_seconds", "How long ago the oldest of those passed; 0 without any."
)
BUILD = Gauge("tickless_build_info", "Always 1; the version that runs.", ("version",))

GAUGES = (STORE_UP, SESSIONS, CONNECTIONS, OVERDUE, OVERDUE_SECONDS, BUILD)
