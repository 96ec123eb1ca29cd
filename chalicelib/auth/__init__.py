"""Authentication and authorization: roles, JSON Web Tokens and their signing keys.

``policy`` is pure and holds the table of rights; ``jwt`` signs and verifies tokens; ``jwks``
parses keys, ``key_source`` fetches them and ``key_cache`` caches them; ``authenticator`` combines
them. Expiry and revocation are checked by the store, which has the clock and the list of revoked
tokens. Nothing here knows HTTP. Where AUTH is off, only ``policy`` is imported.
"""
