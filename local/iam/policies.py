"""Policy documents, and whether their statements allow an access.

Source: IAM User Guide, "IAM JSON policy element reference" and "Policy evaluation logic".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.iam.conditions import (
    Condition,
    Context,
    UnsupportedPolicy,
    glob,
    parse_conditions,
    texts,
)

_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
_EVERYBODY = "*"


@dataclass(frozen=True)
class Access:
    """One action on one resource, with the request's condition keys (`Context`)."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A statement of a policy.

    `principals` are the services of a resource's policy, or `*`. They are empty in the policies of
    roles.
    """

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    principals: tuple[str, ...] = ()

    def matches(self, access: Access) -> bool:
        """Return whether the statement is about an access. Actions ignore upper and lower case."""
        action = access.action.lower()
        return (
            any(glob(action, pattern) for pattern in self.actions)
            and any(glob(access.resource, pattern) for pattern in self.resources)
            and all(condition.holds(access.context) for condition in self.conditions)
        )

    def is_for(self, principal: str) -> bool:
        """Return whether the statement of a resource's policy is for a principal."""
        return _EVERYBODY in self.principals or principal in self.principals


def parse_document(document: Mapping[str, Any], name: str) -> Iterator[Statement]:
    """Yield the statements of a policy document. `name` is the policy's name in errors.

    Raises UnsupportedPolicy for a statement that the local stack cannot evaluate.
    """
    found = document["Statement"]
    for number, statement in enumerate([found] if isinstance(found, Mapping) else found):
        try:
            yield _parse(statement)
        except UnsupportedPolicy as error:
            label = statement.get("Sid", f"number {number}")
            raise UnsupportedPolicy(
                f"The local stack cannot evaluate the policy {name}, statement {label}: {error}."
            ) from error


def is_allowed(statements: Iterable[Statement], access: Access) -> bool:
    """Return whether the statements allow an access: one allows it, and none denies it."""
    effects = {statement.allows for statement in statements if statement.matches(access)}
    return effects == {True}


def _parse(statement: Mapping[str, Any]) -> Statement:
    if unknown := statement.keys() - _ELEMENTS:
        raise UnsupportedPolicy(f"the element {', '.join(sorted(unknown))}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise UnsupportedPolicy(f"the effect {statement['Effect']}")
    actions, resources = texts(statement["Action"]), texts(statement["Resource"])
    if variable := next((text for text in resources if "${" in text), None):
        raise UnsupportedPolicy(f"a policy variable in the resource {variable}")
    return Statement(
        allows=statement["Effect"] == "Allow",
        actions=tuple(action.lower() for action in actions),
        resources=resources,
        conditions=parse_conditions(statement.get("Condition", {})),
        principals=tuple(_principals(statement.get("Principal", {}))),
    )


def _principals(principal: str | Mapping[str, Any]) -> Iterator[str]:
    match principal:
        case "*" | {"AWS": "*"}:
            yield _EVERYBODY
        case {"Service": services, **others} if not others:
            yield from texts(services)
        case {**others} if not others:
            return
        case _:
            raise UnsupportedPolicy(f"the principal {principal}")
