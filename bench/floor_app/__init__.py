"""The least a REST call could cost: the same front, Chalice, and empty handlers."""
