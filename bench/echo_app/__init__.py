"""What every WebSocket tutorial begins with, behind ``local.gateway`` alone."""
