"""Settings are read from the environment; errors name the invalid variable."""

from __future__ import annotations

import pytest

from chalicelib.settings import InvalidSetting, Settings, read_settings

ORIGIN = "an origin is scheme://host[:port] in ASCII, such as https://example.com"


def test_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


@pytest.mark.parametrize(
    "url",
    ["https://sockets.example", "ws://", "ws://here:0", "wss://a;b", "wss://a/b c", "ws://[1"],
)
def test_websocket_url_must_be_ws_or_wss(url: str) -> None:
    with pytest.raises(InvalidSetting, match="WEBSOCKET_URL must be"):
        read_settings({"WEBSOCKET_URL": url})


def test_every_variable_is_read() -> None:
    given = {
        "REDIS_URL": "rediss://user:secret@redis.example:6380?ssl_cert_reqs=none",
        "REDIS_CLUSTER": "Yes",
        "SHARDS": "64",
        "SESSION_TTL_SECONDS": "60",
        "BROADCAST": "RELAY",
        "WEBSOCKET_ENDPOINT": "http://127.0.0.1:8001/dev/",
        "WEBSOCKET_URL": "wss://sockets.example/prod/",
        "GREETER": "hello",
        "HEARTBEAT_INTERVAL_MS": "5000",
        "MANAGEMENT_API": "reference",
        "RATE_LIMIT_GENERAL": "1000",
        "RATE_LIMIT_SWITCH": "Off",
        "RATE_LIMIT_MESSAGE": "0",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "METRICS": "off",
        "PROMETHEUS_MULTIPROC_DIR": "/tmp/figures",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "TRACING": "on",
        "AUTH": "ON",
        "AUTH_KEYS": "{}",
        "TOKEN_TTL_SECONDS": "60",
        "ALLOWED_ORIGINS": " https://Clocks.example , http://localhost:8000,",
    }

    assert read_settings(given) == Settings(
        redis_url="rediss://user:secret@redis.example:6380?ssl_cert_reqs=none",
        redis_cluster=True,
        shards=64,
        session_ttl_seconds=60,
        broadcast="relay",
        websocket_endpoint="http://127.0.0.1:8001/dev",
        websocket_url="wss://sockets.example/prod",
        greeter="hello",
        heartbeat_interval_ms=5_000,
        management_api="reference",
        rate_limit_general=1000,
        rate_limit_switch=0,
        rate_limit_message=0,
        aws_region="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        aws_session_token="token",
        metrics="off",
        prometheus_multiproc_dir="/tmp/figures",
        log_format="json",
        log_level="debug",
        tracing=True,
        auth=True,
        auth_keys="{}",
        token_ttl_seconds=60,
        allowed_origins=("https://clocks.example", "http://localhost:8000"),
    )


def test_lambda_defaults_for_metrics_and_logs() -> None:
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "tickless-dev", "AUTH_KEYS": "keys"}

    settings = read_settings(on_lambda)
    assert (settings.metrics, settings.log_format, settings.log_level) == ("emf", "json", "info")
    assert read_settings({**on_lambda, "METRICS": "off"}).metrics == "off"


def test_auth_is_on_by_default_on_lambda() -> None:
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "tickless-dev"}

    assert read_settings({**on_lambda, "AUTH_KEYS": "keys"}).auth
    assert not read_settings({**on_lambda, "AUTH": "off"}).auth
    with pytest.raises(InvalidSetting, match="AUTH is on"):
        read_settings(on_lambda)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("store.example:6379", "must be redis://"),
        ("http://store.example", "must be redis://"),
        ("unix:///run/redis.sock", "must be redis://"),
        ("redis://store.example:0", "must be redis://"),
        ("redis://store.example:65536", "must be redis://"),
        ("redis://[::1", "must be redis://"),
        (f"redis://{'a' * 64}.example", "must be redis://"),
        ("redis://store.example/main", "the database must be a number"),
        ("redis://store.example/-1", "the database must be a number"),
        ("redis://store.example?db=²", "the database must be a number"),
        ("redis://store.example?timeout=1&retries=2", "unsupported options retries, timeout;"),
        ("redis://store.example?ssl_cert_reqs=none", "ssl_cert_reqs; redis:// supports db"),
        ("redis://:?s3cret@store.example", "in user and password"),
        ("redis://:12#s3cret@store.example", "in user and password"),
        ("redis://:12/s3cret@store.example", "in user and password"),
        ("rediss://store.example?ssl_cert_reqs=never", "ssl_cert_reqs must be required"),
    ],
)
def test_invalid_redis_url_is_rejected_without_quoting_its_password(
    url: str, complaint: str
) -> None:
    with pytest.raises(InvalidSetting, match=complaint) as error:
        read_settings({"REDIS_URL": url})
    assert "s3cret" not in str(error.value)


