"""The providers. Each is a module or package with the same functions, and the catalog names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.predictions import PartialPrediction, Prediction, PredictionRequest
from darkroom.domain.provider_errors import ProviderUnavailable, ProviderUnreachable
from darkroom.domain.templates import Template
from darkroom.observability import Metric, count


class Provider(Protocol):
    """The interface of a provider's module.

    SUPPORTS_WEBHOOKS: whether the provider calls the webhook URL. Darkroom polls other providers.
    INLINE_INPUT_BYTES_MAX: input images of at most this many bytes are sent as data URLs. Larger
    images are sent as signed links.

    Each function may raise ProviderBusy: nothing was done, retry later. ProviderAccountRefused says
    the same, because of Darkroom's account. Each function may also raise ProviderUnavailable: the
    effect of the request is unknown. Only `create` may raise GenerationFailed (no retry helps),
    because a refused request does not change an existing prediction.
    """

    SUPPORTS_WEBHOOKS: bool
    INLINE_INPUT_BYTES_MAX: int

    def create(self, request: PredictionRequest) -> Prediction | PartialPrediction:
        """Create one prediction, and never a second one.

        If the provider supports deadlines, the prediction ends at the deadline of the request. A
        provider that makes one output in a request returns a PartialPrediction until the last one.
        """
        ...

    def get(self, prediction_id: str) -> Prediction:
        """Read the state of a prediction."""
        ...

    def cancel(self, prediction_id: str) -> None:
        """Cancel a prediction. Does nothing if the prediction has ended."""
        ...

    def find(self, request: PredictionRequest) -> Prediction | None:
        """Find the prediction that an earlier `create` of this request made. None if none exists.

        Raises LookupUnsupported if nothing on a prediction identifies its request. Then Darkroom
        sends no second request.
        """
        ...

    def check(self) -> None:
        """Call the provider about Darkroom's account, to end a pause. It creates nothing.

        Returns if the provider accepts the account. Otherwise the errors above are raised.
        """
        ...

    def is_offered(self, model: str) -> bool:
        """Return whether the provider offers the model of a template now.

        Returns True if the provider cannot tell, because the next job gives the answer.
        """
        ...


@runtime_checkable
class CancelsRequests(Protocol):
    """A provider that runs a prediction inside the request, so the prediction has no id yet."""

    def cancel_request(self, key_prefix: str, finished_outputs: Sequence[str]) -> None:
        """Cancel the run of the next output, if it is known to be this job's run.

        Both arguments are those of the PredictionRequest.
        """
        ...


@runtime_checkable
class DescribesModels(Protocol):
    """A provider that says which models it offers. Without it, no template is compared."""

    def describe(self, template: Template) -> ModelDescription:
        """Describe the template's model as it is today. Nothing is created.

        Raises ProviderBusy or ProviderUnavailable if the provider does not answer the question. An
        answer that the model is gone is a description.
        """
        ...


def load_provider(name: str) -> Provider:
    """Import a provider's module at its first use, because the provider SDKs import slowly."""
    return cast("Provider", import_module(f"{__name__}.{name}"))


def output_headers(name: str, url: str) -> Mapping[str, str]:
    """Return the headers that a provider's own host may require for an output.

    A provider's module may have such a function. Only Replicate's module has it. The result is {}
    for other providers and for other hosts.
    """
    headers_of = getattr(load_provider(name), "output_headers", None)
    return headers_of(url) if headers_of else {}


@contextmanager
def counting_outages() -> Iterator[None]:
    """Count a call that the provider does not answer, or answers with an error of its own."""
    try:
        yield
    except (ProviderUnreachable, ProviderUnavailable):
        count(Metric.PROVIDER_UNAVAILABLE)
        raise
