"""Handlers that do nothing but wait for Redis, at paths shaped like the application's.

``FLOOR_EXCHANGES`` holds two commands with the bytes of a switch, as JSON.
"""

from __future__ import annotations

import json
import os
from functools import cache

from chalice.app import Chalice

from bench.floors import bare_server
from chalicelib.store.client import RedisClient

app = Chalice(app_name="floor")

_EXCHANGES = json.loads(os.environ.get("FLOOR_EXCHANGES", "[]"))


@cache
def _redis() -> RedisClient:
    return bare_server(os.environ["REDIS_URL"])


@app.route("/v1/floor/{name}/empty", methods=["POST"])
def empty(name: str) -> dict[str, str]:
    return {}


@app.route("/v1/floor/{name}", methods=["GET"])
def one_trip(name: str) -> dict[str, str]:
    _redis().execute("PING")
    return {}


@app.route("/v1/floor/{name}/two", methods=["POST"])
def two_trips(name: str) -> dict[str, str]:
    server = _redis()
    server.execute("PING")
    server.execute("PING")
    return {}


@app.route("/v1/floor/{name}/bytes", methods=["GET"])
def one_trip_of_the_same_bytes(name: str) -> dict[str, str]:
    _redis().execute(*_EXCHANGES[0])
    return {}


@app.route("/v1/floor/{name}/bytes", methods=["POST"])
def two_trips_of_the_same_bytes(name: str) -> dict[str, str]:
    server = _redis()
    server.execute(*_EXCHANGES[0])
    server.execute(*_EXCHANGES[1])
    return {}
