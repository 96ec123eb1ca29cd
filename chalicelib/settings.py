"""Settings: environment variables, parsed and validated once. No other module reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

MAX_RATE_LIMIT = 1_000_000
"""One request per microsecond, for limits per second; above that, use no limit."""

MAX_TOKEN_TTL_SECONDS = 30 * 24 * 60 * 60
"""How long a revocation is stored."""


REDIS_TLS_OPTIONS: Final = frozenset(
    (
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    )
)
"""The redis-py options allowed in a URL; others would override the client's timeouts."""


class InvalidSetting(ValueError):
    """An environment variable has an invalid value; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a deployment; each field is the environment variable in upper case.

    ``redis_url`` is ``redis://`` or, with TLS, ``rediss://``, with user and password if the server
    requires them. ``redis_cluster`` says that it is a Redis Cluster, which a URL cannot. ``shards``
    is the number of hash slots for sessions; it must never change while sessions exist.

    ``broadcast`` is ``inline``, where the committing function posts to every subscriber, or
    ``relay``, where one relay per endpoint does. An empty ``websocket_endpoint`` is taken from each
    event, as on AWS; ``websocket_url`` is where browsers connect, and is passed to the page at /;
    ``greeter`` is the name of the function that sends welcome messages. Clients send a PING every
    ``heartbeat_interval_ms``; after three intervals without a message a connection is closed.
    ``management_api`` is ``fast`` (curl) or ``reference`` (boto3). Lambda sets ``aws_*``.

    ``metrics`` is ``prometheus``, ``emf`` or ``off``; ``prometheus_multiproc_dir`` is the directory
    of processes that are scraped together, named as prometheus_client names it. ``service`` names
    this service in metrics, log lines and traces. ``log_format`` is ``json`` or ``text``;
    ``log_level`` is the threshold. Lambda has other defaults: see ``ON_LAMBDA``.

    ``rate_limit_*`` are limits: requests per address and minute, switches per session and second,
    messages per connection and second. 0 is no limit.

    ``auth`` turns tokens on. Their keys are ``auth_keys``, a JSON Web Key Set, or
    ``auth_keys_secret``, the ARN of a secret in AWS Secrets Manager. ``token_ttl_seconds`` is the
    default validity of a token. ``allowed_origins`` are the origins of pages that may open a
    WebSocket; empty allows any.
    """

    redis_url: str = "redis://localhost:6379/0"
    redis_cluster: bool = False
    shards: int = 16
    session_ttl_seconds: int = 24 * 60 * 60
    broadcast: str = "inline"
    websocket_endpoint: str = ""
    websocket_url: str = ""
    greeter: str = "tickless-dev-greet"
    heartbeat_interval_ms: int = 30_000
    management_api: str = "fast"
    rate_limit_general: int = 600
    rate_limit_switch: int = 10
    rate_limit_message: int = 20
    aws_region: str = "us-east-1"
    aws_access_key_id: str = ""
    aws_secret_access_key: str = ""
    aws_session_token: str = ""
    metrics: str = "prometheus"
    prometheus_multiproc_dir: str = ""
    service: str = "tickless"
    log_format: str = "text"
    log_level: str = "warning"
    tracing: bool = False
    auth: bool = False
    # Not in repr, so that printing the settings prints no key.
    auth_keys: str = field(default="", repr=False)
    auth_keys_secret: str = ""
    token_ttl_seconds: int = 24 * 60 * 60
    allowed_origins: tuple[str, ...] = ()


ON_LAMBDA: Final[dict[str, Any]] = {
    "metrics": "emf",
    "log_format": "json",
    "log_level": "info",
    "auth": True,
}
"""Defaults that differ on Lambda.

Prometheus cannot scrape it, CloudWatch parses its log lines, and it is public: without tokens, any
client could change any session.
"""


def default_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The defaults, which depend on whether this runs on Lambda."""
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environment
    return replace(Settings(), **ON_LAMBDA) if on_lambda else Settings()


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Parse the environment; unset variables have their defaults.

    Raises:
        InvalidSetting: A variable has an invalid value.
    """
    defaults = default_settings(environment)

    def text(name: str) -> str:
        value: str = environment.get(name.upper()) or getattr(defaults, name)
        return value

    is_cluster = _flag(environment, "REDIS_CLUSTER", defaults.redis_cluster)
    return Settings(
        redis_url=_redis_url(text("redis_url"), is_cluster),
        redis_cluster=is_cluster,
        shards=_count(environment, "SHARDS", defaults.shards),
        session_ttl_seconds=_count(
            environment, "SESSION_TTL_SECONDS", defaults.session_ttl_seconds
        ),
        broadcast=_one_of(environment, "BROADCAST", ("inline", "relay"), defaults.broadcast),
        websocket_endpoint=text("websocket_endpoint").rstrip("/"),
        websocket_url=_websocket_url(text("websocket_url")),
        greeter=text("greeter"),
        heartbeat_interval_ms=_count(
            environment, "HEARTBEAT_INTERVAL_MS", defaults.heartbeat_interval_ms
        ),
        management_api=_one_of(
            environment, "MANAGEMENT_API", ("fast", "reference"), defaults.management_api
        ),
        rate_limit_general=_limit(environment, "RATE_LIMIT_GENERAL", defaults.rate_limit_general),
        rate_limit_switch=_limit(environment, "RATE_LIMIT_SWITCH", defaults.rate_limit_switch),
        rate_limit_message=_limit(environment, "RATE_LIMIT_MESSAGE", defaults.rate_limit_message),
        aws_region=text("aws_region"),
        aws_access_key_id=text("aws_access_key_id"),
        aws_secret_access_key=text("aws_secret_access_key"),
        aws_session_token=text("aws_session_token"),
        metrics=_one_of(environment, "METRICS", ("prometheus", "emf", "off"), defaults.metrics),
        prometheus_multiproc_dir=text("prometheus_multiproc_dir"),
        service=text("service"),
        log_format=_one_of(environment, "LOG_FORMAT", ("json", "text"), defaults.log_format),
        log_level=_one_of(
            environment, "LOG_LEVEL", ("debug", "info", "warning", "error"), defaults.log_level
        ),
        tracing=_flag(environment, "TRACING", defaults.tracing),
        auth=_auth(environment, defaults.auth),
        auth_keys=text("auth_keys"),
        auth_keys_secret=_secret_arn(text("auth_keys_secret")),
        token_ttl_seconds=_token_ttl(environment, defaults.token_ttl_seconds),
        allowed_origins=_origins(environment.get("ALLOWED_ORIGINS", "")),
    )


