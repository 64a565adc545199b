"""There is no second list of routes or environment variables: change the template and the local stack has changed."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_changed_template_is_a_changed_stack() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.changed_stack"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        # The old path is no route any more, so it goes to $default, where no authorizer looks at the token.
        "old route, signed in": 401,
        "new route, no token": {"message": "Unauthorized"},
        # The new path has the authorizer; that the code has no such route is said by the code.
        "new route, signed in": "/problems/not-found",
        "long prompt": [{"field": "parameters.prompt", "message": "The maximum is 10 characters."}],
    }
