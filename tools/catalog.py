"""Print every template with its prices, at the prices that the environment names; a broken file is named and ends the run."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate
from darkroom.domain.pricing import Prices
from darkroom.domain.templates import Template

_COLUMNS = (
    "template",
    "version",
    "category",
    "model",
    "credits",
    "credits for more",
    "expected",
    "at most",
    "use",
)


def main() -> int:
    """Read every file, also those of past versions, and print what is available."""
    prices = Prices(
        int(os.environ.get("DEFAULT_IMAGE_CREDIT_COST", "10")),
        int(os.environ.get("DEFAULT_VIDEO_CREDIT_COST", "50")),
        Decimal(os.environ.get("HIGH_QUALITY_MULTIPLIER", "1.5")),
    )
    try:
        available, past = catalog.templates(), catalog.past_templates()
    except BrokenTemplate as error:
        sys.stderr.write(f"broken template: {error}\n")
        return 1
    table = Table(*_COLUMNS)
    for template in available.values():
        table.add_row(*_row(template, prices))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    sys.stdout.write(f"{len(available)} templates; {len(past)} past versions stay readable.\n")
    return 0


def _row(template: Template, prices: Prices) -> tuple[str, ...]:
    return (
        template.code,
        str(template.version),
        template.category,
        template.model.partition(":")[0],
        str(template.cost(template.defaults, prices)),
        ", ".join(f"{what}: {price}" for what, price in _more(template, prices).items()),
        f"{template.expected_seconds} s",
        f"{template.seconds_max} s",
        "any" if template.commercial_use else "non-commercial",
    )


def _more(template: Template, prices: Prices) -> dict[str, int]:
    """Price each value of each parameter that by itself changes the price, together with what the rules ask for with it."""
    usual = template.cost(template.defaults, prices)
    found: dict[str, int] = {}
    for name, value in [
        (name, value) for name, schema in template.parameters.items() for value in _values(schema)
    ]:
        changed = template.defaults | {name: value}
        with_it = {
            other: schema["const"]
            for rule in template.rules
            if rule.is_broken_by(changed)
            for other, schema in rule.then.items()
            if "const" in schema and changed.get(other) != schema["const"]
        }
        price = template.cost(changed | template.preset(changed) | with_it, prices)
        if price != usual:
            found[
                " with ".join(f"{key}={value}" for key, value in ({name: value} | with_it).items())
            ] = price
    return found


def _values(schema: Any) -> list[Any]:  # noqa: ANN401 (a JSON Schema)
    if "enum" in schema:
        return list(schema["enum"])
    return [schema[limit] for limit in ("minimum", "maximum") if limit in schema]


if __name__ == "__main__":
    sys.exit(main())
