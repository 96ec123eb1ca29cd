"""The signature of a post to @connections: ours, botocore's, and libcurl's own.

All three over the same transport, to a server that looks at no signature.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from urllib.parse import quote

import pycurl
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from chalicelib.broadcast.connections_api import (
    ConnectionsApiClient,
    CurrentCredentials,
    TransportLimits,
    fixed,
)
from chalicelib.broadcast.connections_api.client import Transport
from chalicelib.broadcast.connections_api.curl import CurlTransport
from chalicelib.broadcast.connections_api.sigv4 import SERVICE, SignedEndpoint

from .fan_out import connection_ids, posting, us_per_post
from .lab import Lab
from .measure import Contender, Progress, Samples, one_by_one, take_turns, throughput_ratio
from .plan import Plan
from .poster import CREDENTIALS, REGION
from .report import Result, Row
from .stub_server import POST_BYTES, stub_server

OURS, BOTOCORE, LIBCURL = "ours", "botocore's SigV4Auth", "libcurl's AWS_SIGV4"


class BotocoreEndpoint(SignedEndpoint):
    """Has each request signed by botocore."""

    def __init__(self, endpoint: str, region: str, credentials: CurrentCredentials) -> None:
        super().__init__(endpoint, region, credentials)
        self._auth = SigV4Auth(BotocoreCredentials(*credentials()), SERVICE, region)

    def sign(self, method: str, connection_id: str, data: bytes) -> tuple[str, list[str]]:
        url = self._urls_begin + quote(connection_id, safe="")
        request = AWSRequest(method=method, url=url, data=data)
        self._auth.add_auth(request)
        return url, [f"{name}: {value}" for name, value in request.headers.items()]


class _UnsignedEndpoint(SignedEndpoint):
    """Leaves signing to libcurl."""

    def sign(self, method: str, connection_id: str, data: bytes) -> tuple[str, list[str]]:
        return self._urls_begin + quote(connection_id, safe=""), []


class _SigningWire(CurlTransport):
    """libcurl signs what this sends."""

    def _new_easy(self) -> pycurl.Curl:
        easy = super()._new_easy()
        easy.setopt(pycurl.AWS_SIGV4, f"aws:amz:{REGION}:{SERVICE}")
        easy.setopt(pycurl.USERPWD, f"{CREDENTIALS.access_key_id}:{CREDENTIALS.secret_access_key}")
        return easy


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    del lab
    posts = plan.broadcaster_posts
    ids = connection_ids(posts)
    current = fixed(CREDENTIALS)
    with ExitStack() as parts:
        endpoint = parts.enter_context(stub_server())

        def sender(new_wire: type[CurlTransport], new_endpoint: type[SignedEndpoint]) -> Contender:
            limits = TransportLimits()

            def open_transport() -> Transport:
                return new_wire(REGION, current, limits, new_endpoint=new_endpoint)

            api = ConnectionsApiClient(open_transport, limits)
            parts.callback(api.close, 1)
            own = {"relay": time.process_time}
            return Contender(one_by_one(partial(posting, api, endpoint, ids)), own)

        def signer(new_endpoint: type[SignedEndpoint]) -> Contender:
            signed, data = new_endpoint(endpoint, REGION, current), b"x" * POST_BYTES

            def sign_for_all() -> None:
                for one in ids:
                    signed.sign("POST", one, data)

            return Contender(one_by_one(sign_for_all))

        turns = partial(
            take_turns,
            rounds=plan.signing_rounds,
            count=plan.signing_count,
            budget_seconds=plan.budget_seconds / 2,
            progress=progress,
        )
        alone = turns({OURS: signer(SignedEndpoint), BOTOCORE: signer(BotocoreEndpoint)})
        sent = turns(
            {
                OURS: sender(CurlTransport, SignedEndpoint),
                BOTOCORE: sender(CurlTransport, BotocoreEndpoint),
                LIBCURL: sender(_SigningWire, _UnsignedEndpoint),
            }
        )
    return Result(
        "signing",
        "The signature of a post",
        f"{posts:,} requests of {POST_BYTES} bytes: only signed, and then sent over the same"
        " libcurl to a server in another process that looks at nothing. CPU is of the process that"
        " signs and sends; the ratio is of posts in a second.",
        [_row(name, found, alone.get(name), sent[OURS], posts) for name, found in sent.items()],
        [],
    )


def _row(name: str, sent: Samples, alone: Samples | None, ours: Samples, posts: int) -> Row:
    return {
        "what": name,
        "count": sent.count,
        "us_per_signature": None if alone is None else alone.p50_ms * 1000 / posts,
        "per_second": sent.per_second * posts,
        "us_per_post": us_per_post(sent, "relay", posts),
        "floor": None if name == OURS else OURS,
        "ratio": None if name == OURS else throughput_ratio(sent, ours),
    }
