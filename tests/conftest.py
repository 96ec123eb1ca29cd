from . import hypothesis_profiles as hypothesis_profiles

pytest_plugins = ["tests.client.virtual_time", "tests.fixtures"]

# What needs more than `make install` brings. "package" wants Lambda's Python and minutes of the
# network, "browser" a Chromium and its driver: `make test-package`, `make test-browser`.
collect_ignore = ["browser", "package"]
