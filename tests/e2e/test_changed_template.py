"""The local stack reads routes and environment variables from the template only."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_changed_template_changes_the_local_stack() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.changed_stack"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        # The old path is not a route of the gateway, so $default handles it. The code still knows
        # the path, so the function of $default does not answer 404.
        "old route, signed in": 405,
        "new route, no token": {"message": "Unauthorized"},
        # The new path has the authorizer, but the code of the function has no such route.
        "new route, signed in": "/problems/not-found",
        "long prompt": [{"field": "parameters.prompt", "message": "The maximum is 10 characters."}],
    }
