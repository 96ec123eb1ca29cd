"""The clock rules: pure functions over immutable values.

No I/O, no clock, no randomness, no logging, no framework. "Now" is an argument: the store's time in
integer milliseconds. Facts change only through :func:`commands.apply` and :func:`timeouts.settle`;
everything clients see is computed from the facts.
"""
