"""Telemetry: metrics, logs and traces.

Must not block, or raise into the code it observes. Records counts, durations and ids of
requests, sessions and connections; never a body or a secret. Each backend is imported
only where it is used.
"""
