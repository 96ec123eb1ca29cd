"""What the route ``/multifile`` imports."""

GREETING = "from another file"
