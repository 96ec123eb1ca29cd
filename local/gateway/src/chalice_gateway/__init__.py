"""API Gateway and Lambda for any Chalice app, on one machine.

It does what AWS documents; where AWS documents nothing, a comment marked [?] states the
choice made here.
"""

__version__ = "0.1.0"
