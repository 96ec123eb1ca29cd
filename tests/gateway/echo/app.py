"""An echo app in ten lines, with nothing but Chalice and boto3."""

import boto3
from chalice.app import Chalice, WebsocketEvent

app = Chalice("echo")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    app.websocket_api.send(event.connection_id, event.body)
