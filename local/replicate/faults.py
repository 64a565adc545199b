"""What goes wrong, and how often."""

import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, cast

from local.replicate import problems
from local.replicate.chance import dice
from local.replicate.validation import Schema, invalid_fields

type Mishap = Literal[
    "lose_webhook",
    "duplicate_webhook",
    "delay_webhook",
    "reorder",
    "throttle",
    "unavailable",
    "lost_create_answer",
    "fail",
    "flag_sensitive",
    "no_output",
    "drop_output",
]

_SECONDS_MAX = 3600
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": _SECONDS_MAX}


@dataclass(frozen=True, kw_only=True)
class FaultSettings:
    """Probabilities are from 0 to 1.

    - lose_webhook: a message is never sent; duplicate_webhook: it is sent twice at the same time, under one id;
      delay_webhook_seconds: before the first try of each message, or of the share that delay_webhook names; reorder: a message
      of a running prediction comes after the one that says that the prediction is done.
    - throttle: 429; unavailable: 503; both before anything is done. lost_create_answer: the prediction is
      created, and the connection closed without an answer.
    - fail: the run is interrupted; flag_sensitive: refused with E005; no_output: succeeded with null;
      drop_output: per file, succeeded with fewer than asked.
    - queue_seconds and run_seconds: how long a prediction is starting, and then processing.
    - seed: for the dice of all probabilities; null throws real dice.
    """

    lose_webhook: float = 0.0
    duplicate_webhook: float = 0.0
    delay_webhook: float = 1.0
    delay_webhook_seconds: float = 0.0
    reorder: float = 0.0
    throttle: float = 0.0
    unavailable: float = 0.0
    lost_create_answer: float = 0.0
    fail: float = 0.0
    flag_sensitive: float = 0.0
    no_output: float = 0.0
    drop_output: float = 0.0
    queue_seconds: float = 0.1
    run_seconds: float = 1.0
    seed: int | None = None


def _schema_of(name: str) -> Schema:
    if name == "seed":
        return {"type": ["integer", "null"]}
    return _SECONDS if name.endswith("_seconds") else _PROBABILITY


_SETTINGS_SCHEMA: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {field.name: _schema_of(field.name) for field in fields(FaultSettings)},
}


class Faults:
    """The settings in force, and the dice. What a new set does not name goes back to `defaults`."""

    def __init__(self, defaults: FaultSettings) -> None:
        """Begin with the defaults."""
        self._defaults = defaults
        self._lock = threading.Lock()
        self._settings = defaults
        self._dice = dice(defaults.seed)

    @property
    def settings(self) -> FaultSettings:
        """The settings in force."""
        return self._settings

    def document(self) -> dict[str, Any]:
        """Return the settings in force, each by its name."""
        return asdict(self._settings)

    def set(self, named: object) -> None:
        """Replace the settings, or raise the problem that names each unknown fault and each value out of its range."""
        if wrong := invalid_fields(named, _SETTINGS_SCHEMA):
            raise problems.invalid(wrong, title="Invalid faults")
        with self._lock:
            self._settings = replace(self._defaults, **cast("dict[str, Any]", named))
            self._dice = dice(self._settings.seed)

    def happens(self, mishap: Mishap) -> bool:
        """Throw the dice."""
        probability: float = getattr(self._settings, mishap)
        with self._lock:
            return self._dice.random() < probability
