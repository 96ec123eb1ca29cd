pytest_plugins = ["tests.fixtures"]

# They need Lambda's Python and minutes of the network: `make test-package` runs them.
collect_ignore = ["package"]
