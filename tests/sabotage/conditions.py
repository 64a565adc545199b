"""The conditions that `make sabotage` breaks, read from conditions.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


class ConditionInvalid(ValueError):
    """A condition does not fit the tree. The message names the condition and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of the product, the text that breaks it, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def broken_text(self, root: Path) -> str:
        """Return the file's text with the condition broken. Raises ConditionInvalid."""
        text = (root / self.file).read_text()
        if (count := text.count(self.old)) != 1:
            raise ConditionInvalid(
                f"{self.name}: {self.file} has the old text {count} times instead of once"
            )
        return text.replace(self.old, self.new)

    def test_files(self, root: Path) -> list[str]:
        """Return the test files and folders, relative to `root`. Raises ConditionInvalid."""
        found: list[str] = []
        for pattern in self.tests:
            paths = sorted(
                str(path.relative_to(root))
                for path in root.glob(pattern)
                if path.is_dir() or path.match("test_*.py")
            )
            if not paths:
                raise ConditionInvalid(f"{self.name}: no test file matches {pattern}")
            found += paths
        return found


def read_conditions() -> list[Condition]:
    """Read all conditions in the order of the file."""
    document = tomllib.loads(Path(__file__).with_name("conditions.toml").read_text())
    return [
        Condition(**{**entry, "tests": tuple(entry["tests"])}) for entry in document["condition"]
    ]
