"""Who may do what: a table of rights, tokens that name a role, keys that sign them.

``roles`` is pure and has the table; ``tokens`` reads and signs JSON Web Tokens,
``keys`` reads the keys for that; ``gate`` puts them together. Whether a token
still holds at this instant only the store can say, which has the clock and
knows what was revoked. Nothing here knows HTTP, and nothing here is imported
where AUTH is off but ``roles``.
"""