def read_settings_before_keys(environment: Mapping[str, str] = os.environ) -> Settings:
    """:func:`read_settings` without AUTH, to create the keys that AUTH=on requires."""
    return read_settings({**environment, "AUTH": "off"})


def _auth(environment: Mapping[str, str], default: bool) -> bool:
    if _one_of(environment, "AUTH", ("off", "on"), "on" if default else "off") == "off":
        return False
    if bool(environment.get("AUTH_KEYS")) == bool(environment.get("AUTH_KEYS_SECRET")):
        raise InvalidSetting("AUTH is on; set either AUTH_KEYS or AUTH_KEYS_SECRET")
    return True


def _secret_arn(text: str) -> str:
    # The value may be the secret itself, so the message does not quote it.
    if text and not re.fullmatch(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d+:secret:\S+", text):
        raise InvalidSetting("AUTH_KEYS_SECRET must be the ARN of a Secrets Manager secret")
    return text


def _token_ttl(environment: Mapping[str, str], default: int) -> int:
    seconds = _count(environment, "TOKEN_TTL_SECONDS", default)
    if seconds > MAX_TOKEN_TTL_SECONDS:
        raise InvalidSetting(
            f"TOKEN_TTL_SECONDS is {seconds}; it must be at most {MAX_TOKEN_TTL_SECONDS}"
        )
    return seconds


def _origins(text: str) -> tuple[str, ...]:
    """Origins as browsers write them, such as ``https://example.com``."""
    origins = tuple(one.strip().lower() for one in text.split(",") if one.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", origin):
            raise InvalidSetting(
                f"ALLOWED_ORIGINS has {origin!r}; an origin is scheme://host[:port] in ASCII,"
                " such as https://example.com"
            )
    return origins


def _redis_url(url: str, is_cluster: bool) -> str:
    """Validate a redis-py URL; messages quote nothing that might be a password."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("redis", "rediss") and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InvalidSetting("REDIS_URL must be redis://HOST:PORT or rediss://HOST:PORT")
    if parts.fragment or "@" in parts.path + parts.query:
        # The rest after such a character would be the end of a password.
        raise InvalidSetting(
            "REDIS_URL must percent-encode /, ?, # and @ in user and password: %2F %3F %23 %40"
        )
    options = parse_qs(parts.query, keep_blank_values=True)
    allowed = REDIS_TLS_OPTIONS | {"db"} if parts.scheme == "rediss" else {"db"}
    if refused := sorted(options.keys() - allowed):
        raise InvalidSetting(
            f"REDIS_URL has unsupported options {', '.join(refused)}; "
            f"{parts.scheme}:// supports {', '.join(sorted(allowed))}"
        )
    verification = options.get("ssl_cert_reqs", ["required"])[0]
    if verification not in ("required", "optional", "none"):
        raise InvalidSetting("REDIS_URL: ssl_cert_reqs must be required, optional or none")
    database = options.get("db", [parts.path.strip("/")])[0] or "0"
    if not (database.isascii() and database.isdigit()):
        raise InvalidSetting("REDIS_URL: the database must be a number, such as /0")
    if is_cluster and int(database):
        raise InvalidSetting("REDIS_URL: a Redis Cluster has only database 0")
    return url


def _websocket_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_valid = not url or (parts.scheme in ("ws", "wss") and bool(parts.hostname))
        is_valid = is_valid and parts.port != 0
    except ValueError:
        is_valid = False
    # The URL becomes part of a Content-Security-Policy header.
    if not is_valid or not re.fullmatch(r"[\x21-\x7e]*", url) or re.search("[;,]", url):
        raise InvalidSetting("WEBSOCKET_URL must be ws://HOST/STAGE or wss://HOST/STAGE")
    return url.rstrip("/")


def _one_of(
    environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str
) -> str:
    value = environment.get(name, "").strip().lower() or default
    if value not in choices:
        raise InvalidSetting(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
    return value


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    value = environment.get(name, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    if value:
        raise InvalidSetting(f"{name} is {value!r}; it must be true or false")
    return default


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "").strip()
    if not value:
        return default
    if not value.isdecimal() or int(value) < 1:
        raise InvalidSetting(f"{name} is {value!r}; it must be a positive whole number")
    return int(value)


def _limit(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "").strip().lower()
    if value in ("0", "off"):
        return 0
    count = _count(environment, name, default)
    if count > MAX_RATE_LIMIT:
        raise InvalidSetting(f"{name} is {value}; it must be at most {MAX_RATE_LIMIT}, or off")
    return count
