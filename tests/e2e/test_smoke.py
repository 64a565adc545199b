"""`make smoke` runs a job on a stack, here on the local stack, and finds a broken one."""

from __future__ import annotations

import pytest

from local.stack import LocalStack
from tools import smoke


def test_an_administrator_runs_the_cheapest_job(stack: LocalStack) -> None:
    lines: list[str] = []
    token = stack.token("smoke-admin", groups=["admin"])

    job = smoke.smoke(stack.api_url, token, lines.append, poll_seconds=0.1)

    assert job["status"] == "completed"
    assert any(line.startswith("granted ") for line in lines)
    assert "the image decodes" in lines[-1]


def test_a_user_without_credits_learns_how_to_get_them(stack: LocalStack) -> None:
    token = stack.token("smoke-poor", platform="mobile")

    with pytest.raises(smoke.SmokeFailed, match="POST /accounts/mobile/smoke-poor/credits"):
        smoke.smoke(stack.api_url, token, lambda _: None)
