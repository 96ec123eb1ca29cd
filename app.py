"""The Lambda functions of Tickless.

Chalice packages WebSocket, schedule and plain Lambda handlers under the name
of the module they are defined in, so those stand here, as one-liners; REST
routes are Blueprints in ``chalicelib.rest``.
"""

import gc
from typing import Any

# Nothing of what is imported is garbage. To look for some is a twentieth of a cold start.
gc.disable()

from chalice.app import Chalice, Rate, WebsocketEvent

from chalicelib.container import container
from chalicelib.rest import register

# Chalice would keep everything below an error to itself.
app = Chalice(app_name="tickless", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
register(app)


@app.on_ws_connect(name="connect")
def connect(event: WebsocketEvent) -> dict[str, Any]:
    return container().sockets.connect(event.to_dict())


@app.on_ws_message(name="message")
def message(event: WebsocketEvent) -> None:
    container().sockets.message(event.to_dict())


@app.on_ws_disconnect(name="disconnect")
def disconnect(event: WebsocketEvent) -> None:
    container().sockets.disconnect(event.to_dict())


@app.lambda_function(name="greet")
def greet(event: Any, context: Any) -> None:
    container().sockets.greet(event)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="sweep")
def sweep(event: Any) -> None:
    container().sweep_for_a_minute(event.context.get_remaining_time_in_millis())


gc.freeze()
gc.enable()
