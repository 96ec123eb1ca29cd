"""The contract as documents that tools read: OpenAPI for REST, AsyncAPI for the socket.

They are made from the models and types that serve, and from two tables: ``rest``
has every operation, ``socket`` every message. Nothing here is imported by what
answers other requests: who asks for a document pays for it.
"""
