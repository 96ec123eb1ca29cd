"""What a REDIS_URL means, which is what it means to redis-py."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from chalicelib.redis_url import InvalidUrl, RedisAddress, Tls, read_redis_url

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(
    st.sampled_from(["redis", "rediss"]),
    st.sampled_from(["localhost", "10.0.0.7", "store.example"]),
    st.none() | st.integers(1, 65_535),
    st.none() | words,
    st.none() | words,
    st.none() | st.integers(0, 1000),
    st.booleans(),
)
def test_it_means_what_it_means_to_redis_py(
    scheme: str,
    host: str,
    port: int | None,
    username: str | None,
    password: str | None,
    database: int | None,
    database_as_option: bool,
) -> None:
    login = quote(username or "", safe="")
    if password is not None:
        login += f":{quote(password, safe='')}"
    url = f"{scheme}://{f'{login}@' if login else ''}{host}{f':{port}' if port else ''}"
    if database is not None:
        url += f"?db={database}" if database_as_option else f"/{database}"

    theirs = parse_url(url)  # type: ignore[no-untyped-call]
    assert read_redis_url(url) == RedisAddress(
        host=theirs["host"],
        port=theirs.get("port", 6379),
        username=theirs.get("username", ""),
        password=theirs.get("password", ""),
        database=theirs.get("db", 0),
        tls=Tls() if scheme == "rediss" else None,
    )


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        ("", Tls()),
        ("ssl_ca_certs=/ca.pem", Tls(ca_file="/ca.pem")),
        ("ssl_certfile=/c.pem&ssl_keyfile=%2Fk.pem", Tls(None, "/c.pem", "/k.pem")),
        ("ssl_cert_reqs=required&ssl_check_hostname=False", Tls(verifies_name=False)),
        # Who is not verified has no name either.
        ("ssl_cert_reqs=none", Tls(verifies=False, verifies_name=False)),
    ],
)
def test_options_say_whom_to_believe(options: str, tls: Tls) -> None:
    assert read_redis_url(f"rediss://store.example?{options}").tls == tls


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "must be redis://"),
        ("store.example:6379", "must be redis://"),
        ("http://store.example", "must be redis://"),
        ("unix:///run/redis.sock", "must be redis://"),
        ("redis://store.example:0", "must be redis://"),
        ("redis://store.example:65536", "must be redis://"),
        ("redis://[::1", "must be redis://"),
        ("redis://store.example/main", "database by a number"),
        ("redis://store.example/-1", "database by a number"),
        ("redis://store.example?db=²", "database by a number"),
        ("redis://store.example?timeout=1&retries=2", "retries, timeout"),
        ("redis://store.example?ssl_cert_reqs=none", "only rediss:// has"),
        ("redis://:?s3cret@store.example", "of user and password quoted"),
        ("redis://:12#s3cret@store.example", "of user and password quoted"),
        ("redis://:12/s3cret@store.example", "of user and password quoted"),
        ("rediss://store.example?ssl_cert_reqs=never", "ssl_cert_reqs one of"),
        ("rediss://store.example?ssl_check_hostname=", "ssl_check_hostname one of"),
    ],
)
def test_what_leads_nowhere_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(InvalidUrl, match=complaint) as error:
        read_redis_url(url)
    assert "s3cret" not in str(error.value)


def test_an_address_in_a_log_shows_no_password() -> None:
    assert "s3cret" not in repr(read_redis_url("redis://user:s3cret@store.example"))


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert read_redis_url("redis://[fd00::7]:7000").host == "fd00::7"
