"""Sessions in Redis.

Law of this folder: keys are named in ``keys``, bytes are made and read in
``codec``, whatever must be atomic is one script, and every call either
returns or raises StoreUnavailable within two seconds. No rule is decided here.
"""
