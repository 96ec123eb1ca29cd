"""Long-running processes: the relay and the sweeper outside Lambda."""
