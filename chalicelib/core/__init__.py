"""The rules of every clock, and nothing else.

Law of this folder: values in, values out. No I/O, no clock, no randomness, no
logging, no framework. "Now" is an argument, always the store's time in integer
milliseconds. Facts change only through :func:`rules.apply` and
:func:`timeouts.settle`; everything that is shown is calculated from them.
"""
