"""What goes wrong, and how often."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, cast

from local.simulators.common.seeded_random import dice

_SECONDS_MAX = 3600
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS = {"type": "number", "minimum": 0, "maximum": _SECONDS_MAX}


@dataclass(frozen=True, kw_only=True)
class FaultSettings:
    """What a provider adds is a probability from 0 to 1, seconds if its name says so, or a text; a text of a few names them in TEXTS.

    - seed: for the dice of all probabilities; null throws real dice.
    """

    TEXTS: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    seed: int | None = None


class Dice[Settings: FaultSettings, Mishap: str]:
    """The settings in force, and the dice. What a new set does not name goes back to `defaults`."""

    def __init__(self, defaults: Settings, check: Callable[[object, Mapping[str, Any]], None]) -> None:
        """Begin with the defaults; `check` raises the provider's refusal of what a JSON Schema forbids."""
        self._defaults = defaults
        self._check = check
        self._lock = threading.Lock()
        self._settings = defaults
        self._dice = dice(defaults.seed)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def document(self) -> dict[str, Any]:
        """Return the settings in force, each by its name."""
        return asdict(self._settings)

    def set(self, named: object) -> None:
        """Replace the settings, or have the provider name each unknown fault and each value out of its range."""
        self._check(named, _schema_of(self._defaults))
        with self._lock:
            self._settings = replace(self._defaults, **cast("dict[str, Any]", named))
            self._dice = dice(self._settings.seed)

    def happens(self, mishap: Mishap) -> bool:
        """Throw the dice, unless it is certain: so the same seed means the same for a test, whatever other faults there are."""
        probability: float = getattr(self._settings, mishap)
        if probability in (0, 1):
            return bool(probability)
        with self._lock:
            return self._dice.random() < probability


def _schema_of(settings: FaultSettings) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.name: _schema_of_fault(field.name, settings) for field in fields(settings)},
    }


def _schema_of_fault(name: str, settings: FaultSettings) -> dict[str, Any]:
    if name == "seed":
        return {"type": ["integer", "null"]}
    if isinstance(getattr(settings, name), str):
        return {"type": "string", **({"enum": list(settings.TEXTS[name])} if name in settings.TEXTS else {})}
    return _SECONDS if name.endswith("_seconds") else _PROBABILITY
