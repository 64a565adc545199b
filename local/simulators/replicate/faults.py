"""What goes wrong with Replicate, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulators.common import faults as common
from local.simulators.replicate import problems
from local.simulators.replicate.validation import invalid_fields

type Fault = Literal[
    "lose_webhook",
    "duplicate_webhook",
    "delay_webhook",
    "reorder",
    "throttle",
    "low_credit",
    "no_credit",
    "unauthenticated",
    "unavailable",
    "server_error",
    "not_yet",
    "lost_create_answer",
    "fail",
    "flag_sensitive",
    "cancel",
    "abort",
    "no_output",
    "data_removed",
    "drop_output",
]


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """Probabilities are from 0 to 1.

    - lose_webhook: a message is never sent; duplicate_webhook: it is sent twice at the same time, under one id;
      delay_webhook_seconds: before the first try of each message, or of the share that delay_webhook names; reorder: a message
      of a running prediction comes after the one that says that the prediction is done.
    - throttle: 429; unavailable: 503; server_error: 500; unauthenticated: 401 although the token is good; all before anything is done.
      low_credit: creates above 6 a minute, and any two at once, are 429; no_credit: 402 for a create. lost_create_answer: the prediction
      is created, and the connection closed without an answer. not_yet: a prediction of less than a minute is not found.
    - fail: the run fails with the text `error`, by default of an interruption; flag_sensitive: refused with E005; cancel: canceled by
      somebody else; abort: aborted at once, its deadline being over; no_output: succeeded with null; data_removed: the same because
      what it made is thrown away already; drop_output: per file, succeeded with fewer than asked.
    - output_shape: how what succeeded is given out. Empty: the model's own way. string: the first file; list: every file; object: the
      first as `image`, the others as `info.more`; text: no file but a sentence; empty_list: nothing.
    - queue_seconds and run_seconds: how long a prediction is starting, and then processing.
    """

    TEXTS = {"output_shape": ("", "string", "list", "object", "text", "empty_list")}  # noqa: RUF012 (the base names its type)

    lose_webhook: float = 0.0
    duplicate_webhook: float = 0.0
    delay_webhook: float = 1.0
    delay_webhook_seconds: float = 0.0
    reorder: float = 0.0
    throttle: float = 0.0
    low_credit: float = 0.0
    no_credit: float = 0.0
    unauthenticated: float = 0.0
    unavailable: float = 0.0
    server_error: float = 0.0
    not_yet: float = 0.0
    lost_create_answer: float = 0.0
    fail: float = 0.0
    error: str = "Prediction interrupted; please retry (code: PA)"
    flag_sensitive: float = 0.0
    cancel: float = 0.0
    abort: float = 0.0
    no_output: float = 0.0
    data_removed: float = 0.0
    drop_output: float = 0.0
    output_shape: str = ""
    queue_seconds: float = 0.1
    run_seconds: float = 1.0


class Faults(common.FaultInjector[FaultSettings, Fault]):
    """The faults of the simulated Replicate."""

    def __init__(self, defaults: FaultSettings) -> None:
        """Begin with the defaults."""
        super().__init__(defaults, _check)


def _check(named: object, schema: Mapping[str, Any]) -> None:
    if wrong := invalid_fields(named, schema):
        raise problems.invalid(wrong, title="Invalid faults")
