"""A directory with an app.py that needs only the store."""

from __future__ import annotations

from pathlib import Path

from local.stack import Options

APP = '''
import os
import time

import redis
from chalice.app import Chalice, Response

app = Chalice("stub", configure_logs=False)


def store():
    return redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.route("/count", methods=["POST"])
def count():
    with store() as client:
        return {"count": client.incr("count")}


@app.route("/environment")
def environment():
    names = ("REDIS_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: os.environ.get(name) for name in names}


@app.route("/wait/{name}")
def wait(name):
    """Record the start, then wait for permission to respond."""
    with store() as client:
        client.rpush(f"begun:{name}", "1")
        client.blpop(f"go:{name}", timeout=60)
    return {"waited": name}
'''

TEMPLATE = """
{"Resources": {"Unknown": {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": {
    "ResponseType": "MISSING_AUTHENTICATION_TOKEN", "StatusCode": "404",
    "ResponseTemplates": {"application/json": "{\\"nothing\\":\\"here\\"}"}}}}}
"""


def make_stub(folder: Path) -> Path:
    template = folder / Options().gateway_template
    template.parent.mkdir(parents=True)
    template.write_text(TEMPLATE)
    (folder / "app.py").write_text(APP)
    return folder
