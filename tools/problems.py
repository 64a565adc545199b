"""Write the table of problems as a page: docs/problems.md."""

from __future__ import annotations

import sys

from darkroom.api.problems import PROBLEMS, Problem

_INTRODUCTION = """\
# Problems

What the API refuses is a problem document (RFC 9457): `application/problem+json` with a `type`, which is one of these and never changes its
meaning, a `title`, the `status`, a `detail` about this very request, `retryable`, and `charged`, which is always 0: nothing that is refused costs
anything. `retryable` is true when the same request may succeed later; the header `Retry-After` then says after how many seconds it is worth a try.
`GET /problems/<slug>` shows the same as a page.

This page is written from `shared/darkroom/api/problems.py` (`make problems`).
"""


def problems_text() -> str:
    """Write the page."""
    return "\n".join([_INTRODUCTION, *map(_section, PROBLEMS.values())])


def _section(problem: Problem) -> str:
    retry = " · may succeed later" if problem.retry_after_seconds else ""
    return f"## {problem.slug}\n\n`{problem.type}` · {problem.status} {problem.status.phrase} · {problem.title}{retry}\n\n{problem.meaning} {problem.advice}\n"


if __name__ == "__main__":
    sys.stdout.write(problems_text())
