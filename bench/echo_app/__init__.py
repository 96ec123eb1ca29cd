"""What every WebSocket tutorial begins with, behind ``chalice-gateway`` alone."""
