"""Who watches a session, and how what happens reaches them.

Nothing here decides what happened: the engine commits, this folder carries
the news. Delivery is best effort; the version in every message tells a client
what it has missed.
"""
