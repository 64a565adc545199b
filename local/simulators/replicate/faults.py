"""The faults of Replicate, each with its probability."""

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

    - lose_webhook: a message is never sent. duplicate_webhook: a message is sent twice at the same
      time, under one id. delay_webhook_seconds: the delay before the first try of a message.
      delay_webhook: the share of delayed messages. reorder: a message of a running prediction comes
      after the message of its completion.
    - throttle: 429. unavailable: 503. server_error: 500. unauthenticated: 401 despite a valid
      token. All four come before any work. low_credit: creates above 6 a minute, and any two at
      once, are 429. no_credit: 402 for a create. lost_create_answer: the prediction is created, and
      the connection closes without a response. not_yet: a prediction younger than a minute is not
      found.
    - fail: the run fails with the text `error`, by default an interruption. flag_sensitive: the run
      fails with E005. cancel: another client cancels it. abort: it is aborted at once, as after its
      deadline. no_output: it succeeds with null. data_removed: the same, because its data is
      already removed. drop_output: each file may be missing from the output.
    - output_shape: the form of the output. Empty: the model's own. string: the first file. list:
      every file. object: the first as `image`, the others as `info.more`. text: a sentence and no
      file. empty_list: nothing.
    - queue_seconds, run_seconds: how long a prediction is starting, and then processing.
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
