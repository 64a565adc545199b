"""The expressions of DynamoDB that PynamoDB writes: conditions, updates, key conditions. Anything else is an error.

An expression is read once and is then a function of the item and of its names and values. Items are DynamoDB's own JSON and are never
changed: an update makes a new one.
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
    found,
    with_value,
    without,
)

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-.\[\]]|[#:]?\w+)")
_SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")


class Given(NamedTuple):
    """What an expression is about: an item, and what its placeholders stand for."""

    item: Item
    names: Mapping[str, str]
    values: Mapping[str, Typed]


type Operand = Callable[[Given], Typed | None]
type Condition = Callable[[Given], bool]
type Change = Callable[[Given, Item], Item]


def satisfies(expression: str | None, given: Given) -> bool:
    """Tell whether an item, empty when there is none, satisfies a condition."""
    return expression is None or _condition(expression)(given)


def updated(expression: str, given: Given) -> Item:
    """Give the item as an update makes it. All operands are read from the item as it was."""
    item = given.item
    for change in _update(expression):
        item = change(given, item)
    return item


@cache
def _condition(expression: str) -> Condition:
    reader = _Reader(expression)
    condition = reader.disjunction()
    reader.end()
    return condition


@cache
def _update(expression: str) -> tuple[Change, ...]:
    reader = _Reader(expression)
    changes = tuple(reader.changes())
    reader.end()
    return changes


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self.text = expression
        self.tokens = _TOKEN.findall(expression)
        if "".join(self.tokens) != re.sub(r"\s", "", expression):
            raise InvalidExpression(expression)
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if wanted and token not in wanted:
            raise InvalidExpression(f"{self.text}: {token!r} where {wanted} should be")
        self.place += 1
        return token

    def end(self) -> None:
        if self.peek():
            raise InvalidExpression(f"{self.text}: {self.peek()!r}")

    def disjunction(self) -> Condition:
        left = self.conjunction()
        while self.peek() == "OR":
            self.take()
            left = _either(left, self.conjunction())
        return left

    def conjunction(self) -> Condition:
        left = self.negation()
        while self.peek() == "AND":
            self.take()
            left = _both(left, self.negation())
        return left

    def negation(self) -> Condition:
        if self.peek() == "NOT":
            self.take()
            inner = self.negation()
            return lambda given: not inner(given)
        if self.peek() == "(":
            self.take()
            inner = self.disjunction()
            self.take(")")
            return inner
        return self.predicate()

    def predicate(self) -> Condition:
        match self.peek():
            case "attribute_exists" | "attribute_not_exists" as function:
                path = self.arguments(function, 1)[0]
                wanted = function == "attribute_exists"
                return lambda given: (path(given) is not None) is wanted
            case "begins_with" | "contains" as function:
                whole, part = self.arguments(function, 2)
                return _begins(whole, part) if function == "begins_with" else _contains(whole, part)
        left = self.operand()
        match self.take("=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN"):
            case "BETWEEN":
                low = self.operand()
                self.take("AND")
                high = self.operand()
                return lambda given: (
                    _compared(left(given), ">=", low(given))
                    and _compared(left(given), "<=", high(given))
                )
            case "IN":
                choices = self.operands()
                return lambda given: any(
                    _compared(left(given), "=", choice(given)) for choice in choices
                )
            case operator:
                right = self.operand()
                return lambda given: _compared(left(given), operator, right(given))

    def arguments(self, function: str, count: int) -> list[Operand]:
        self.take(function)
        operands = self.operands()
        if len(operands) != count:
            raise InvalidExpression(self.text)
        return operands

    def operands(self) -> list[Operand]:
        self.take("(")
        operands = [self.operand()]
        while self.take(",", ")") == ",":
            operands.append(self.operand())
        return operands

    def operand(self) -> Operand:
        match self.peek():
            case "size":
                return _size(self.arguments("size", 1)[0])
            case "if_not_exists":
                path, instead = self.arguments("if_not_exists", 2)
                return lambda given: known if (known := path(given)) is not None else instead(given)
            case "list_append":
                first, second = self.arguments("list_append", 2)
                return lambda given: {
                    "L": [*_needed(first(given))["L"], *_needed(second(given))["L"]]
                }
            case token if token.startswith(":"):
                self.take()
                return lambda given: given.values[token]
        steps = self.path()
        return lambda given: found(given.item, _resolved(steps, given))

    def path(self) -> tuple[Step, ...]:
        """Read a path. Names stay placeholders until the names are given."""
        steps: list[Step] = [self.take()]
        while self.peek() in (".", "["):
            if self.take() == ".":
                steps.append(self.take())
            else:
                steps.append(int(self.take()))
                self.take("]")
        return tuple(steps)

    def changes(self) -> Iterator[Change]:
        while section := self.peek():
            self.take(*_SECTIONS)
            yield self.change(section)
            while self.peek() == ",":
                self.take()
                yield self.change(section)

    def change(self, section: str) -> Change:
        path = self.path()
        match section:
            case "SET":
                self.take("=")
                return _setting(path, self.sum())
            case "REMOVE":
                return lambda given, item: without(item, _resolved(path, given))
            case "ADD":
                added = self.operand()
                return _setting(
                    path,
                    lambda given: _plus(
                        found(given.item, _resolved(path, given)) or {"N": "0"}, "+", added(given)
                    ),
                )
        raise InvalidExpression(f"{self.text}: {section}")

    def sum(self) -> Operand:
        left = self.operand()
        if self.peek() in ("+", "-"):
            sign, right = self.take(), self.operand()
            return lambda given: _plus(left(given), sign, right(given))
        return left


def _either(left: Condition, right: Condition) -> Condition:
    return lambda given: left(given) or right(given)


def _both(left: Condition, right: Condition) -> Condition:
    return lambda given: left(given) and right(given)


def _begins(whole: Operand, part: Operand) -> Condition:
    return lambda given: (
        (text := whole(given)) is not None
        and "S" in text
        and text["S"].startswith(_needed(part(given))["S"])
    )


def _contains(whole: Operand, part: Operand) -> Condition:
    def contains(given: Given) -> bool:
        sought = _needed(part(given))
        match whole(given):
            case {"S": text}:
                return sought.get("S", "\0") in text
            case {"L": members}:
                return sought in members
        return False

    return contains


def _size(path: Operand) -> Operand:
    def size(given: Given) -> Typed | None:
        measured = path(given)
        return None if measured is None else {"N": str(len(next(iter(measured.values()))))}

    return size


def _setting(path: tuple[Step, ...], value: Operand) -> Change:
    return lambda given, item: with_value(item, _resolved(path, given), _needed(value(given)))


def _compared(left: Typed | None, operator: str, right: Typed | None) -> bool:
    """Compare; what is absent equals nothing and is unlike everything, and values of two types are never in order."""
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


def _plus(left: Typed | None, sign: str, right: Typed | None) -> Typed:
    first, second = Decimal(_needed(left)["N"]), Decimal(_needed(right)["N"])
    return {"N": str(first + second if sign == "+" else first - second)}


def _needed(value: Typed | None) -> Typed:
    if value is None:
        raise InvalidExpression(
            "The provided expression refers to an attribute that does not exist in the item"
        )
    return value


def _resolved(path: tuple[Step, ...], given: Given) -> tuple[Step, ...]:
    return tuple(
        given.names[step] if isinstance(step, str) and step.startswith("#") else step
        for step in path
    )
