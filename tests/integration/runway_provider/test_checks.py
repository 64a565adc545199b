"""The checks of Runway: whether it accepts the account, and offers a model."""

from __future__ import annotations

import pytest

from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.providers import runway
from tests.integration.checks import result_of
from tests.integration.runway_provider.scripted import Runway
from tests.integration.simulated_runway.wire import Api


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, {"creditBalance": 1}, None),
        (200, {"creditBalance": 0}, ProviderAccountRefused),
        (200, {}, None),
        (200, [], ProviderUnavailable),
        (401, {}, ProviderAccountRefused),
        (403, {}, ProviderAccountRefused),
        (429, {}, ProviderBusy),
        (404, {}, ProviderUnavailable),
        (503, {}, ProviderUnreachable),
    ],
)
def test_the_account(api: Runway, status: int, document: object, expected: object) -> None:
    api.responds(status, document)

    assert result_of(runway.check) is expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"tier": {"models": {"gen4.5": {}}}}, True),
        ({"tier": {"models": {"gen5": {}}}}, False),
        ({"tier": {"models": {}}}, True),
        ({}, True),
    ],
)
def test_a_model(api: Runway, document: object, expected: bool) -> None:
    api.responds(200, document)

    assert runway.is_offered("text_to_video/gen4.5") is expected


def test_the_simulator_has_credits_and_can_retire_a_model(simulator: Api) -> None:
    runway.check()
    assert runway.is_offered("text_to_video/gen4.5")
    simulator.set_faults(no_credits=1, retired_model="gen4.5").raise_for_status()

    assert result_of(runway.check) is ProviderAccountRefused
    assert not runway.is_offered("text_to_video/gen4.5")
    assert runway.is_offered("image_to_video/gen4_turbo")
