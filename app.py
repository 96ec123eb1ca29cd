"""The Lambda functions of Tickless.

Chalice packages WebSocket, schedule and plain Lambda handlers under the name
of the module they are defined in, so those stand here, as one-liners; REST
routes are Blueprints in ``chalicelib.routes``.
"""

from chalice.app import Chalice

from chalicelib.routes import register

app = Chalice(app_name="tickless")
register(app)
