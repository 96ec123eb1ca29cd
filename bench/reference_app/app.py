"""What cold starts are compared with: a Chalice app that imports boto3 and redis, and answers."""

import boto3  # noqa: F401
import redis  # noqa: F401
from chalice.app import Chalice

app = Chalice(app_name="reference_app")


@app.route("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
