"""What a request to DynamoDB needs from IAM: actions, resources and condition keys.

Source: DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control", and
Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from local.cloudformation.account import arn
from local.iam.policies import Access

# Returns the name of the partition key of a table, or of an index of the table.
type PartitionKey = Callable[[str, str | None], str]

# A read of whole items accesses this attribute, which no policy lists.
WHOLE_ITEM = "*"
_EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}
_WORDS = {"set", "remove", "add", "delete", "and", "or", "not", "in", "between"}
# A path such as #0.#1[2].width. Only its first name is an attribute of the item. The name before
# a parenthesis is a function, and a name after a colon is a value.
_PATH = re.compile(r"(?<![\w#:.])(#?[A-Za-z_]\w*|#\w+)((?:\.#?\w+|\[\d+\])*)(?!\w|\s*\()")
_EQUAL = re.compile(r"(#?\w+)\s*=\s*(:\w+)")


def dynamodb_accesses(
    operation: str, parameters: Mapping[str, Any], partition_key: PartitionKey
) -> Iterator[Access]:
    """Yield the accesses of a request. A transaction and a batch have one for each item."""
    match operation:
        case "TransactWriteItems" | "TransactGetItems":
            for item in parameters["TransactItems"]:
                ((kind, each),) = item.items()
                yield _access(f"{kind}Item", each, partition_key, enclosing=operation)
        case "BatchGetItem":
            for table, request in parameters["RequestItems"].items():
                for key in request["Keys"]:
                    each = {**request, "TableName": table, "Key": key}
                    yield _access(operation, each, partition_key)
        case "BatchWriteItem":
            for table, requests in parameters["RequestItems"].items():
                for request in requests:
                    ((_, item),) = request.items()
                    yield _access(operation, {**item, "TableName": table}, partition_key)
        case _:
            yield _access(operation, parameters, partition_key)


def _access(
    operation: str,
    parameters: Mapping[str, Any],
    partition_key: PartitionKey,
    *,
    enclosing: str | None = None,
) -> Access:
    action = f"dynamodb:{operation}"
    if "TableName" not in parameters:
        return Access(action, "*")
    table, index = parameters["TableName"].rpartition("/")[2], parameters.get("IndexName")
    context: dict[str, tuple[str, ...]] = {}
    item = parameters.get("Item") or parameters.get("Key") or {}
    if item or operation in _READS:
        keys = _leading_keys(parameters, item, partition_key(table, index))
        if keys:
            context["dynamodb:leadingkeys"] = keys
        context["dynamodb:attributes"] = tuple(sorted(_attributes(operation, parameters, item)))
    if "ReturnValues" in parameters:
        context["dynamodb:returnvalues"] = (parameters["ReturnValues"],)
    if enclosing:
        context["dynamodb:enclosingoperation"] = (enclosing,)
    suffix = f"/index/{index}" if index else ""
    return Access(action, arn("dynamodb", f"table/{table}{suffix}"), context)


def _leading_keys(
    parameters: Mapping[str, Any], item: Mapping[str, Any], name: str
) -> tuple[str, ...]:
    if item:
        return (_text(item[name]),) if name in item else ()
    names = parameters.get("ExpressionAttributeNames", {})
    return tuple(
        _text(parameters["ExpressionAttributeValues"][value])
        for key, value in _EQUAL.findall(parameters.get("KeyConditionExpression", ""))
        if names.get(key, key) == name
    )


def _text(value: Mapping[str, str]) -> str:
    ((_, text),) = value.items()
    return text


@cache
def _names(expression: str) -> tuple[str, ...]:
    """Return the first name of each path in an expression."""
    found = (name for name, _ in _PATH.findall(expression))
    return tuple(name for name in found if name.lower() not in _WORDS)


def _attributes(
    operation: str, parameters: Mapping[str, Any], item: Mapping[str, Any]
) -> Iterator[str]:
    yield from item
    names = parameters.get("ExpressionAttributeNames", {})
    for expression in _EXPRESSIONS:
        for name in _names(parameters.get(expression, "")):
            yield names.get(name, name)
    if operation in _READS and "ProjectionExpression" not in parameters:
        yield WHOLE_ITEM
