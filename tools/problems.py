"""Write docs/problems.md from the table of problems: python -m tools.problems."""

from __future__ import annotations

import sys

from darkroom.api.problem_types import PROBLEMS
from darkroom.api.problem_types.problem import Problem

_INTRODUCTION = """\
# Problems

Every error response of the API is a problem document (RFC 9457) of the media type
`application/problem+json`. It has these fields:

- `type`: one of the types below. The meaning of a type never changes.
- `title` and `status`: the same for every problem of the type.
- `detail`: what happened to this request.
- `retryable`: true if the same request may succeed later. The header `Retry-After` then has the
  seconds to wait.
- `charged`: always 0, because a refused request costs nothing. It is absent if the result of the
  request is unknown.

`GET /problems/<slug>` returns the same information as an HTML page.

`make problems` writes this page from `shared/darkroom/api/problem_types/`.
"""


def problems_text() -> str:
    """Return the text of the page."""
    return "\n".join([_INTRODUCTION, *map(_section, PROBLEMS.values())])


def _section(problem: Problem) -> str:
    retry = " · retryable" if problem.retry_after_seconds else ""
    status = f"{problem.status} {problem.status.phrase}"
    return (
        f"## {problem.slug}\n\n`{problem.type}` · {status} · {problem.title}{retry}\n\n"
        f"{problem.meaning} {problem.advice}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(problems_text())
