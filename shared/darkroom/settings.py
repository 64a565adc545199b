"""The environment, read once: what the stack names, and every limit with its unit and its default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, get_type_hints

from darkroom.domain.pricing import Prices


class SettingMissing(RuntimeError):
    """A variable that the function cannot do without is not in its environment; the message is its name."""


class SettingInvalid(RuntimeError):
    """A variable is not of its setting's type; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. A field's variable has the field's name in capitals."""

    table_name: str
    media_bucket: str
    event_bus_name: str
    state_machine_arn: str
    delivery_hosts: tuple[str, ...]
    providers: tuple[str, ...] = ("replicate",)

    # Each provider has one block. Its `…_in_flight_max`, if it has one, stands for predictions_in_flight_max.
    replicate_base_url: str
    replicate_token_secret: str
    replicate_webhook_secret: str

    runway_base_url: str = ""
    runway_key_secret: str = ""

    stable_diffusion_url: str = ""
    stable_diffusion_login_secret: str = ""
    # A graphics card makes one image after the other. A request that waits there may time out.
    stable_diffusion_in_flight_max: int = 1

    private_hosts: tuple[str, ...] = ()
    public_url: str = ""
    platforms: tuple[str, ...] = ("web", "mobile")
    token_use: str = ""

    default_image_credit_cost: int = 10
    default_video_credit_cost: int = 50
    high_quality_multiplier: Decimal = Decimal("1.5")

    body_bytes_max: int = 65_536
    prompt_characters_max: int = 5_000
    metadata_bytes_max: int = 4_096
    jobs_in_flight_max: int = 20
    jobs_per_minute_max: int = 120
    predictions_in_flight_max: int = 5
    welcome_credits: int = 0
    retention_days: int = 0
    output_bytes_max: int = 100_000_000
    output_seconds_max: int = 25
    image_pixels_max: int = 40_000_000
    upload_bytes_max: int = 20_000_000
    upload_link_seconds: int = 900
    upload_hours: int = 24
    input_side_pixels_max: int = 1_024
    inline_input_bytes_max: int = 0
    webhook_age_seconds_max: int = 300
    webhook_body_bytes_max: int = 5_000_000
    page_size: int = 20
    page_size_max: int = 100
    idempotency_hours: int = 24
    callback_secret_overlap_hours: int = 24
    callback_test_seconds_max: int = 10
    link_seconds: int = 3_600
    grant_credits_max: int = 1_000_000
    start_grace_seconds: int = 30
    recoveries_per_run_max: int = 200

    def in_flight_max(self, provider: str) -> int:
        """Return how many predictions may be in flight at a provider at once."""
        own: int | None = getattr(self, f"{provider}_in_flight_max", None)
        return self.predictions_in_flight_max if own is None else own

    @property
    def prices(self) -> Prices:
        """The prices of this deployment."""
        return Prices(
            self.default_image_credit_cost,
            self.default_video_credit_cost,
            self.high_quality_multiplier,
        )


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingMissing and SettingInvalid with the variable's name."""
    types = get_type_hints(Settings)
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        variable = setting.name.upper()
        if variable in environment:
            try:
                values[setting.name] = _convert(types[setting.name], environment[variable])
            except (ValueError, InvalidOperation) as error:
                raise SettingInvalid(f"{variable} must be a number") from error
        elif setting.default is MISSING:
            raise SettingMissing(variable)
    return Settings(**values)


def _convert(kind: type, text: str) -> object:
    if kind in (str, int, Decimal):
        return kind(text)
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def settings() -> Settings:
    """Give the settings of this process."""
    return read_settings(os.environ)
