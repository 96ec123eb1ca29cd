"""The least a packaged REST function that needs AWS could be: it imports boto3, and answers."""

import boto3  # noqa: F401
from chalice.app import Chalice

app = Chalice(app_name="boto3_app")


@app.route("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
