"""Code of the app outside ``app.py``."""
