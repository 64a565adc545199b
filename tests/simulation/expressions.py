"""DynamoDB's expressions as PynamoDB writes them: conditions, updates and key conditions.

Any other syntax raises InvalidExpression. An expression is parsed once into a function of the item
and its placeholders. Items are DynamoDB's JSON and never change: an update returns a new item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from tests.simulation.documents import (
    InvalidExpression,
    Item,
    Step,
    Typed,
    value_at,
    with_value,
    without_value,
)

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-.\[\]]|[#:]?\w+)")
_SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")


class Bindings(NamedTuple):
    """An item, and the names and values of an expression's placeholders."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Typed]


type Operand = Callable[[Bindings], Typed | None]
type Condition = Callable[[Bindings], bool]
type Change = Callable[[Bindings, Item], Item]


def satisfies(expression: str | None, bindings: Bindings) -> bool:
    """Return whether an item satisfies a condition. A missing item is empty."""
    return expression is None or _condition(expression)(bindings)


def apply_update(expression: str, bindings: Bindings) -> Item:
    """Return the item after an update. All operands are read from the item before the update."""
    item = bindings.item
    for change in _update(expression):
        item = change(bindings, item)
    return item


@cache
def _condition(expression: str) -> Condition:
    reader = _Reader(expression)
    condition = reader.disjunction()
    reader.expect_end()
    return condition


@cache
def _update(expression: str) -> tuple[Change, ...]:
    reader = _Reader(expression)
    changes = tuple(reader.changes())
    reader.expect_end()
    return changes


class _Reader:
    """A recursive descent parser of one expression."""

    def __init__(self, expression: str) -> None:
        self.text = expression
        self.tokens = _TOKEN.findall(expression)
        if "".join(self.tokens) != re.sub(r"\s", "", expression):
            raise InvalidExpression(expression)
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def consume(self, *expected: str) -> str:
        token = self.peek()
        if expected and token not in expected:
            raise InvalidExpression(f"{self.text}: {token!r} instead of {expected}")
        self.position += 1
        return token

    def expect_end(self) -> None:
        if self.peek():
            raise InvalidExpression(f"{self.text}: {self.peek()!r}")

    def disjunction(self) -> Condition:
        left = self.conjunction()
        while self.peek() == "OR":
            self.consume()
            left = _or(left, self.conjunction())
        return left

    def conjunction(self) -> Condition:
        left = self.negation()
        while self.peek() == "AND":
            self.consume()
            left = _and(left, self.negation())
        return left

    def negation(self) -> Condition:
        if self.peek() == "NOT":
            self.consume()
            inner = self.negation()
            return lambda bindings: not inner(bindings)
        if self.peek() == "(":
            self.consume()
            inner = self.disjunction()
            self.consume(")")
            return inner
        return self.predicate()

    def predicate(self) -> Condition:
        match self.peek():
            case "attribute_exists" | "attribute_not_exists" as function:
                path = self.arguments(function, 1)[0]
                expected = function == "attribute_exists"
                return lambda bindings: (path(bindings) is not None) is expected
            case "begins_with" | "contains" as function:
                whole, part = self.arguments(function, 2)
                return (
                    _begins_with(whole, part)
                    if function == "begins_with"
                    else _contains(whole, part)
                )
        left = self.operand()
        match self.consume("=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN"):
            case "BETWEEN":
                low = self.operand()
                self.consume("AND")
                high = self.operand()
                return lambda bindings: (
                    _compare(left(bindings), ">=", low(bindings))
                    and _compare(left(bindings), "<=", high(bindings))
                )
            case "IN":
                choices = self.operands()
                return lambda bindings: any(
                    _compare(left(bindings), "=", choice(bindings)) for choice in choices
                )
            case operator:
                right = self.operand()
                return lambda bindings: _compare(left(bindings), operator, right(bindings))

    def arguments(self, function: str, count: int) -> list[Operand]:
        self.consume(function)
        operands = self.operands()
        if len(operands) != count:
            raise InvalidExpression(self.text)
        return operands

    def operands(self) -> list[Operand]:
        self.consume("(")
        operands = [self.operand()]
        while self.consume(",", ")") == ",":
            operands.append(self.operand())
        return operands

    def operand(self) -> Operand:
        match self.peek():
            case "size":
                return _size(self.arguments("size", 1)[0])
            case "if_not_exists":
                path, instead = self.arguments("if_not_exists", 2)
                return lambda bindings: (
                    value if (value := path(bindings)) is not None else instead(bindings)
                )
            case "list_append":
                first, second = self.arguments("list_append", 2)
                return lambda bindings: {
                    "L": [*_required(first(bindings))["L"], *_required(second(bindings))["L"]]
                }
            case token if token.startswith(":"):
                self.consume()
                return lambda bindings: bindings.values[token]
        steps = self.path()
        return lambda bindings: value_at(bindings.item, _resolve_names(steps, bindings))

    def path(self) -> tuple[Step, ...]:
        """Parse a path. Placeholders of names are resolved when the expression is evaluated."""
        steps: list[Step] = [self.consume()]
        while self.peek() in (".", "["):
            if self.consume() == ".":
                steps.append(self.consume())
            else:
                steps.append(int(self.consume()))
                self.consume("]")
        return tuple(steps)

    def changes(self) -> Iterator[Change]:
        while section := self.peek():
            self.consume(*_SECTIONS)
            yield self.change(section)
            while self.peek() == ",":
                self.consume()
                yield self.change(section)

    def change(self, section: str) -> Change:
        path = self.path()
        match section:
            case "SET":
                self.consume("=")
                return _set_value(path, self.sum())
            case "REMOVE":
                return lambda bindings, item: without_value(item, _resolve_names(path, bindings))
            case "ADD":
                added = self.operand()
                return _set_value(
                    path,
                    lambda bindings: _add(
                        value_at(bindings.item, _resolve_names(path, bindings)) or {"N": "0"},
                        "+",
                        added(bindings),
                    ),
                )
        raise InvalidExpression(f"{self.text}: {section}")

    def sum(self) -> Operand:
        left = self.operand()
        if self.peek() in ("+", "-"):
            sign, right = self.consume(), self.operand()
            return lambda bindings: _add(left(bindings), sign, right(bindings))
        return left


