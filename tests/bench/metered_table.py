"""The simulation's table, with a count of its calls and of the request units that they consume.

The sizes follow "DynamoDB item sizes and formats", and the units follow "DynamoDB read and write
operations" (docs.aws.amazon.com/amazondynamodb/latest/developerguide: CapacityUnitCalculations,
read-write-operations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.simulation.documents import Item, Typed
from tests.simulation.memory_table import Key, MemoryTable, TableError

READ_BYTES = 4_096
WRITE_BYTES = 1_024
_HASH_KEY = re.compile(r"(#\w+) = (:\w+)")


@dataclass(frozen=True)
class Usage:
    """Calls of DynamoDB, and the read and write request units that they consume."""

    calls: int = 0
    read_units: float = 0
    write_units: int = 0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.calls - other.calls,
            self.read_units - other.read_units,
            self.write_units - other.write_units,
        )


class MeteredTable(MemoryTable):
    """A table that counts its calls and request units. It finds a partition without a scan."""

    def __init__(self, table: MemoryTable) -> None:
        super().__init__(table.name, table.indexes)
        self._partitions: dict[str, dict[Key, Item]] = {}
        self._calls = self._write_units = 0
        self._read_units = 0.0
        self._partition: str | None = None

    @property
    def usage(self) -> Usage:
        """What all calls have used until now."""
        return Usage(self._calls, self._read_units, self._write_units)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self._calls += 1
        # A write that its condition refuses consumes units, too.
        writes = _writes_of(operation, request)
        before = {key: self.items.get(key) for key in writes}
        self._partition = _partition_of(request)
        try:
            response = super().call(operation, request)
        except TableError:
            self._count_writes(operation, before)
            raise
        self._count_writes(operation, before)
        if operation == "GetItem":
            self._count_read(request, [response.get("Item", {})])
        return response

    def _page(
        self, request: Mapping[str, Any], keys: list[Key], index: str | None
    ) -> dict[str, Any]:
        limit = request.get("Limit")
        # The simulation's handlers use no filter together with a limit.
        self._count_read(request, [self._project(self.items[key], index) for key in keys[:limit]])
        return super()._page(request, keys, index)

    def _items_of(self, index: str | None) -> Iterator[tuple[Key, Item]]:
        if self._partition is not None:
            return iter(self._partitions.get(self._partition, {}).items())
        return super()._items_of(index)

    def _store(self, key: Key, item: Item | None) -> None:
        super()._store(key, item)
        partition = self._partitions.setdefault(key[0], {})
        if item is None:
            partition.pop(key, None)
        else:
            partition[key] = item

    def _count_read(self, request: Mapping[str, Any], items: list[Item]) -> None:
        units = max(1, ceil(sum(map(size_of, items)) / READ_BYTES))
        self._read_units += units if request.get("ConsistentRead") else units / 2

    def _count_writes(self, operation: str, before: Mapping[Key, Item | None]) -> None:
        factor = 2 if operation == "TransactWriteItems" else 1
        for key, old in before.items():
            new = self.items.get(key)
            size = max(size_of(old or {}), size_of(new or {}))
            self._write_units += factor * max(1, ceil(size / WRITE_BYTES))
            self._write_units += sum(
                _index_units(old or {}, new or {}, names) for names in self.indexes.values()
            )


def size_of(item: Item) -> int:
    """Return the size of an item in bytes."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Typed) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return 1 + ceil(len(content.strip("-").replace(".", "").strip("0")) / 2)
        case "L":
            return 3 + sum(1 + _value_size(each) for each in content)
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _value_size(each) for name, each in content.items()
            )
        case "BOOL" | "NULL":
            return 1
    raise NotImplementedError(kind)


def _index_units(old: Item, new: Item, names: tuple[str, str]) -> int:
    """Return the units of an index with keys only: one to remove an entry, and one to add it."""
    entries = [
        tuple(item[name]["S"] for name in names) if all(name in item for name in names) else None
        for item in (old, new)
    ]
    return 0 if entries[0] == entries[1] else sum(entry is not None for entry in entries)


def _writes_of(operation: str, request: Mapping[str, Any]) -> list[Key]:
    if operation == "TransactWriteItems":
        writes = [next(iter(member.values())) for member in request["TransactItems"]]
    elif operation in ("PutItem", "UpdateItem", "DeleteItem"):
        writes = [request]
    else:
        writes = []
    keys = [write.get("Key") or write["Item"] for write in writes]
    return [(key["pk"]["S"], key["sk"]["S"]) for key in keys]


def _partition_of(request: Mapping[str, Any]) -> str | None:
    """Return the partition of the table that a query reads. None: not a query of the table."""
    match = _HASH_KEY.search(request.get("KeyConditionExpression", ""))
    if match is None or request["ExpressionAttributeNames"][match[1]] != "pk":
        return None
    partition: str = request["ExpressionAttributeValues"][match[2]]["S"]
    return partition
