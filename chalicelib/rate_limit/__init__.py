"""GCRA rate limiting: the algorithm, and which requests count against which limit."""
