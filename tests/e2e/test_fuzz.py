"""Random requests to every operation of the local stack."""

from __future__ import annotations

from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import FINAL, Actor
from tests.fuzz.run import fuzz


def test_responses_to_random_requests_match_the_description(stack: LocalStack) -> None:
    """No response is a 5xx or violates its schema, and every operation requires a token.

    Valid requests are accepted, and invalid requests are refused.
    """
    code, client = fuzz(stack, examples=8, options=("--generation-deterministic",))

    assert code == 0
    jobs = list(client.pages("/jobs", "jobs"))
    assert len(jobs) >= 10
    until(lambda: all(job["status"] in FINAL for job in client.pages("/jobs", "jobs")), seconds=180)
    Actor(stack, "fuzz", client).must_have_a_balanced_ledger()
