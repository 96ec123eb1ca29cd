from tests import strategies as strategies  # registers Hypothesis's profiles
