"""Settings of the property tests."""

from hypothesis import settings

# Machines that run tests are busy: how long an example takes says nothing. What is compiled to
# bytes and back has suites of its own with as many examples as it deserves.
settings.register_profile("unit", max_examples=50, deadline=None)
settings.load_profile("unit")
