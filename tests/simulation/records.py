"""Reads the table's items without the project's own storage code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulation.documents import Item, Typed

FINAL = ("completed", "failed", "canceled")
COUNTERS = ("granted", "available", "held", "spent")


def to_python(value: Typed) -> Any:
    """Convert one value of DynamoDB's JSON. A number is whole or has a point."""
    match value:
        case {"S": text}:
            return text
        case {"N": number}:
            return float(number) if "." in number else int(number)
        case {"L": members}:
            return [to_python(member) for member in members]
        case {"M": members}:
            return {name: to_python(member) for name, member in members.items()}
    return next(iter(value.values()))


def parse_time(text: str | None) -> datetime | None:
    """Parse a time as PynamoDB writes it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC) if text else None


@dataclass
class Partition:
    """The rows of one account. `marks` are the ids of deleted jobs whose media are not purged."""

    balance: Mapping[str, Any] | None = None
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    entries: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)


class Records:
    """Reads the accounts of a table.

    Items are replaced and never changed, so a row is converted again only if its item is new.
    """

    def __init__(self) -> None:
        self._cache: dict[int, tuple[Item, Mapping[str, Any]]] = {}

    def accounts(self, items: Mapping[tuple[str, str], Item]) -> dict[str, Partition]:
        """Return each account's partition by its name, platform/user."""
        partitions: dict[str, Partition] = defaultdict(Partition)
        previous, self._cache = self._cache, {}
        for (pk, sk), item in items.items():
            cached = previous.get(id(item))
            row = (
                cached[1]
                if cached and cached[0] is item
                else {name: to_python(value) for name, value in item.items()}
            )
            self._cache[id(item)] = item, row
            if pk.startswith("ACCOUNT#"):
                _add_row(partitions["/".join(pk.split("#")[1:])], sk, row)
        return partitions

    def slots(self) -> list[Mapping[str, Any]]:
        """Return the provider slots in use of the last reading."""
        return [row for row in self._rows("SLOT#") if row["sk"] != "state"]

    def queue_entries(self) -> list[Mapping[str, Any]]:
        """Return the queue entries of the last reading."""
        return self._rows("QUEUE#")

    def _rows(self, prefix: str) -> list[Mapping[str, Any]]:
        return [row for _, row in self._cache.values() if row["pk"].startswith(prefix)]


def _add_row(partition: Partition, sk: str, row: Mapping[str, Any]) -> None:
    kind, _, name = sk.partition("#")
    match kind:
        case "ACCOUNT":
            partition.balance = row
        case "JOB":
            partition.jobs[name] = row
        case "ENTRY":
            partition.entries[name] = row
        case "DELETED":
            partition.marks.add(name)
