"""A shared board: each user has a text on it, and everyone connected sees all of them.

The board is in memory, to keep the example short; on AWS it would be in a table.
"""

import json
from threading import RLock

import boto3
from chalice import Chalice

app = Chalice("board")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()

lock = RLock()
users = {}  # of each connection
texts = {}  # each user's text, with the number that their client gave it
parts = {}  # of texts that have not arrived as a whole
endpoint = {}  # of @connections, from an event


@app.on_ws_connect()
def connect(event):
    context = event.to_dict()["requestContext"]
    query = event.to_dict().get("queryStringParameters") or {}
    endpoint["url"] = f"https://{context['domainName']}/{context['stage']}"
    with lock:
        users[event.connection_id] = query["user"]


@app.on_ws_message()
def message(event):
    body = json.loads(event.body)
    if body["type"] == "get":
        with lock:
            board = {user: text for user, (_, text) in texts.items()}
        post(event.connection_id, {"type": "board", "texts": board})
    elif body["type"] == "write":
        write(users[event.connection_id], body)


@app.on_ws_disconnect()
def disconnect(event):
    leave(event.connection_id)


@app.schedule("rate(5 minutes)")
def heartbeat(event):
    # API Gateway closes a connection after ten minutes without a message.
    broadcast({"type": "heartbeat"})


@app.schedule("rate(1 minute)")
def sweep(event):
    # $disconnect may be lost.
    for connection_id in list(users):
        try:
            client().get_connection(ConnectionId=connection_id)
        except client().exceptions.GoneException:
            leave(connection_id)


def write(user, body):
    """Put a text on the board, once all its parts are there, unless a newer one is."""
    key = (user, body["number"])
    with lock:
        arrived = parts.setdefault(key, {})
        arrived[body["part"]] = body["text"]
        if len(arrived) < body["parts"]:
            return
        del parts[key]
        text = "".join(arrived[part] for part in range(body["parts"]))
        # Messages overtake each other.
        if body["number"] <= texts.get(user, (0, ""))[0]:
            return
        texts[user] = body["number"], text
    broadcast({"type": "text", "user": user, "length": len(text), "number": body["number"]})


def leave(connection_id):
    with lock:
        user = users.pop(connection_id, None)
    if user is not None:
        broadcast({"type": "left", "user": user})


def broadcast(update):
    for connection_id in list(users):
        try:
            post(connection_id, update)
        except client().exceptions.GoneException:
            leave(connection_id)


def post(connection_id, update):
    client().post_to_connection(ConnectionId=connection_id, Data=json.dumps(update).encode())


def client():
    with lock:
        if "client" not in endpoint:
            endpoint["client"] = boto3.client(
                "apigatewaymanagementapi", endpoint_url=endpoint["url"]
            )
        return endpoint["client"]