def _or(left: Condition, right: Condition) -> Condition:
    return lambda bindings: left(bindings) or right(bindings)


def _and(left: Condition, right: Condition) -> Condition:
    return lambda bindings: left(bindings) and right(bindings)


def _begins_with(whole: Operand, part: Operand) -> Condition:
    return lambda bindings: (
        (text := whole(bindings)) is not None
        and "S" in text
        and text["S"].startswith(_required(part(bindings))["S"])
    )


def _contains(whole: Operand, part: Operand) -> Condition:
    def contains(bindings: Bindings) -> bool:
        element = _required(part(bindings))
        match whole(bindings):
            case {"S": text}:
                return element.get("S", "\0") in text
            case {"L": members}:
                return element in members
        return False

    return contains


def _size(path: Operand) -> Operand:
    def size(bindings: Bindings) -> Typed | None:
        operand_value = path(bindings)
        return (
            None if operand_value is None else {"N": str(len(next(iter(operand_value.values()))))}
        )

    return size


def _set_value(path: tuple[Step, ...], value: Operand) -> Change:
    return lambda bindings, item: with_value(
        item, _resolve_names(path, bindings), _required(value(bindings))
    )


def _compare(left: Typed | None, operator: str, right: Typed | None) -> bool:
    """Compare two values.

    An absent value equals nothing and differs from everything. Values of different types have no
    order.
    """
    if left is None or right is None:
        return operator == "<>" and left is not right
    if operator in ("=", "<>"):
        return (_comparable(left) == _comparable(right)) is (operator == "=")
    (left_type, low), (right_type, high) = _comparable(left), _comparable(right)
    if left_type != right_type:
        return False
    return bool({"<": low < high, "<=": low <= high, ">": low > high, ">=": low >= high}[operator])


def _comparable(value: Typed) -> tuple[str, Any]:
    kind, content = next(iter(value.items()))
    return kind, Decimal(content) if kind == "N" else content


def _add(left: Typed | None, sign: str, right: Typed | None) -> Typed:
    first, second = Decimal(_required(left)["N"]), Decimal(_required(right)["N"])
    return {"N": str(first + second if sign == "+" else first - second)}


def _required(value: Typed | None) -> Typed:
    if value is None:
        raise InvalidExpression(
            "The provided expression refers to an attribute that does not exist in the item"
        )
    return value


def _resolve_names(path: tuple[Step, ...], bindings: Bindings) -> tuple[Step, ...]:
    return tuple(
        bindings.names[step] if isinstance(step, str) and step.startswith("#") else step
        for step in path
    )
