"""The settings of a function, read once from its environment: resource names, prices, limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from darkroom.domain.moderation import ModerationLimits, Strictness
from darkroom.domain.prices import Prices


class SettingMissing(RuntimeError):
    """A required variable is not in the environment. The message is its name."""


class SettingInvalid(RuntimeError):
    """A variable has no valid value. The message names the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings. The variable of a field has the field's name in capitals.

    A tuple is a list separated by commas. A limit has its unit in its text. A field without a
    default is required.
    """

    # Resources of the stack.

    table_name: str
    """The DynamoDB table."""
    media_bucket: str
    """The S3 bucket of outputs and uploads."""
    event_bus_name: str
    """The EventBridge bus for the ends of jobs."""
    callback_queue_url: str
    """The URL of the SQS queue of callbacks."""
    state_machine_arn: str
    """The ARN of the workflow."""
    alarm_topic_arn: str = ""
    """The ARN of the SNS topic that names the templates that differ from their models."""

    # Providers. Each provider has one block of settings, with its module's name as their prefix.

    delivery_hosts: tuple[str, ...]
    """The hosts from which outputs are downloaded. `*.` at the start includes all subdomains."""
    providers: tuple[str, ...] = ("replicate",)
    """The providers of this deployment, by the names of their modules."""

    replicate_base_url: str
    """The base URL of Replicate's HTTP API."""
    replicate_token_secret: str
    """The ID of the secret with the API token."""
    replicate_webhook_secret: str
    """The ID of the secret with the key that signs Replicate's webhooks."""

    runway_base_url: str = ""
    """The base URL of Runway's HTTP API."""
    runway_key_secret: str = ""
    """The ID of the secret with the API key."""

    stable_diffusion_url: str = ""
    """The URL of the Stable Diffusion WebUI."""
    stable_diffusion_login_secret: str = ""
    """The ID of the secret with `user:password`. Empty if the WebUI needs no login."""
    stable_diffusion_in_flight_max: int = 1
    """Predictions in flight at the WebUI. A GPU makes one image at a time; others can time out."""

    # Addresses and tokens.

    aws_endpoint_url: str = ""
    """The URL of an emulator of AWS, for boto3 (local use only). Empty on AWS."""
    private_hosts: tuple[str, ...] = ()
    """The hosts that may be called by plain HTTP and at private addresses (local use only)."""
    public_url: str = ""
    """The base URL of the API for webhooks, without a final slash. Empty: poll, no webhooks."""
    api_url: str = ""
    """The URL of a custom domain with its base path. Empty or `none`: there is no custom domain."""
    platforms: tuple[str, ...] = ("web", "mobile")
    """The accepted values of the claim `custom:platform`."""
    token_use: str = ""
    """The required value of the claim `token_use`. Empty: the claim is not checked."""
    admin_claim: str = "cognito:groups"
    """The claim that makes a user an administrator. Empty: there are no administrators."""
    admin_value: str = "admin"
    """The text of `admin_claim` that makes a user an administrator. Ignored for Cognito's groups.

    `[admin]` is a list with one element. The value has no space.
    """
    admin_mfa_user_pool: str = ""
    """The Cognito user pool in which administrators need an authenticator app. Empty: no check."""

    # Prices.

    default_image_credit_cost: int = 10
    """Credits for one image if its template sets no price."""
    default_video_credit_cost: int = 50
    """Credits for one video if its template sets no price."""
    high_quality_multiplier: Decimal = Decimal("1.5")
    """The factor by which high quality multiplies a price."""

    # Money and moderation.

    daily_spend_usd_max: Decimal = Decimal(0)
    """USD per provider and day (UTC) after which the provider is paused until midnight. 0: none."""
    safety_tolerance_max: int = 6
    """The largest tolerance that users may set, for models with such a number."""
    moderation_min: Strictness = Strictness.LOW
    """The least strictness that users may set: `low`, `medium` or `high`."""
    enabled_templates: tuple[str, ...] = ()
    """The codes of the templates that are off by default and available in this deployment."""

    # Limits.

    body_bytes_max: int = 65_536
    """Bytes of a request body of the API."""
    prompt_characters_max: int = 5_000
    """Characters of a prompt."""
    metadata_bytes_max: int = 4_096
    """Bytes of a job's `metadata` as JSON."""
    jobs_in_flight_max: int = 20
    """Open jobs per account."""
    jobs_per_minute_max: int = 120
    """Accepted jobs per account and minute."""
    quotes_per_hour_max: int = 600
    """Quotes per account and hour."""
    uploads_per_hour_max: int = 200
    """Announced uploads per account and hour."""
    upload_bytes_per_day_max: int = 5_000_000_000
    """Bytes of announced uploads per account and day."""
    completes_per_hour_max: int = 400
    """Checks of uploaded files per account and hour."""
    callback_tests_per_minute_max: int = 1
    """Test callbacks per account and minute."""
    callback_resends_per_hour_max: int = 600
    """Repeated callbacks per account and hour."""
    cancels_per_hour_max: int = 60
    """Canceled open jobs per account and hour."""
    predictions_in_flight_max: int = 5
    """Predictions in flight per provider, for all accounts together.

    `<provider>_in_flight_max`, if it exists, replaces this limit for one provider.
    """
    predictions_in_flight_per_account_max: int = 0
    """Predictions in flight per provider and account. 0: no limit of its own."""
    queue_seconds_max: int = 3_600
    """Seconds between the creation of a job and its first request to the provider."""
    welcome_credits: int = 0
    """Credits that each user receives once, at the first job or read of credits. 0: none."""
    retention_days: int = 0
    """Days between the end of a job and its deletion. 0: no deletion."""
    output_bytes_max: int = 150_000_000
    """Bytes of one output."""
    output_seconds_max: int = 25
    """Seconds for the download of one output."""
    output_pixels_max: int = 100_000_000
    """Pixels (width × height) of an image output that is decoded. A larger one has no variants."""
    video_pixels_max: int = 16_000_000
    """Pixels (width × height) of a video output that is decoded. A larger one has no variants."""
    decode_seconds_max: int = 20
    """Seconds for decoding one output. An output that takes longer has no variants."""
    image_pixels_max: int = 40_000_000
    """Pixels (width × height) of an uploaded image of another type than JPEG and HEIC."""
    jpeg_pixels_max: int = 250_000_000
    """Pixels of an uploaded JPEG image. If they exceed `image_pixels_max`, fewer are decoded."""
    heic_pixels_max: int = 50_000_000
    """Pixels of an uploaded HEIC image. Phones make such images of up to 50 megapixels."""
    input_seconds_max: float = 20
    """Seconds for the conversion of an uploaded image."""
    input_memory_bytes_max: int = 1_500_000_000
    """Bytes of memory for the conversion of an uploaded image."""
    upload_bytes_max: int = 80_000_000
    """Bytes of an upload. A photo of 200 megapixels has 30 to 60 MB."""
    upload_link_seconds: int = 900
    """Seconds for which the signed form of an upload is valid."""
    upload_hours: int = 24
    """Hours in which new jobs may use an upload."""
    inline_input_bytes_max: int = 0
    """Bytes of an input image that is sent inside the provider request instead of as a link.

    A provider's own INLINE_INPUT_BYTES_MAX applies if it is higher.
    """
    webhook_age_seconds_max: int = 300
    """Seconds by which the timestamp of a webhook may differ from the current time."""
    webhook_body_bytes_max: int = 5_000_000
    """Bytes of the body of a webhook."""
    page_size: int = 20
    """Items on a page if the request names no limit."""
    page_size_max: int = 100
    """Items on a page that a request may name."""
    idempotency_hours: int = 24
    """Hours for which an Idempotency-Key is stored."""
    callback_secret_overlap_hours: int = 24
    """Hours for which the previous callback secret still signs after a rotation."""
    callback_seconds_max: float = 10
    """Seconds for one try of a callback, from the name of the host to the status."""
    link_seconds: int = 3_600
    """Seconds for which a signed link to an object is valid at least.

    A link stays the same for half of this time, and is valid for up to 1.5 times this time.
    """
    grant_credits_max: int = 1_000_000
    """Credits that one grant may add or subtract."""
    start_grace_seconds: int = 30
    """Seconds before recovery checks a new job, or a job with a new cancel request."""
    recoveries_per_run_max: int = 200
    """Jobs that one run of recovery checks, for each check queue."""

    def in_flight_max(self, provider: str) -> int:
        """Return the maximum number of predictions in flight at a provider."""
        limit: int = getattr(self, f"{provider}_in_flight_max", self.predictions_in_flight_max)
        return limit

    @property
    def base_path(self) -> str:
        """The base path of the custom domain, for example `/images`. Empty without one."""
        url = urlsplit(self.api_url)
        return url.path.rstrip("/") if url.netloc else ""

    @property
    def moderation_limits(self) -> ModerationLimits:
        """The most permissive moderation that users of this deployment may choose."""
        return ModerationLimits(self.safety_tolerance_max, self.moderation_min)

    @property
    def prices(self) -> Prices:
        """The prices of this deployment."""
        return Prices(
            self.default_image_credit_cost,
            self.default_video_credit_cost,
            self.high_quality_multiplier,
        )


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. Raises SettingMissing or SettingInvalid."""
    types = get_type_hints(Settings)
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        variable = setting.name.upper()
        if variable in environment:
            try:
                values[setting.name] = _convert(types[setting.name], environment[variable])
            except (ValueError, InvalidOperation) as error:
                expected = _expected(types[setting.name])
                raise SettingInvalid(f"{variable} must be {expected}") from error
        elif setting.default is MISSING:
            raise SettingMissing(variable)
    return Settings(**values)


def _convert(kind: type, text: str) -> object:
    if kind in (str, int, float, Decimal, Strictness):
        return kind(text)
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _expected(kind: type) -> str:
    return ", ".join(Strictness) if kind is Strictness else "a number"


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return read_settings(os.environ)
