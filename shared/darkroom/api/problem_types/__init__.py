"""The table with every type of problem (RFC 9457).

The responses, the OpenAPI document, the pages and docs/problems.md are made from the table.
"""

from darkroom.api.problem_types.limits import LIMITS
from darkroom.api.problem_types.problem import Problem
from darkroom.api.problem_types.requests import REQUESTS
from darkroom.api.problem_types.service import SERVICE
from darkroom.domain import errors

PROBLEMS: dict[type[errors.DarkroomError], Problem] = {**REQUESTS, **LIMITS, **SERVICE}
