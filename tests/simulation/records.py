"""Reads the table's items without the project's own storage code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
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


@cache
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

    Items are replaced and never changed, so a row is converted again only if its item is new. A
    partition stays the same object until one of its items is added, replaced or removed.
    """

    def __init__(self) -> None:
        self._cache: dict[tuple[str, str], tuple[Item, Mapping[str, Any]]] = {}
        self._partitions: dict[str, Partition] = {}

    def accounts(self, items: Mapping[tuple[str, str], Item]) -> dict[str, Partition]:
        """Return each account's partition by its name, platform/user."""
        changed = {_account_of(pk) for pk, _ in self._cache.keys() - items.keys()}
        rows: dict[tuple[str, str], tuple[Item, Mapping[str, Any]]] = {}
        for key, item in items.items():
            cached = self._cache.get(key)
            if cached and cached[0] is item:
                rows[key] = cached
            else:
                rows[key] = item, {name: to_python(value) for name, value in item.items()}
                changed.add(_account_of(key[0]))
        self._cache = rows
        partitions: dict[str, Partition] = defaultdict(Partition)
        for (pk, sk), (_, row) in rows.items():
            if not pk.startswith("ACCOUNT#"):
                continue
            name = _account_of(pk)
            if name in changed:
                _add_row(partitions[name], sk, row)
            elif name not in partitions:
                partitions[name] = self._partitions[name]
        self._partitions = dict(partitions)
        return partitions

    def slots(self) -> list[Mapping[str, Any]]:
        """Return the provider slots in use of the last reading."""
        return [row for row in self._rows("SLOT#") if row["sk"] != "state"]

    def queue_entries(self) -> list[Mapping[str, Any]]:
        """Return the queue entries of the last reading."""
        return self._rows("QUEUE#")

    def _rows(self, prefix: str) -> list[Mapping[str, Any]]:
        return [row for _, row in self._cache.values() if row["pk"].startswith(prefix)]


@cache
def _account_of(partition_key: str) -> str:
    return "/".join(partition_key.split("#")[1:])


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
