"""Faster replacements for parts of moto. The responses are the same, and memory does not grow."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar

from moto.core.model_instances import model_data
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.stepfunctions.parser.asl.antlr.runtime.ASLParser import ASLParser
from moto.stepfunctions.parser.asl.parse import asl_parser
from moto.stepfunctions.parser.asl.utils import json_path

_SCALARS = ({"S"}, {"N"}, {"BOOL"}, {"NULL"})


@contextmanager
def lean_moto() -> Iterator[None]:
    """Replace the parts of moto that use more time and memory with every request.

    - moto copies the whole table for each write of a transaction, and never frees the copies. The
      replacement copies only the transaction's own items.
    - moto's serializer calls itself for every DynamoDB value. The replacement returns a scalar
      value as it is.
    - moto parses a JSON path of a workflow at each use. The replacement caches the result.
    - moto parses the definition of a workflow for each execution. The replacement caches the syntax
      tree, which moto only reads, and makes new states from the tree.

    The caller must send one request at a time to DynamoDB.
    """
    with ExitStack() as stack:
        for target, name, replacement in _replacements():
            stack.callback(setattr, target, name, getattr(target, name))
            setattr(target, name, replacement)
        yield


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    named: list[Mapping[str, Any]] = []
    transact = DynamoDBBackend.transact_write_items
    walked = BaseJSONSerializer._serialize_type_structure  # noqa: SLF001 (no public hook)

    def transact_named(
        backend: Any,  # noqa: ANN401 (moto's own)
        transact_items: Sequence[Mapping[str, Mapping[str, Any]]],
    ) -> None:
        named[:] = [
            write.get("Key") or write["Item"] for each in transact_items for write in each.values()
        ]
        try:
            transact(backend, transact_items)
        finally:
            _clear_model_data()

    def copied(original: Any) -> Any:  # noqa: ANN401 (moto's own)
        return (
            _copy_table(original, named) if isinstance(original, Table) else copy.deepcopy(original)
        )

    def written(
        serializer: Any,  # noqa: ANN401 (moto's own)
        serialized: Any,  # noqa: ANN401 (moto's own)
        value: Any,  # noqa: ANN401 (moto's own)
        shape: Any,  # noqa: ANN401 (moto's own)
        key: str,
    ) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict) and value.keys() in _SCALARS:
            serialized[key] = value
        else:
            walked(serializer, serialized, value, shape, key)

    yield DynamoDBBackend, "transact_write_items", transact_named
    yield models, "copy", SimpleNamespace(deepcopy=copied)
    yield BaseJSONSerializer, "_serialize_type_structure", written
    yield json_path, "parse", cache(json_path.parse)
    yield asl_parser, "ASLParser", _CachingParser


class _CachingParser:
    """Parses each definition once. A definition with errors is parsed again each time."""

    _trees: ClassVar[dict[str, Any]] = {}

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 (moto's own)
        self._parser = ASLParser(stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (moto's own)
        return getattr(self._parser, name)

    def state_machine(self) -> Any:  # noqa: ANN401 (moto's own)
        definition = str(self._parser.getInputStream().tokenSource.inputStream)
        if definition not in self._trees:
            tree = self._parser.state_machine()
            if self._parser.getNumberOfSyntaxErrors():
                return tree
            self._trees[definition] = tree
        return self._trees[definition]


def _copy_table(table: Any, named: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 (moto's own)
    """Copy a table with copies of these items. The copy shares all other items with the table.

    The other items must not change while the copy is in use.
    """
    copied = copy.copy(table)
    copied.items = defaultdict(dict, table.items)
    for attributes in named:
        hash_key, range_key = (
            DynamoType(attributes[name]) for name in (table.hash_key_attr, table.range_key_attr)
        )
        if hash_key in table.items:
            copied.items[hash_key] = dict(copied.items[hash_key])
            if item := table.items[hash_key].get(range_key):
                copied.items[hash_key][range_key] = copy.deepcopy(item)
    return copied


def _clear_model_data() -> None:
    """Clear the list of tables and items that moto records for its dashboard.

    The list would hold every copy of a table and its items.
    """
    for model in model_data["dynamodb"].values():
        model.instances_tracked.clear()
