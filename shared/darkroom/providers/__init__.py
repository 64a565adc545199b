"""The providers of models: the same few verbs each, one file each. The catalog names the file."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from darkroom.domain.predictions import Prediction, PredictionRequest


class Provider(Protocol):
    """What a provider's module can do.

    SUPPORTS_WEBHOOKS says whether it calls the webhook's URL; who does not is asked how it is doing. Images of ours of at most
    INLINE_INPUT_BYTES_MAX go into the request, as data URLs; others are signed links.

    Every verb may raise ProviderBusy (nothing was done, come back later) and ProviderUnavailable (what was done is unknown). Only `create`
    raises GenerationFailed (it will never be done): what exists already is not undone by a refusal.
    """

    SUPPORTS_WEBHOOKS: bool
    INLINE_INPUT_BYTES_MAX: int

    def create(self, request: PredictionRequest) -> Prediction:
        """Create a prediction, which ends by itself in time where the provider knows of deadlines. Never creates two."""
        ...

    def get(self, prediction_id: str) -> Prediction:
        """Ask how a prediction is doing."""
        ...

    def cancel(self, prediction_id: str) -> None:
        """Stop a prediction. Stopping one that is over does nothing."""
        ...

    def find(self, request: PredictionRequest) -> Prediction | None:
        """Look for a prediction that an earlier `create` of this request may have created; None when there is none.

        Raises LookupUnsupported where nothing marks a prediction as made for the request: then no second one is created.
        """
        ...


def load_provider(name: str) -> Provider:
    """Load a provider's module. Only who works with a provider pays for its import."""
    return cast("Provider", import_module(f"{__name__}.{name}"))
