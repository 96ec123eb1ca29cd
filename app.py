"""The Lambda functions of Tickless.

Chalice packages WebSocket, schedule and plain Lambda handlers under the module that defines
them, so they are one-liners here; REST routes are Blueprints in ``chalicelib.rest``.
"""

import gc
from typing import Any

# Nothing imported here is garbage, and looking for some takes a twentieth of a cold start.
gc.disable()

from chalice.app import Chalice, Rate, WebsocketEvent

from chalicelib.container import Container
from chalicelib.rest import register

container = Container()

# Chalice would configure its logger to drop everything below an error.
app = Chalice(app_name="tickless", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
register(app, container)


@app.on_ws_connect(name="connect")
def connect(event: WebsocketEvent) -> dict[str, Any]:
    return container.websocket.connect(event.to_dict())


@app.on_ws_message(name="message")
def message(event: WebsocketEvent) -> None:
    container.websocket.message(event.to_dict())


@app.on_ws_disconnect(name="disconnect")
def disconnect(event: WebsocketEvent) -> None:
    container.websocket.disconnect(event.to_dict())


@app.lambda_function(name="greet")
def greet(event: Any, context: Any) -> None:
    container.websocket.send_welcome(event)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="sweep")
def sweep(event: Any) -> None:
    container.sweep(event.context.get_remaining_time_in_millis())


gc.freeze()
gc.enable()