def test_cluster_rejects_other_databases() -> None:
    with pytest.raises(InvalidSetting, match="database 0"):
        read_settings({"REDIS_URL": "redis://store.example/1", "REDIS_CLUSTER": "on"})


@pytest.mark.parametrize("off", ["0", "false", "NO", "off", ""])
def test_false_values_of_a_flag(off: str) -> None:
    assert not read_settings({"REDIS_CLUSTER": off}).redis_cluster


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_CLUSTER", "perhaps"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "unix:///tmp/redis.sock"),
        ("REDIS_URL", "redis://localhost:99999"),
        ("REDIS_URL", "redis://localhost?retries=many"),
        ("SHARDS", "0"),
        ("HEARTBEAT_INTERVAL_MS", "30s"),
        ("SHARDS", "-1"),
        ("SHARDS", "1.5"),
        ("SESSION_TTL_SECONDS", "a day"),
        ("RATE_LIMIT_GENERAL", "plenty"),
        ("RATE_LIMIT_SWITCH", "-1"),
        ("RATE_LIMIT_MESSAGE", "1000001"),
        ("BROADCAST", "radio"),
        ("MANAGEMENT_API", "carrier pigeon"),
        ("METRICS", "statsd"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("TRACING", "sometimes"),
    ],
)
def test_invalid_value_is_rejected_by_variable_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=name):
        read_settings({name: value})


def test_error_does_not_quote_a_password() -> None:
    with pytest.raises(InvalidSetting) as complaint:
        read_settings({"REDIS_URL": "redis://user:secret@host:99999"})

    assert "secret" not in str(complaint.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"AUTH": "on"}, "AUTH is on; set either AUTH_KEYS or AUTH_KEYS_SECRET"),
        (
            {"AUTH": "on", "AUTH_KEYS": "hush", "AUTH_KEYS_SECRET": "arn"},
            "AUTH is on; set either AUTH_KEYS or AUTH_KEYS_SECRET",
        ),
        (
            {"AUTH_KEYS_SECRET": "hush"},
            "AUTH_KEYS_SECRET must be the ARN of a Secrets Manager secret",
        ),
        ({"AUTH": "true"}, "AUTH is 'true'; it must be one of off, on"),
        (
            {"TOKEN_TTL_SECONDS": "2592001"},
            "TOKEN_TTL_SECONDS is 2592001; it must be at most 2592000",
        ),
        (
            {"ALLOWED_ORIGINS": "https://a.example, b.example"},
            f"ALLOWED_ORIGINS has 'b.example'; {ORIGIN}",
        ),
        (
            {"ALLOWED_ORIGINS": "https://a.example;script-src"},
            f"ALLOWED_ORIGINS has 'https://a.example;script-src'; {ORIGIN}",
        ),
        ({"ALLOWED_ORIGINS": "*"}, f"ALLOWED_ORIGINS has '*'; {ORIGIN}"),
        # A browser sends the host in ASCII, so this one would never match.
        (
            {"ALLOWED_ORIGINS": "https://münchen.example"},
            f"ALLOWED_ORIGINS has 'https://münchen.example'; {ORIGIN}",
        ),
        (
            {"ALLOWED_ORIGINS": "https://a.example:"},
            f"ALLOWED_ORIGINS has 'https://a.example:'; {ORIGIN}",
        ),
        (
            {"ALLOWED_ORIGINS": "https://*.a.example"},
            f"ALLOWED_ORIGINS has 'https://*.a.example'; {ORIGIN}",
        ),
        (
            {"ALLOWED_ORIGINS": "https://a.example/"},
            f"ALLOWED_ORIGINS has 'https://a.example/'; {ORIGIN}",
        ),
    ],
)
def test_invalid_auth_setting_is_rejected(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read_settings(given)
    assert str(refused.value) == message


def test_keys_are_allowed_where_auth_is_off() -> None:
    assert not read_settings({"AUTH": "off", "AUTH_KEYS": "{}"}).auth
    arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a/key-AbCdEf"
    assert read_settings({"AUTH": "on", "AUTH_KEYS_SECRET": arn}).auth_keys_secret == arn


def test_repr_of_settings_hides_keys() -> None:
    assert "hush" not in repr(read_settings({"AUTH": "on", "AUTH_KEYS": "hush"}))
