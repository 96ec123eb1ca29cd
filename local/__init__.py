"""The local cloud: what AWS manages for Tickless, on one machine.

Law: it meets the application only through its Lambda handlers and over the
wire. Nothing here is deployed, and ``chalicelib`` never imports it.
"""
