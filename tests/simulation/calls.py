"""External calls: each one of a handler passes here, is numbered and named, and may meet a fault on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Killed(BaseException):
    """The invocation is gone, at this call. No handler catches it, and none of its later calls is made."""


class Kind(Enum):
    """What may happen at a call."""

    KILL = auto()
    ERROR = auto()
    PAUSE = auto()
    REPEAT = auto()


@dataclass(frozen=True)
class Fault:
    """A fault at one call: before it, or after it took effect and before its answer.

    An ERROR answers `code`, with `reasons` for each item of a transaction. A PAUSE takes `seconds`. A REPEAT is the call made twice, as AWS's
    client does when the first answer is lost on its way; no other client here does.
    """

    kind: Kind
    after: bool = False
    code: str = ""
    reasons: tuple[str, ...] = ()
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {'after' if self.after else 'before'}{f' ({self.code})' if self.code else ''}"


KILL_BEFORE = Fault(Kind.KILL)
KILL_AFTER = Fault(Kind.KILL, after=True)
REPEAT = Fault(Kind.REPEAT)
CONFLICT = Fault(Kind.ERROR, code="TransactionCanceledException", reasons=("TransactionConflict",))
THROTTLED = Fault(Kind.ERROR, code="ThrottlingException")
LOST_ANSWER = Fault(Kind.ERROR, after=True, code="InternalServerError")


@dataclass(frozen=True)
class Call:
    """One external call of one invocation; `number` counts the invocation's calls from zero. `document` is what AWS was asked with."""

    function: str
    invocation: int
    number: int
    name: str
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_of_aws(self) -> bool:
        """Whether it goes through AWS's client, which makes a call again by itself."""
        return "." in self.name.partition(" ")[0]


@dataclass(frozen=True)
class Request[Answer]:
    """What a call does when it gets through, and the error in which a fault shows itself to the caller."""

    name: str
    perform: Callable[[], Answer]
    error: Callable[[Fault], Exception]
    document: Mapping[str, Any] = field(default_factory=dict)
