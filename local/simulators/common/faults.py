"""Faults that a simulator injects, each with its probability."""

import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self, cast

from local.simulators.common.seeded_random import seeded_random

_SECONDS_MAX = 3600
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS = {"type": "number", "minimum": 0, "maximum": _SECONDS_MAX}


@dataclass(frozen=True, kw_only=True)
class FaultSettings:
    """The fault settings. A provider's subclass adds fields for its own faults.

    A field is a text, a number of seconds (its name ends with `_seconds`), or a probability from
    0 to 1. TEXTS has the allowed values of a text field. A text field that is not in TEXTS accepts
    any text.

    - seed: the seed of the random numbers. With null, the numbers are unpredictable.
    """

    TEXTS: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    seed: int | None = None


class FaultInjector[Settings: FaultSettings, Fault: str]:
    """Decides which faults happen, from the current settings."""

    def __init__(
        self, defaults: Settings, check: Callable[[object, Mapping[str, Any]], None]
    ) -> None:
        """Start with the default settings.

        `check` gets a document and its JSON Schema. If the document is invalid, `check` raises the
        provider's Refusal.
        """
        self._defaults = defaults
        self._check = check
        self._lock = threading.Lock()
        self._settings = defaults
        self._random = seeded_random(defaults.seed)
        self._of_next: dict[str, Self] = {}

    @property
    def settings(self) -> Settings:
        """The current settings."""
        return self._settings

    def document(self) -> dict[str, Any]:
        """Return the current settings as a JSON document."""
        return asdict(self._settings)

    def set(self, document: object) -> None:
        """Replace all settings. A setting that is not in the document gets its default.

        Raises the provider's Refusal, which names each unknown or invalid setting.
        """
        self._check(document, _schema_of(self._defaults))
        with self._lock:
            self._settings = replace(self._defaults, **cast("dict[str, Any]", document))
            self._random = seeded_random(self._settings.seed)

    def set_for_next(self, prompt: str, document: object) -> None:
        """Use these settings for the outcome of the next prediction with this prompt only.

        Raises the provider's Refusal, as `set`.
        """
        injector = cast("Self", copy(self))
        injector.set(document)
        with self._lock:
            self._of_next[prompt] = injector

    def of_next(self, prompt: str) -> Self:
        """Return the faults of a new prediction with this prompt."""
        with self._lock:
            return self._of_next.pop(prompt, self)

    def happens(self, fault: Fault) -> bool:
        """Decide whether a fault happens.

        A probability of 0 or 1 uses no random number. So a change of such a fault does not change
        the results of the other faults for the same seed.
        """
        probability: float = getattr(self._settings, fault)
        if probability in (0, 1):
            return bool(probability)
        with self._lock:
            return self._random.random() < probability


def _schema_of(settings: FaultSettings) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: _schema_of_fault(field.name, settings) for field in fields(settings)
        },
    }


def _schema_of_fault(name: str, settings: FaultSettings) -> dict[str, Any]:
    if name == "seed":
        return {"type": ["integer", "null"]}
    if isinstance(getattr(settings, name), str):
        return {
            "type": "string",
            **({"enum": list(settings.TEXTS[name])} if name in settings.TEXTS else {}),
        }
    return _SECONDS if name.endswith("_seconds") else _PROBABILITY
