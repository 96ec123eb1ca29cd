"""Rate limits per address, session and connection."""
