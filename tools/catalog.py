"""Check every template, and print the current ones with their prices.

    PYTHONPATH=shared python -m tools.catalog

The environment variables DEFAULT_IMAGE_CREDIT_COST, DEFAULT_VIDEO_CREDIT_COST and
HIGH_QUALITY_MULTIPLIER set the prices, as for the functions. The column USD is what the provider
bills for a job with the default parameters. `≤` marks an upper bound. The column after it divides
the credits of this job by the USD.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate
from darkroom.domain.costs import usd_of
from darkroom.domain.prices import Prices
from darkroom.domain.templates import Template

_COLUMNS = (
    "template",
    "version",
    "category",
    "model",
    "credits",
    "credits for more",
    "USD",
    "credits per USD",
    "expected",
    "at most",
    "use",
)


def main() -> int:
    """Read every file, also those of past versions, and print the current templates.

    Returns the exit status: 1 if a file is broken.
    """
    prices = Prices(
        int(os.environ.get("DEFAULT_IMAGE_CREDIT_COST", "10")),
        int(os.environ.get("DEFAULT_VIDEO_CREDIT_COST", "50")),
        Decimal(os.environ.get("HIGH_QUALITY_MULTIPLIER", "1.5")),
    )
    try:
        available, past = catalog.templates(), catalog.past_templates()
        retired = catalog.retired()
    except BrokenTemplate as error:
        sys.stderr.write(f"broken template: {error}\n")
        return 1
    table = Table(*_COLUMNS)
    for template in available.values():
        table.add_row(*_row(template, prices))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    sys.stdout.write(f"{len(available)} templates, {len(past)} past versions.\n")
    for template in available.values():
        if template.off_by_default:
            sys.stdout.write(f"{template.code} is off by default. EnabledTemplates enables it.\n")
    for code, successor in retired.items():
        sys.stdout.write(f"{code} is retired. Its successor is {successor}.\n")
    return 0


def _row(template: Template, prices: Prices) -> tuple[str, ...]:
    return (
        template.code,
        str(template.version),
        template.category,
        template.model.partition(":")[0],
        str(template.cost(template.defaults, prices)),
        ", ".join(
            f"{values}: {price}" for values, price in _other_prices(template, prices).items()
        ),
        _usd(template),
        _credits_per_usd(template, prices),
        f"{template.expected_seconds} s",
        f"{template.seconds_max} s",
        "any" if template.commercial_use else "non-commercial",
    )


def _usd(template: Template) -> str:
    bound = "≤ " if template.cost_usd.estimated else ""
    return f"{bound}{usd_of(template.cost_micro_usd(template.defaults)):.3f}"


def _credits_per_usd(template: Template, prices: Prices) -> str:
    micro_usd = template.cost_micro_usd(template.defaults)
    return (
        f"{template.cost(template.defaults, prices) / usd_of(micro_usd):.0f}" if micro_usd else ""
    )


def _other_prices(template: Template, prices: Prices) -> dict[str, int]:
    """Return the price of each single value that changes the price, by `name=value`.

    If a rule requires other values together with the value, the price includes them.
    """
    default_price = template.cost(template.defaults, prices)
    found: dict[str, int] = {}
    for name, schema in template.parameters.items():
        for value in _values(schema):
            changed = template.defaults | {name: value}
            required = _required_by_rules(template, changed)
            price = template.cost(changed | template.preset(changed) | required, prices)
            if price != default_price:
                values = {name: value} | required
                found[" with ".join(f"{key}={item}" for key, item in values.items())] = price
    return found


def _required_by_rules(template: Template, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the constants that the rules require, where the parameters have other values."""
    return {
        name: schema["const"]
        for rule in template.rules
        if rule.is_broken_by(parameters)
        for name, schema in rule.then.items()
        if "const" in schema and parameters.get(name) != schema["const"]
    }


def _values(schema: Any) -> list[Any]:  # noqa: ANN401 (a JSON Schema)
    """Return the values of an enum or of a boolean, or the limits of a number."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [True, False]
    return [schema[limit] for limit in ("minimum", "maximum") if limit in schema]


if __name__ == "__main__":
    sys.exit(main())
