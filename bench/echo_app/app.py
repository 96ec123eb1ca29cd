"""Posts back what a client says, or, to "who", the id of its connection.

It does so over plain HTTP, because what an SDK costs is measured elsewhere.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
from urllib.parse import quote

from chalice.app import Chalice, WebsocketEvent

app = Chalice(app_name="echo")
app.experimental_feature_flags.add("WEBSOCKETS")

_of_thread = threading.local()


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> dict[str, int]:
    return {"statusCode": 200}


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    _post(event.connection_id, event.connection_id if event.body == "who" else event.body)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    pass


def _post(connection_id: str, text: str) -> None:
    connection = _connection()
    connection.request("POST", f"/dev/@connections/{quote(connection_id)}", text.encode())
    connection.getresponse().read()


def _connection() -> http.client.HTTPConnection:
    connection: http.client.HTTPConnection | None = getattr(_of_thread, "connection", None)
    if connection is None:
        port = int(os.environ["WEBSOCKET_PORT"])
        connection = _of_thread.connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        # It writes head and body one after the other.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
