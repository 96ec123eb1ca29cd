"""The pictures of docs/clocks.md: every clock over time, drawn from the rules themselves.

What is drawn is the session that the example above the picture asks for,
carried out by the core and read off its view; there is no arithmetic of clocks
here. It stands beside bench and local, and not in docs, because it is code:
linted, typed and tested. ``draw`` alone knows matplotlib, so that the tests
of all the rest need none.
"""
