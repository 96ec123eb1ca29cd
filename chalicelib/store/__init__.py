"""The store on Redis: sessions, connections, deadlines, rate limits and stats.

``keys`` names the keys, ``codec`` encodes and decodes, each atomic operation is one
script, and every call returns or raises StoreUnavailable within two seconds. Contains no
session rules.
"""
