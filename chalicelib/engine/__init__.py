"""The SyncEngine: its commit loop, idempotency, retries, session locks and sweeper.

It decides nothing about clocks (see ``core``) and knows the store only by its port.
"""
