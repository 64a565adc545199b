"""The faults of Replicate, each with its probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulators.common import faults as common
from local.simulators.replicate import problems
from local.simulators.replicate.create_refusals import REFUSALS
from local.simulators.replicate.download_answers import DOWNLOAD_ANSWERS
from local.simulators.replicate.output_shapes import SHAPES
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
    "refuse",
    "list_without_webhook",
    "fail",
    "flag_sensitive",
    "cancel",
    "abort",
    "no_output",
    "data_removed",
    "drop_output",
    "break_download",
]


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """The fault settings of Replicate. Probabilities are from 0 to 1.

    Webhooks:

    - lose_webhook: a message is never sent.
    - duplicate_webhook: a message is sent twice at the same time, with the same id.
    - delay_webhook: the share of messages that are delayed by delay_webhook_seconds.
    - reorder: a message of a running prediction is sent after the message of its completion.

    Requests:

    - throttle: 429. unavailable: 503. server_error: 500. unauthenticated: 401 for a valid token.
      These four refuse the request before any work.
    - low_credit: 429 for a create within 10 seconds of the previous one.
    - no_credit: 402 for a create.
    - lost_create_answer: the prediction is created, and the connection closes without a response.
    - not_yet: 404 for a prediction younger than a minute.
    - refuse: a create is refused as the text `refusal` says (create_refusals.py).
    - list_without_webhook: no prediction in a list has the field `webhook`.

    Predictions:

    - fail: the run fails with the text `error`, by default an interruption.
    - flag_sensitive: the run fails with E005.
    - cancel: the prediction is canceled, as if by another client.
    - abort: the prediction is aborted at once, as at its deadline.
    - no_output: the prediction succeeds with the output null.
    - data_removed: the prediction succeeds, and its data is removed at once, so its output is null.
    - drop_output: a file is missing from the output. This is decided for each file.
    - output_shape: the form of the output. Empty: the model's own form. string: the first file.
      list: every file. object: the first file as `image`, the others as `info.more`. page: an
      object that begins with two links that are no output. repeated: a list that has each link
      twice. text: a sentence without a file. empty_list: an empty list.
    - delivery_host: the host in the links of the output, as if the files had moved. Empty: the
      simulator's own address.
    - queue_seconds, run_seconds: how long a prediction is starting, and then processing.

    Downloads:

    - break_download: a download gets the answer of this name: `download_answer`
      (download_answers.py).
    - unready_seconds: for this time after the end of a prediction, each download of its output gets
      that answer.
    """

    TEXTS = {  # noqa: RUF012
        "output_shape": ("", *SHAPES),
        "refusal": tuple(REFUSALS),
        "download_answer": tuple(DOWNLOAD_ANSWERS),
    }

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
    refuse: float = 0.0
    refusal: str = "invalid_version"
    list_without_webhook: float = 0.0
    fail: float = 0.0
    error: str = "Prediction interrupted; please retry (code: PA)"
    flag_sensitive: float = 0.0
    cancel: float = 0.0
    abort: float = 0.0
    no_output: float = 0.0
    data_removed: float = 0.0
    drop_output: float = 0.0
    output_shape: str = ""
    delivery_host: str = ""
    queue_seconds: float = 0.1
    run_seconds: float = 1.0
    break_download: float = 0.0
    download_answer: str = "not_found"
    unready_seconds: float = 0.0


class Faults(common.FaultInjector[FaultSettings, Fault]):
    """The faults of the simulated Replicate."""

    def __init__(self, defaults: FaultSettings) -> None:
        """Start with the default settings."""
        super().__init__(defaults, _check)


def _check(settings: object, schema: Mapping[str, Any]) -> None:
    if invalid := invalid_fields(settings, schema):
        raise problems.invalid(invalid, title="Invalid faults")
