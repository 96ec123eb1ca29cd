"""What the service says of itself: metrics, log lines, traces.

Nothing here decides, waits for anybody or raises into what it tells of. What
is said are counts, times, and ids of requests, sessions and connections: never
a body, never a secret. Each way out is imported only where it is used.
"""
