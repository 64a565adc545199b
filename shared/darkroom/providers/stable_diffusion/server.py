"""The calls to a server that offers the API of the Stable Diffusion WebUI.

The sources of the API are those of `responses.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError, SSLError

from darkroom import clock
from darkroom.aws.secrets import secret_values
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable, ProviderUnreachable
from darkroom.providers.provider_texts import is_account_accepted
from darkroom.providers.stable_diffusion import responses
from darkroom.providers.stable_diffusion.responses import UNREACHABLE_SECONDS
from darkroom.settings import settings

CONNECT_SECONDS = 2.0
# The wait for an answer about the server, and not for an image.
QUERY_SECONDS = 2.0
_CAPABILITIES_AGE_MAX = timedelta(minutes=10)
_CROP, _CROP_OF_SD_NEXT = 1, 2
# The names of samplers in stable-diffusion.cpp have no spaces.
_SEPARATORS = str.maketrans("", "", " _-")
# AUTOMATIC1111 before 1.9 had samplers whose names ended with one of these schedules.
_SCHEDULES = {"Karras", "Exponential"}
_OTHER_NAMES = {"ddim": "ddimtrailing"}


@dataclass(frozen=True, slots=True)
class Connection:
    """The URL of a server, and the user and the password of `--api-auth`, if it has one."""

    url: str
    login: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server offers.

    An empty `samplers` means that the server does not list them. `schedulers` is None if the server
    has no such list: AUTOMATIC1111 before 1.9, SD.Next and koboldcpp. `checkpoint` is the name of
    the selected model, empty if there is none, and None if unknown. `crop_mode` is the
    `resize_mode` that crops an initial image.
    """

    samplers: tuple[str, ...]
    schedulers: tuple[str, ...] | None
    checkpoint: str | None
    crop_mode: int

    def sampler_fields(self, sampler: str) -> dict[str, str] | None:
        """Return the fields of a request for a sampler, or None if the server lacks it.

        Since AUTOMATIC1111 1.9, a name such as "DPM++ 2M Karras" is a sampler and a schedule.
        Other servers do not know the joined name.
        """
        name, _, schedule = sampler.rpartition(" ")
        if schedule not in _SCHEDULES:
            name, schedule = sampler, ""
        fields = {"scheduler": schedule.lower()} if schedule else {}
        joined, base = self._lists(sampler), self._lists(name)
        if self.schedulers is not None and (base or not self.samplers):
            return {"sampler_name": name, **fields}
        if joined or not self.samplers:
            return {"sampler_name": sampler}
        return {"sampler_name": name, **fields} if base else None

    def _lists(self, sampler: str) -> bool:
        name = _normalized(sampler)
        return any(_normalized(known) in (name, _OTHER_NAMES.get(name)) for known in self.samplers)


def run(model: str, fields: Mapping[str, Any], *, seconds_max: float) -> dict[str, Any]:
    """Run a model (`txt2img` or `img2img`), and return the document of the response.

    Raises ProviderBusy if no run began, ProviderUnavailable if a run may have begun and its images
    are lost, and GenerationFailed.
    """
    response = _call(_connection(), "POST", f"/sdapi/v1/{model}", fields, seconds_max=seconds_max)
    if response.status_code == HTTPStatus.FORBIDDEN and is_account_accepted(check):
        raise responses.forbidden_run(response)
    if response.status_code != HTTPStatus.OK:
        raise responses.error_of(response)
    return responses.document_of(response)


def capabilities() -> Capabilities:
    """Return what the server offers, as it was at most ten minutes ago.

    Raises ProviderBusy if the server does not answer.
    """
    connection, now = _connection(), clock.now()
    known = _known.get(connection.url)
    if known is not None and now - known[0] < _CAPABILITIES_AGE_MAX:
        return known[1]
    found = read_capabilities(connection)
    if found.samplers:
        # A server without lists may be one that starts, so it is asked again.
        _known[connection.url] = (now, found)
    return found


_known: dict[str, tuple[datetime, Capabilities]] = {}


def forget_capabilities() -> None:
    """Ask the server again at the next call of `capabilities`."""
    _known.clear()


def check() -> None:
    """Call the server about its options. Raises ProviderBusy and ProviderUnavailable.

    A server without the route accepts the login, and `capabilities` tells what it offers.
    """
    response = _call(_connection(), "GET", "/sdapi/v1/options", None, seconds_max=QUERY_SECONDS)
    if response.status_code != HTTPStatus.OK:
        error = responses.error_of(response)
        if not isinstance(error, GenerationFailed):
            raise error


def is_running(task_id: str) -> bool:
    """Return whether a run with this name is on the graphics card or waits for it.

    Returns False for servers that do not name runs. A run that failed stays `active` until the next
    one begins (modules/progress.py), so the state of the card decides. Raises ProviderBusy if the
    server does not answer.
    """
    progress = _progress(task_id)
    if not isinstance(progress, dict):
        return False
    return bool(progress.get("queued")) or (
        bool(progress.get("active")) and _state().get("job_count") != 0
    )


