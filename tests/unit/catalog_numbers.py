"""Numbers of the catalog on which other numbers depend: the extremes over its templates."""

from __future__ import annotations

from darkroom import catalog
from darkroom.domain.jobs import wait_seconds_for
from tests.unit.number_sources import Number, largest, smallest

TEMPLATES = catalog.templates().values()
TEMPLATE_SECONDS = largest(
    [
        Number(f"catalog: {template.code}.seconds_max", template.seconds_max)
        for template in TEMPLATES
    ]
)
TEMPLATE_OUTPUTS = largest(
    [
        Number(
            f"catalog: {template.code}.{template.outputs_parameter}",
            template.parameters[template.outputs_parameter]["maximum"],
        )
        for template in TEMPLATES
        if template.outputs_parameter
    ]
)
RUNWAY_WAIT = smallest(
    [
        Number(
            f"catalog: the wait of {template.code}",
            wait_seconds_for(template.expected_seconds),
        )
        for template in TEMPLATES
        if template.provider == "runway"
    ]
)
