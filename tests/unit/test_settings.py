"""The settings that are read from environment variables."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, fields
from decimal import Decimal
from typing import Any

import pytest

from darkroom.domain.prices import Prices
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
    of_all_functions: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return of_all_functions.keys() | own.keys()


def test_the_error_names_a_missing_variable() -> None:
    assert REQUIRED
    for variable in REQUIRED:
        with pytest.raises(SettingMissing, match=f"^{variable}$"):
            read_settings({name: value for name, value in MINIMAL.items() if name != variable})


def test_optional_settings_have_defaults() -> None:
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


def test_values_are_converted_to_the_types_of_the_settings() -> None:
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


def test_unknown_variables_are_ignored() -> None:
    assert read_settings(MINIMAL | {"PATH": "/bin"}) == read_settings(MINIMAL)


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        read_settings(MINIMAL).table_name = "another"  # type: ignore[misc]


def test_every_function_has_its_required_variables_and_no_unknown_ones() -> None:
    for name, properties in FUNCTIONS.items():
        variables = variables_of(properties)
        # Lambda compares REVISION with the previous version. The code does not read it.
        own = {
            variable
            for variable in variables - {"REVISION"}
            if not variable.startswith("POWERTOOLS_")
        }

        assert not REQUIRED - variables, f"{name} lacks {REQUIRED - variables}"
        assert not own - KNOWN, f"{name} has unknown variables: {own - KNOWN}"


def test_the_tests_set_each_required_variable() -> None:
    assert ENVIRONMENT.keys() >= REQUIRED
