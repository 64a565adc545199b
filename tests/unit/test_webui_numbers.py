"""The waits for a WebUI fit into the timeouts of the functions and the deadlines of the jobs."""

from __future__ import annotations

import pytest

from darkroom import catalog
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.parameters import check_parameters
from darkroom.domain.templates import Template
from darkroom.providers import stable_diffusion
from darkroom.providers.stable_diffusion import server
from tests.unit.catalog_samples import PROMPT_CHARACTERS_MAX, sample_parameters
from tests.unit.number_sources import timeout

QUERY = server.CONNECT_SECONDS + server.QUERY_SECONDS
RUN = server.CONNECT_SECONDS + stable_diffusion._RUN_SECONDS_MAX
TEMPLATES = [each for each in catalog.templates().values() if each.provider == "stable_diffusion"]
PIXEL_STEPS_MAX = 2048 * 2048 * 20


def test_the_function_stores_the_image_of_the_longest_run() -> None:
    # Two queries find a run, three read the capabilities, and one asks for an interrupt.
    assert timeout("RequestPredictionFunction").value > 6 * QUERY + RUN


@pytest.mark.parametrize("function", ["RefundJobFunction", "RecoverJobsFunction"])
def test_a_function_interrupts_a_run_before_its_timeout(function: str) -> None:
    assert timeout(function).value > 3 * QUERY


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
def test_the_runs_of_all_images_end_before_the_deadline(template: Template) -> None:
    assert template.parameters["num_outputs"]["maximum"] * RUN < template.seconds_max


def is_accepted(template: Template, **parameters: int) -> bool:
    try:
        check_parameters(
            template,
            sample_parameters(template, **parameters),
            prompt_characters_max=PROMPT_CHARACTERS_MAX,
        )
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
@pytest.mark.parametrize(
    ("width", "height", "steps_max"),
    [
        (2048, 2048, 20),
        (1032, 1032, 20),
        (2048, 1024, 40),
        (1024, 2048, 40),
        (1032, 64, 40),
        (1024, 1024, 80),
        (520, 520, 80),
        (1024, 512, 150),
        (512, 1024, 150),
    ],
)
def test_one_image_has_a_bounded_size_and_number_of_steps(
    template: Template, width: int, height: int, steps_max: int
) -> None:
    assert is_accepted(template, width=width, height=height, steps=steps_max)
    assert width * height * steps_max <= PIXEL_STEPS_MAX
    if steps_max < 150:
        assert not is_accepted(template, width=width, height=height, steps=steps_max + 1)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
def test_no_accepted_image_exceeds_the_bound(template: Template) -> None:
    sides = (64, 512, 520, 1024, 1032, 2048)

    assert all(
        width * height * steps <= PIXEL_STEPS_MAX
        for width in sides
        for height in sides
        for steps in (1, 20, 21, 40, 41, 80, 81, 150)
        if is_accepted(template, width=width, height=height, steps=steps)
    )
