"""moto, quick enough for hundreds of jobs: it answers what it always does, with less copying, parsing and walking."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.utils import json_path

_SCALARS = ({"S"}, {"N"}, {"BOOL"}, {"NULL"})


@contextmanager
def quick_moto() -> Iterator[None]:
    """Have a transaction copy the items that it names, where moto copies the whole table for each of its writes, and answers walk no further than they need.

    A workflow keeps its client of Lambda, and the paths that it has parsed.
    """
    named: list[Mapping[str, Any]] = []
    transact, client_for = DynamoDBBackend.transact_write_items, lambda_eval_utils.boto_client_for
    walked = BaseJSONSerializer._serialize_type_structure

    def transact_named(backend: Any, transact_items: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        # One request at a time comes to the table.
        named[:] = [write.get("Key") or write["Item"] for each in transact_items for write in each.values()]
        transact(backend, transact_items)

    def copied(original: Any) -> Any:
        return _copied_table(original, named) if isinstance(original, Table) else copy.deepcopy(original)

    def written(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict) and value.keys() in _SCALARS:
            serialized[key] = value
        else:
            walked(serializer, serialized, value, shape, key)

    @cache
    def kept_client(region: str, service: str) -> Any:
        return client_for(region=region, service=service)

    with (
        mock.patch.object(DynamoDBBackend, "transact_write_items", transact_named),
        mock.patch.object(models, "copy", SimpleNamespace(deepcopy=copied)),
        mock.patch.object(BaseJSONSerializer, "_serialize_type_structure", written),
        mock.patch.object(json_path, "parse", cache(json_path.parse)),
        mock.patch.object(lambda_eval_utils, "boto_client_for", lambda *, region, service, **_: kept_client(region, service)),
    ):
        yield


def _copied_table(table: Any, named: Sequence[Mapping[str, Any]]) -> Any:
    """Copy a table so that the copy keeps what these items are now; no other item is written to meanwhile."""
    copied = copy.copy(table)
    copied.items = defaultdict(dict, {hash_key: dict(items) for hash_key, items in table.items.items()})
    for attributes in named:
        hash_key, range_key = (DynamoType(attributes[name]) for name in (table.hash_key_attr, table.range_key_attr))
        if item := table.items.get(hash_key, {}).get(range_key):
            copied.items[hash_key][range_key] = copy.deepcopy(item)
    return copied
