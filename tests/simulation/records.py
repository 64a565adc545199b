"""The table as it lies there, read without the code that wrote it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulation.documents import Item, Typed

FINAL = ("completed", "failed", "canceled")
COUNTERS = ("granted", "available", "held", "spent")


def plain(value: Typed) -> Any:
    """Read one value of DynamoDB's JSON. Numbers here are whole."""
    match value:
        case {"S": text}:
            return text
        case {"N": number}:
            return int(number)
        case {"L": members}:
            return [plain(member) for member in members]
        case {"M": members}:
            return {name: plain(member) for name, member in members.items()}
    return next(iter(value.values()))


def moment(text: str | None) -> datetime | None:
    """Read a time as PynamoDB writes it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC) if text else None


@dataclass
class Partition:
    """Everything of one account."""

    balance: Mapping[str, Any] | None = None
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    entries: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)


class Records:
    """Reads the accounts of a table. What did not change since the last time is not read again, because an item is never changed, only replaced."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Item, Mapping[str, Any]]] = {}

    def accounts(self, items: Mapping[tuple[str, str], Item]) -> dict[str, Partition]:
        """Give each account's partition by its name, platform/user."""
        found: dict[str, Partition] = defaultdict(Partition)
        kept, self._read = self._read, {}
        for (pk, sk), item in items.items():
            known = kept.get(id(item))
            row = (
                known[1]
                if known and known[0] is item
                else {name: plain(value) for name, value in item.items()}
            )
            self._read[id(item)] = item, row
            if pk.startswith("ACCOUNT#"):
                _put(found["/".join(pk.split("#")[1:])], sk, row)
        return found

    def slots(self) -> list[Mapping[str, Any]]:
        """Give the slots that were there at the last reading."""
        return [row for _, row in self._read.values() if row["pk"].startswith("SLOT#")]


def _put(partition: Partition, sk: str, row: Mapping[str, Any]) -> None:
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
