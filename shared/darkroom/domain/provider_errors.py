"""The exceptions of the calls to a provider. `domain/errors.py` names the callers."""

from darkroom.domain.errors import DarkroomError

# After a lost response, the provider may omit the new prediction from its list for this long. Until
# then Darkroom searches for the prediction and sends no second request.
UNKNOWN_SECONDS = 60.0


class ProviderBusy(DarkroomError):
    """The provider refused the request because it is busy. It created nothing."""

    def __init__(self, retry_after_seconds: float) -> None:
        """Store how long to wait before the next request."""
        super().__init__(str(retry_after_seconds))
        self.retry_after_seconds = retry_after_seconds


class ProviderUnreachable(ProviderBusy):
    """The provider could not be reached, or its gateway reported an error. It created nothing."""


class ProviderAccountRefused(ProviderBusy):
    """The provider refuses Darkroom's account: token, bill or limit. It created nothing."""

    def __init__(self, reason: str, *, retry_after_seconds: float) -> None:
        """Store a short reason, and how long to wait before the next request."""
        super().__init__(retry_after_seconds)
        self.reason = reason


class LookupUnsupported(DarkroomError):
    """The provider cannot tell whether the prediction of an attempt exists."""


class ProviderUnavailable(DarkroomError):
    """The provider did not respond, or reported an error. The effect of the request is unknown."""

    def __init__(self, cause: str, *, unknown_seconds: float = UNKNOWN_SECONDS) -> None:
        """Store the cause, and for how many seconds a created prediction may stay unlisted."""
        super().__init__(cause)
        self.unknown_seconds = unknown_seconds
