"""External calls of handlers, and the faults that a call can meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Killed(BaseException):
    """The invocation is killed at this call. No handler catches this, and no later call is made."""


class FaultKind(Enum):
    """What happens at a call."""

    KILL = auto()
    ERROR = auto()
    PAUSE = auto()
    REPEAT = auto()


@dataclass(frozen=True)
class Fault:
    """A fault at one call: before the call, or after its effect and before its response.

    An ERROR responds with `code`, and with `reasons` for the items of a transaction. A PAUSE lasts
    `seconds`. A REPEAT makes the call twice, as AWS's client does after a lost response. No other
    client in the project does this.
    """

    kind: FaultKind
    after: bool = False
    code: str = ""
    reasons: tuple[str, ...] = ()
    seconds: float = 0

    def __str__(self) -> str:
        code = f" ({self.code})" if self.code else ""
        return f"{self.kind.name.lower()} {'after' if self.after else 'before'}{code}"


KILL_BEFORE = Fault(FaultKind.KILL)
KILL_AFTER = Fault(FaultKind.KILL, after=True)
REPEAT = Fault(FaultKind.REPEAT)
CONFLICT = Fault(
    FaultKind.ERROR, code="TransactionCanceledException", reasons=("TransactionConflict",)
)
THROTTLED = Fault(FaultKind.ERROR, code="ThrottlingException")
LOST_RESPONSE = Fault(FaultKind.ERROR, after=True, code="InternalServerError")


@dataclass(frozen=True)
class Call:
    """One external call of an invocation.

    `number` counts the calls of the invocation from zero. `parameters` are those of a call to AWS.
    """

    function: str
    invocation: int
    number: int
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_of_aws(self) -> bool:
        """Return whether the call goes through AWS's client, which repeats calls by itself."""
        return "." in self.name.partition(" ")[0]


@dataclass(frozen=True)
class Request[Result]:
    """How to perform a call, and the exception that a fault raises for its caller."""

    name: str
    perform: Callable[[], Result]
    error: Callable[[Fault], Exception]
    parameters: Mapping[str, Any] = field(default_factory=dict)
