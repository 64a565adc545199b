"""Thousands of requests that nobody thought of, to every operation of the running stack."""

from __future__ import annotations

from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import FINAL, Actor
from tests.fuzz.run import fuzz


def test_the_api_keeps_its_description_for_any_request(stack: LocalStack) -> None:
    """No 5xx, no answer outside its schema, no way in without a token; what a schema takes is taken, and what it does not is refused."""
    code, client = fuzz(stack, examples=8, options=("--generation-deterministic",))

    assert code == 0
    jobs = list(client.pages("/jobs", "jobs"))
    assert len(jobs) >= 10
    until(lambda: all(job["status"] in FINAL for job in client.pages("/jobs", "jobs")), seconds=180)
    Actor(stack, "fuzz", client).must_have_a_balanced_ledger()
