"""DynamoDB's table in memory: the calls that PynamoDB makes in this project.

moto copies the whole table for each transaction, and a simulation makes hundreds of thousands.
test_memory_table.py compares this table with moto's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulation.documents import InvalidExpression, Item
from tests.simulation.expressions import Bindings, apply_update, satisfies

type Key = tuple[str, str]


class TableError(Exception):
    """An error response of DynamoDB or another service."""

    def __init__(self, code: str, **members: Any) -> None:
        super().__init__(code)
        self.code = code
        self.members = members


class MemoryTable:
    """The table of the template: string keys `pk` and `sk`, and indexes with two keys each."""

    def __init__(self, name: str, indexes: Mapping[str, tuple[str, str]]) -> None:
        self.name = name
        self.indexes = indexes
        self.items: dict[Key, Item] = {}

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Respond to one call of the client.

        Raises TableError, and KeyError for an unknown operation.
        """
        try:
            return _OPERATIONS[operation](self, request)
        except InvalidExpression as error:
            raise TableError("ValidationException", Message=str(error)) from error

    def get_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check_table_name(request)
        item = self.items.get(_key_of(request["Key"]))
        return {"Item": item} if item else {}

    def put_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Put", request)

    def update_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Update", request)

    def delete_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._write("Delete", request)

    def transact_write_items(self, request: Mapping[str, Any]) -> dict[str, Any]:
        writes = [next(iter(member.items())) for member in request["TransactItems"]]
        keys = [_key_of(write.get("Key") or write["Item"]) for _, write in writes]
        if len(set(keys)) < len(keys):
            raise TableError(
                "ValidationException",
                Message="Transaction request cannot include multiple operations on one item",
            )
        reasons = [
            self._cancellation_reason(write, key)
            for (_, write), key in zip(writes, keys, strict=True)
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            raise TableError("TransactionCanceledException", CancellationReasons=reasons)
        for key, item in [
            (key, self._item_after(kind, write, key))
            for (kind, write), key in zip(writes, keys, strict=True)
        ]:
            self._store(key, item)
        return {}

    def query(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check_table_name(request)
        index = request.get("IndexName")
        sort_key = self.indexes[index][1] if index else "sk"
        matching = [
            key
            for key, item in self._items_of(index)
            if satisfies(request["KeyConditionExpression"], _bindings(request, item))
        ]
        matching.sort(
            key=lambda key: (self.items[key][sort_key]["S"], key),
            reverse=not request.get("ScanIndexForward", True),
        )
        return self._page(request, matching, index)

    def scan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._check_table_name(request)
        return self._page(request, sorted(self.items), None)

    def _page(
        self, request: Mapping[str, Any], keys: list[Key], index: str | None
    ) -> dict[str, Any]:
        if start := request.get("ExclusiveStartKey"):
            keys = (
                keys[keys.index(_key_of(start)) + 1 :]
                if _key_of(start) in keys
                else [key for key in keys if _is_after(key, start, request)]
            )
        scanned = keys[: request.get("Limit")]
        matching = [
            self.items[key]
            for key in scanned
            if satisfies(request.get("FilterExpression"), _bindings(request, self.items[key]))
        ]
        response = {
            "Items": [self._project(item, index) for item in matching],
            "Count": len(matching),
            "ScannedCount": len(scanned),
        }
        if len(scanned) < len(keys):
            response["LastEvaluatedKey"] = self._keys_only(self.items[scanned[-1]], index)
        return response

    def _items_of(self, index: str | None) -> Iterator[tuple[Key, Item]]:
        keys = self.indexes[index] if index else ()
        return (
            (key, item) for key, item in self.items.items() if all(name in item for name in keys)
        )

    def _project(self, item: Item, index: str | None) -> Item:
        return self._keys_only(item, index) if index else item

    def _keys_only(self, item: Item, index: str | None) -> Item:
        return {name: item[name] for name in ("pk", "sk", *(self.indexes[index] if index else ()))}

    def _write(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        key = _key_of(request.get("Key") or request["Item"])
        reason = self._cancellation_reason(request, key)
        if reason.pop("Code") != "None":
            raise TableError("ConditionalCheckFailedException", **reason)
        item = self._item_after(kind, request, key)
        self._store(key, item)
        return {"Attributes": item} if request.get("ReturnValues") == "ALL_NEW" else {}

    def _cancellation_reason(self, write: Mapping[str, Any], key: Key) -> dict[str, Any]:
        """Return why a write is refused. As in DynamoDB, the code "None" means that it is not."""
        self._check_table_name(write)
        item = self.items.get(key, {})
        if satisfies(write.get("ConditionExpression"), _bindings(write, item)):
            return {"Code": "None"}
        returns_item = item and write.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"} | (
            {"Item": item} if returns_item else {}
        )

    def _item_after(self, kind: str, write: Mapping[str, Any], key: Key) -> Item | None:
        match kind:
            case "Put":
                item: Item = write["Item"]
                return item
            case "Update":
                item_before = self.items.get(key) or {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
                return (
                    apply_update(write["UpdateExpression"], _bindings(write, item_before))
                    if "UpdateExpression" in write
                    else item_before
                )
            case "Delete":
                return None
            case "ConditionCheck":
                return self.items.get(key)
        raise KeyError(kind)

    def _store(self, key: Key, item: Item | None) -> None:
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item

    def _check_table_name(self, request: Mapping[str, Any]) -> None:
        if request["TableName"] != self.name:
            raise TableError("ResourceNotFoundException")


_OPERATIONS = {
    "GetItem": MemoryTable.get_item,
    "PutItem": MemoryTable.put_item,
    "UpdateItem": MemoryTable.update_item,
    "DeleteItem": MemoryTable.delete_item,
    "TransactWriteItems": MemoryTable.transact_write_items,
    "Query": MemoryTable.query,
    "Scan": MemoryTable.scan,
}


def _key_of(attributes: Mapping[str, Any]) -> Key:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _bindings(request: Mapping[str, Any], item: Item) -> Bindings:
    return Bindings(
        item,
        request.get("ExpressionAttributeNames", {}),
        request.get("ExpressionAttributeValues", {}),
    )


def _is_after(key: Key, start: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Return whether a key comes after a start key that is not in the list."""
    return key > _key_of(start) if request.get("ScanIndexForward", True) else key < _key_of(start)
