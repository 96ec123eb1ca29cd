"""API documents: OpenAPI for REST, AsyncAPI for the WebSocket, and a page to read them.

Generated from the models and types in ``schemas`` and from two tables: ``operations`` (REST) and
``messages`` (WebSocket). Imported only when a document is requested.
"""
