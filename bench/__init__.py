"""Benchmarks: what Tickless costs, compared with the least it could cost.

Law: a figure stands next to its floor, and both are measured in the same run,
in turns, so that whatever slows the machine slows both. Every count is bounded
and so is the time; traffic stays on this machine, but for npm, which fetches
another emulator to compare with, once; only processes that were started here
are ended. Nothing here decides how the application works.
"""
