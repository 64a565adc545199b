"""Every error has a type of problem, and every type has its pages."""

from __future__ import annotations

import inspect
import re

import pytest

from darkroom.api.problem_types import PROBLEMS
from darkroom.api.problem_types.problem import Problem
from darkroom.api.problems import problem_of
from darkroom.domain import errors, provider_errors
from tests.aws import ROOT
from tests.builders import call_api
from tools.problems import problems_text

# Errors that no client of the API receives.
INTERNAL = {
    errors.DarkroomError, errors.RequestError, errors.WorkflowUnavailable,
    provider_errors.ProviderBusy,
    errors.ProviderQueueFull, errors.RetryLater, provider_errors.ProviderUnavailable,
    errors.OutputUnavailable,
    errors.GenerationFailed, provider_errors.LookupUnsupported, provider_errors.ProviderUnreachable,
    errors.LimitReached, provider_errors.ProviderAccountRefused,
}  # fmt: skip
ERRORS = {
    kind
    for module in (errors, provider_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, errors.DarkroomError)
}
MARKUP = re.compile(r"<script|<link|<img|<iframe|\bon\w+=|https?://(?!\S*127)", re.IGNORECASE)


def test_every_error_that_a_client_can_receive_has_a_type() -> None:
    assert PROBLEMS.keys() == ERRORS - INTERNAL


def test_slugs_are_unique() -> None:
    assert len({problem.slug for problem in PROBLEMS.values()}) == len(PROBLEMS)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.slug)
def test_every_type_has_its_texts(problem: Problem) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", problem.slug)
    assert problem.title
    assert problem.meaning.endswith(".")
    assert problem.advice.endswith(".")
    assert 400 <= problem.status < 600


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.slug)
def test_the_path_of_a_type_is_a_public_page(problem: Problem) -> None:
    status, text, headers = call_api("GET", problem.type, user=None)

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert problem.title in text
    assert f"HTTP {problem.status.value} " in text


def test_an_unknown_type_has_no_page() -> None:
    status, problem, _ = call_api("GET", "/problems/nothing", user=None)

    assert (status, problem["type"]) == (404, "/problems/not-found")


def test_the_page_in_the_repository_is_generated_from_the_table() -> None:
    assert (ROOT / "docs/problems.md").read_text() == problems_text()


def test_an_internal_error_has_no_type() -> None:
    with pytest.raises(KeyError):
        problem_of(errors.RetryLater)  # type: ignore[arg-type]


def test_a_page_of_a_problem_loads_and_runs_nothing() -> None:
    _, text, headers = call_api("GET", "/problems/not-found", user=None)

    assert not MARKUP.search(text)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"
