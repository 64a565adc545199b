"""Shows the values of a failed assertion in the shared checks too."""

import pytest

pytest.register_assert_rewrite("tests.integration.api.calls")
