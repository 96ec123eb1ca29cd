"""Broadcasting: delivers committed updates to a session's WebSocket connections.

Contains no session rules: the engine commits, this package delivers. Delivery is best
effort; the version in every message shows a client what it missed.
"""
