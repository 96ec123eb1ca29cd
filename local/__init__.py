"""The local stack: API Gateway, Lambda and the store of Tickless, on one machine.

It reaches the app only through its Lambda handlers and over the network. Nothing here is
deployed, and ``chalicelib`` never imports it.
"""