def is_interrupted() -> bool:
    """Return whether the latest run was interrupted, so that its image is half drawn.

    The flag stays until the next run begins. Returns False if the server does not tell.
    """
    try:
        state = _state()
    except ProviderBusy:
        return False
    return bool(state.get("interrupted")) or bool(state.get("skipped"))


def interrupt(task_id: str) -> bool:
    """Interrupt the run with this name. Returns whether it was on the graphics card.

    The server interrupts whatever runs, so nothing is sent for a run that waits or has ended. A run
    of somebody else can begin between the two calls.
    """
    progress = _progress(task_id)
    if not (isinstance(progress, dict) and progress.get("active")):
        return False
    if _state().get("job_count") == 0:
        return False
    _query(_connection(), "POST", "/sdapi/v1/interrupt", {})
    return True


def read_capabilities(connection: Connection) -> Capabilities:
    """Ask a server what it offers. Raises ProviderBusy if the server does not answer."""
    samplers = _query(connection, "GET", "/sdapi/v1/samplers")
    schedulers = _query(connection, "GET", "/sdapi/v1/schedulers")
    options = _query(connection, "GET", "/sdapi/v1/options")
    options = options if isinstance(options, dict) else {}
    # SD.Next counts the modes from 0 as none, stretch, crop (modules/images_resize.py).
    is_sd_next = any(str(name).startswith("diffusers_") for name in options)
    return Capabilities(
        samplers=_names(samplers) or (),
        schedulers=_names(schedulers),
        checkpoint=_checkpoint(options),
        crop_mode=_CROP_OF_SD_NEXT if is_sd_next else _CROP,
    )


def _checkpoint(options: Mapping[str, Any]) -> str | None:
    if "sd_model_checkpoint" not in options:
        return None
    return str(options["sd_model_checkpoint"] or "")


def _names(document: object) -> tuple[str, ...] | None:
    if not isinstance(document, list):
        return None
    found: list[Any] = []
    for item in document:
        if isinstance(item, dict):
            aliases = item.get("aliases")
            found += [item.get("name"), *(aliases if isinstance(aliases, list) else ())]
    return tuple(name for name in found if isinstance(name, str))


def _progress(task_id: str) -> object:
    document = {"id_task": task_id, "live_preview": False}
    return _query(_connection(), "POST", "/internal/progress", document)


def _state() -> Mapping[str, Any]:
    document = _query(_connection(), "GET", "/sdapi/v1/progress?skip_current_image=true")
    state = document.get("state") if isinstance(document, dict) else None
    return state if isinstance(state, dict) else {}


def _query(
    connection: Connection, method: str, path: str, document: Mapping[str, Any] | None = None
) -> object:
    """Return the JSON value of an answer about the server, or None if it does not tell.

    A server without the route can answer with 404, a page in HTML or a redirect. This does not end
    a job: the answer to the run decides. Raises ProviderBusy.
    """
    try:
        response = _call(connection, method, path, document, seconds_max=QUERY_SECONDS)
    except ProviderUnavailable as error:
        raise ProviderUnreachable(UNREACHABLE_SECONDS) from error
    status = response.status_code
    if status == HTTPStatus.OK:
        try:
            found: object = response.json()
        except ValueError:
            return None
        return found
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise responses.error_of(response)
    if HTTPStatus.INTERNAL_SERVER_ERROR <= status != HTTPStatus.NOT_IMPLEMENTED:
        raise ProviderUnreachable(UNREACHABLE_SECONDS)
    return None


def _call(
    connection: Connection,
    method: str,
    path: str,
    document: Mapping[str, Any] | None,
    *,
    seconds_max: float,
) -> requests.Response:
    try:
        return _session().request(
            method,
            f"{connection.url}{path}",
            json=document,
            auth=connection.login,
            timeout=(CONNECT_SECONDS, seconds_max),
            allow_redirects=False,
        )
    except requests.ConnectTimeout as error:
        raise ProviderUnreachable(UNREACHABLE_SECONDS) from error
    except (requests.RequestException, ValueError) as error:
        # A ValueError: the server redirects to a URL that cannot be parsed.
        if _is_connection_refused(error):
            raise ProviderUnreachable(UNREACHABLE_SECONDS) from error
        raise ProviderUnavailable(type(error).__name__, unknown_seconds=0) from error


def _is_connection_refused(error: Exception) -> bool:
    """Return whether no connection was made, so no run has begun."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError | SSLError)


def _normalized(sampler: str) -> str:
    return sampler.lower().translate(_SEPARATORS)


def _connection() -> Connection:
    """Return the connection of this deployment. Without a value, the secret means no login."""
    secret = settings().stable_diffusion_login_secret
    values = secret_values(secret) if secret else ()
    return Connection(settings().stable_diffusion_url, parse_login(values[0]) if values else None)


def parse_login(text: str) -> tuple[str, str]:
    """Return the user and the password in a text `user:password`."""
    user, _, password = text.partition(":")
    return user, password


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
