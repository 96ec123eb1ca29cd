"""GCRA rate limiting: ``gcra`` is the algorithm, ``policy`` assigns requests to limits."""
