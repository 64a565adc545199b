"""The condition operators and condition keys that the local stack can evaluate.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for
multivalued context keys".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

# The values of the condition keys of a request, by lower-case name.
type Context = Mapping[str, tuple[str, ...]]

_MULTIVALUED = {"dynamodb:attributes", "dynamodb:leadingkeys"}
_SINGLE_VALUED = {
    "aws:securetransport",
    "aws:sourcearn",
    "dynamodb:enclosingoperation",
    "dynamodb:returnvalues",
    "s3:prefix",
    "states:statemachinequalifier",
}
_IF_EXISTS = "IfExists"
_SETS = ("ForAllValues", "ForAnyValue")
_ARN_COLONS = 5


class UnsupportedPolicy(Exception):
    """The local stack cannot evaluate a policy. The message names its statement."""


@dataclass(frozen=True)
class Condition:
    """One condition: an operator, a condition key and the values of the policy."""

    set_operator: str
    operator: str
    if_exists: bool
    key: str
    values: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Return whether the condition is true for a request."""
        matches, is_negated = _OPERATORS[self.operator]
        found = context.get(self.key)
        if found is None:
            return is_negated or self.if_exists or self.set_operator == "ForAllValues"

        def fits(value: str) -> bool:
            return any(matches(value, wanted) for wanted in self.values) is not is_negated

        return (
            any(map(fits, found)) if self.set_operator == "ForAnyValue" else all(map(fits, found))
        )


def parse_conditions(block: Mapping[str, Mapping[str, object]]) -> tuple[Condition, ...]:
    """Return the conditions of a statement. All of them must be true.

    Raises UnsupportedPolicy for an operator or a condition key that is not evaluated.
    """
    return tuple(
        _parse(operator, key, values)
        for operator, keys in block.items()
        for key, values in keys.items()
    )


def glob(value: str, pattern: str) -> bool:
    """Return whether a text matches a pattern, in which * and ? are wildcards."""
    return _compiled(pattern).fullmatch(value) is not None


def texts(value: object) -> tuple[str, ...]:
    """Return the texts of an element that is one value or a list of values."""
    values = value if isinstance(value, list) else [value]
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)


def _parse(name: str, key: str, values: object) -> Condition:
    set_operator, separator, rest = name.rpartition(":")
    operator = rest.removesuffix(_IF_EXISTS)
    if (separator and set_operator not in _SETS) or operator not in _OPERATORS:
        raise UnsupportedPolicy(f"the condition operator {name}")
    lower = key.lower()
    if lower not in _MULTIVALUED | _SINGLE_VALUED:
        raise UnsupportedPolicy(f"the condition key {key}")
    if (lower in _MULTIVALUED) is not bool(separator):
        wanted = "needs" if lower in _MULTIVALUED else "must not have"
        raise UnsupportedPolicy(f"the condition key {key}, which {wanted} a set operator")
    wanted_values = texts(values)
    if any("${" in value for value in wanted_values):
        raise UnsupportedPolicy(f"a policy variable in the condition of {key}")
    return Condition(set_operator, operator, rest != operator, lower, wanted_values)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.DOTALL)


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _arn_like(value: str, pattern: str) -> bool:
    """Compare two ARNs part by part: a wildcard of one part matches nothing of the next part."""
    found: Sequence[str] = value.split(":", _ARN_COLONS)
    wanted: Sequence[str] = pattern.split(":", _ARN_COLONS)
    return len(found) == len(wanted) and all(map(glob, found, wanted))


# The comparison of an operator, and whether the operator negates it.
_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "Bool": (_equal, False),
    "StringEquals": (_equal, False),
    "StringLike": (glob, False),
    "StringNotEquals": (_equal, True),
    "StringNotLike": (glob, True),
}
