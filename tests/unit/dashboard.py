"""The metrics of the dashboard in template.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.aws import TEMPLATE

PROPERTIES = TEMPLATE["Resources"]["Dashboard"]["Properties"]
_TEXT, _VARIABLES = PROPERTIES["DashboardBody"]["Fn::Sub"]
BODY: dict[str, Any] = json.loads(_TEXT)


@dataclass(frozen=True)
class DisplayedMetric:
    """A metric on the dashboard. Its dimensions have the template's references as values."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def displayed_metrics() -> Iterator[DisplayedMetric]:
    """Yield each metric. `...` repeats the fields of the metric before, except the last ones.

    Source: Amazon CloudWatch User Guide, "Dashboard body structure and syntax".
    """
    for widget in BODY["widgets"]:
        fields: list[str] = []
        for metric in widget["properties"].get("metrics", []):
            given = [field for field in metric if isinstance(field, str)]
            if given[0] == "...":
                given = [*fields[: len(fields) - len(given) + 1], *given[1:]]
            fields = given
            namespace, name, *dimensions = given
            yield DisplayedMetric(
                namespace, name, tuple(zip(dimensions[::2], dimensions[1::2], strict=True))
            )


def references() -> set[str]:
    """Return each logical id in the body."""
    names: set[str] = set(re.findall(r"\$\{(\w+)[.}]", _TEXT))
    return names - set(_VARIABLES)
