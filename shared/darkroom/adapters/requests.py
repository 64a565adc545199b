"""What may come in at the HTTP door."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from darkroom.settings import settings

_METADATA_KEYS_MAX = 20

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=500)]


class JobRequest(BaseModel):
    """The body of POST /jobs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    template: Name
    parameters: dict[str, Any]
    callback_url: str | None = None
    metadata: dict[Name, Text] = Field(default_factory=dict, max_length=_METADATA_KEYS_MAX)


class GrantRequest(BaseModel):
    """The body of POST /accounts/{platform}/{user}/credits. A negative amount is a correction."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    amount: int = Field(ge=-settings().grant_credits_max, le=settings().grant_credits_max)
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    reference: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    @field_validator("amount")
    @classmethod
    def must_change_something(cls, amount: int) -> int:
        """Refuse zero, which would be an entry that says nothing."""
        if not amount:
            raise ValueError("must not be zero")
        return amount
