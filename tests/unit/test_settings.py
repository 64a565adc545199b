from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, fields
from decimal import Decimal
from typing import Any

import pytest

from darkroom.domain.pricing import Prices
from darkroom.settings import SettingMissing, Settings, read_settings
from tests.aws import TEMPLATE
from tests.conftest import ENVIRONMENT

REQUIRED = {field.name.upper() for field in fields(Settings) if field.default is MISSING}
KNOWN = {field.name.upper() for field in fields(Settings)}
MINIMAL = {name: f"a {name}" for name in REQUIRED}
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}


def variables_of(properties: dict[str, Any]) -> set[str]:
    everybodys: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return everybodys.keys() | own.keys()


@pytest.mark.parametrize("variable", sorted(REQUIRED))
def test_a_missing_variable_is_named(variable: str) -> None:
    with pytest.raises(SettingMissing, match=f"^{variable}$"):
        read_settings({name: value for name, value in MINIMAL.items() if name != variable})


def test_limits_have_defaults() -> None:
    settings = read_settings(MINIMAL)

    assert (
        settings.jobs_in_flight_max,
        settings.idempotency_hours,
        settings.webhook_age_seconds_max,
    ) == (20, 24, 300)
    assert settings.jobs_per_minute_max == 120
    assert (settings.page_size, settings.page_size_max, settings.webhook_body_bytes_max) == (
        20,
        100,
        5_000_000,
    )
    assert settings.link_seconds <= 3_600
    assert settings.prices == Prices(10, 50, Decimal("1.5"))


def test_values_become_what_they_are_meant_to_be() -> None:
    given = {
        "DELIVERY_HOSTS": "a, *.b ,,",
        "PRIVATE_HOSTS": "",
        "PLATFORMS": "web",
        "HIGH_QUALITY_MULTIPLIER": "1.25",
        "JOBS_IN_FLIGHT_MAX": "3",
        "PUBLIC_URL": "https://x",
    }

    settings = read_settings(MINIMAL | given)

    assert (settings.delivery_hosts, settings.private_hosts, settings.platforms) == (
        ("a", "*.b"),
        (),
        ("web",),
    )
    assert (settings.high_quality_multiplier, settings.jobs_in_flight_max, settings.public_url) == (
        Decimal("1.25"),
        3,
        "https://x",
    )


def test_what_nobody_knows_is_ignored() -> None:
    assert read_settings(MINIMAL | {"PATH": "/bin"}) == read_settings(MINIMAL)


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        read_settings(MINIMAL).table_name = "another"  # type: ignore[misc]


@pytest.mark.parametrize("properties", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_function_has_each_variable_that_it_needs_and_none_that_nobody_reads(
    properties: dict[str, Any],
) -> None:
    variables = variables_of(properties)

    assert variables >= REQUIRED
    assert {name for name in variables if not name.startswith("POWERTOOLS_")} <= KNOWN


def test_the_tests_have_them_too() -> None:
    assert ENVIRONMENT.keys() >= REQUIRED
