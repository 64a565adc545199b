"""A request to the WebUI that gets no response: its run may go on, and is not repeated blindly."""

from __future__ import annotations

import dataclasses
import time

import pytest

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable, ProviderUnreachable
from darkroom.providers import stable_diffusion
from darkroom.providers.stable_diffusion import responses
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.builders import until
from tests.integration.servers import Received, Reply, server
from tests.integration.stable_diffusion.webui import (
    PREFIX,
    REQUEST,
    request,
    run_of_somebody,
    runs,
    set_faults,
)
from tests.integration.steps import with_setting
from tests.integration.upload_requests import keys

TASK = "task(darkroom-a-job-0)"


@pytest.mark.parametrize("status", ["504", "520", "522", "524"])
def test_a_gateway_that_gives_up_leaves_a_run_that_is_not_repeated(
    webui: SimulatedStableDiffusion, status: str
) -> None:
    set_faults(webui, gateway_seconds=0.2, gateway_status=status, run_seconds=1)

    with pytest.raises(ProviderUnavailable) as unanswered:
        stable_diffusion.create(REQUEST)

    assert unanswered.value.unknown_seconds == 0
    with pytest.raises(ProviderBusy):
        stable_diffusion.find(REQUEST)
    assert until(is_not_found, seconds=5)
    assert len(runs(webui)) == 1
    assert keys() == []


def is_not_found() -> bool:
    try:
        return stable_diffusion.find(REQUEST) is None
    except ProviderBusy:
        return False


def test_a_late_502_is_an_unanswered_run(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_faults(webui, gateway_seconds=0.2, gateway_status="502", run_seconds=0.5)
    with pytest.raises(ProviderUnreachable):
        stable_diffusion.create(REQUEST)

    monkeypatch.setattr(responses, "_IMMEDIATE_SECONDS", 0.1)

    with pytest.raises(ProviderUnavailable):
        stable_diffusion.create(REQUEST)


def test_a_run_that_waits_for_the_card_is_not_repeated(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, run_seconds=30)
    with run_of_somebody(webui):
        set_faults(webui, run_seconds=30, gateway_seconds=0.2)
        with pytest.raises(ProviderUnavailable):
            stable_diffusion.create(REQUEST)

        with pytest.raises(ProviderBusy):
            stable_diffusion.find(REQUEST)
        set_faults(webui, run_seconds=0)


def test_the_run_of_another_job_does_not_delay_a_request(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, run_seconds=30)
    with run_of_somebody(webui, "task(darkroom-another-job-0)"):
        assert stable_diffusion.find(REQUEST) is None


def test_a_failed_run_that_stays_active_is_over(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, out_of_memory=1)

    with pytest.raises(GenerationFailed):
        stable_diffusion.create(REQUEST)

    assert stable_diffusion.find(REQUEST) is None


@pytest.mark.parametrize("kind", ["automatic1111-1.8", "sdnext", "stable-diffusion.cpp"])
def test_a_server_that_does_not_name_runs_is_asked_again(
    webui: SimulatedStableDiffusion, kind: str
) -> None:
    set_faults(webui, server=kind, gateway_seconds=0.1, run_seconds=0.3)

    with pytest.raises(ProviderUnavailable):
        stable_diffusion.create(REQUEST)

    assert stable_diffusion.find(REQUEST) is None


def test_after_three_lost_answers_the_image_is_given_up(webui: SimulatedStableDiffusion) -> None:
    stable_diffusion.create(dataclasses.replace(REQUEST, unanswered_count=2))

    with pytest.raises(GenerationFailed) as failed:
        stable_diffusion.create(dataclasses.replace(REQUEST, unanswered_count=3))

    assert failed.value.failure.code is FailureCode.PROVIDER_UNAVAILABLE
    assert len(runs(webui)) == 1


def test_a_run_ends_with_the_jobs_deadline(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, run_seconds=30)
    started = time.monotonic()

    with pytest.raises(ProviderUnavailable):
        stable_diffusion.create(dataclasses.replace(REQUEST, cancel_after_seconds=1))

    assert time.monotonic() - started < 10


def test_a_cancel_interrupts_the_run_of_its_job(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, run_seconds=30)
    with run_of_somebody(webui, TASK):
        stable_diffusion.cancel_request(PREFIX, ())
        until(lambda: runs(webui)[0]["interrupted"], seconds=5)


def test_a_cancel_does_not_interrupt_the_run_of_another_job(
    webui: SimulatedStableDiffusion,
) -> None:
    set_faults(webui, run_seconds=30)
    with run_of_somebody(webui, "task(darkroom-another-job-0)"):
        stable_diffusion.cancel_request(PREFIX, ())
        # The next image of this job has another name than its first one.
        stable_diffusion.cancel_request("media/web/ann/another-job/", (f"{PREFIX}0.png",))
        stable_diffusion.cancel(f"2@{PREFIX}")

        assert not runs(webui)[0]["interrupted"]


def test_a_cancel_of_a_waiting_run_does_not_interrupt_the_current_one(
    webui: SimulatedStableDiffusion,
) -> None:
    set_faults(webui, run_seconds=30)
    with run_of_somebody(webui):
        set_faults(webui, run_seconds=30, gateway_seconds=0.2)
        with pytest.raises(ProviderUnavailable):
            stable_diffusion.create(REQUEST)

        stable_diffusion.cancel_request(PREFIX, ())

        assert not runs(webui)[0]["interrupted"]
        set_faults(webui, run_seconds=0)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "https://127.0.0.1:{port}"]
)
def test_without_a_connection_no_run_has_begun(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url.format(port=webui.port))

    with pytest.raises(ProviderUnreachable):
        stable_diffusion.create(request())

    assert runs(webui) == []


def test_a_response_that_is_cut_off_is_an_unanswered_run(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def respond(received: Received) -> Reply:
        if received.path.endswith("txt2img"):
            return Reply(200, b'{"images": ["aGVs', {"Content-Type": "application/json"})
        return Reply(404)

    with server(respond) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)
        with pytest.raises(ProviderUnavailable):
            stable_diffusion.create(REQUEST)
