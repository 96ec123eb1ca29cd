"""The WebSocket API's route handlers: $connect, $default, $disconnect, and the welcome message."""
