"""What every test may ask for."""

import pytest

# Before anything imports it: conformance and acceptance tests show what their assertions compared.
pytest.register_assert_rewrite("wireloom.testing.conformance")

pytest_plugins = ["tests.brokers.fixtures"]
