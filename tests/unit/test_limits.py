"""The table of limits: its settings, its parameters, its problems, and the table of docs/api.md."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from darkroom.api.problem_types import PROBLEMS
from darkroom.domain.limits import DAY, HOUR, LIMITS, MINUTE, Act
from darkroom.settings import Settings
from tests.aws import ROOT, TEMPLATE

DEFAULTS = {field.name: field.default for field in fields(Settings)}
VARIABLES = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
WITHOUT_PARAMETER = {Act.COMPLETES, Act.CALLBACK_TESTS, Act.CALLBACK_RESENDS}
WINDOWS = {"minute": MINUTE, "hour": HOUR, "day": DAY}


def rows_of_the_page() -> list[list[str]]:
    """Return the cells of each row of the table in docs/api.md, without its head."""
    section = (ROOT / "docs/api.md").read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if "| `" in line]


def test_every_act_has_a_limit() -> None:
    assert LIMITS.keys() == set(Act)


@pytest.mark.parametrize("act", Act)
def test_a_limit_has_a_setting_and_a_problem_of_status_429(act: Act) -> None:
    limit, problem = LIMITS[act], PROBLEMS[LIMITS[act].error]

    assert isinstance(DEFAULTS[limit.setting], int)
    assert problem.status == 429
    assert problem.retry_after_seconds
    (window,) = [name for name, seconds in WINDOWS.items() if seconds == limit.window_seconds]
    assert limit.setting.endswith(f"_per_{window}_max")


@pytest.mark.parametrize("act", Act)
def test_a_parameter_of_a_limit_has_the_default_of_the_setting(act: Act) -> None:
    setting = LIMITS[act].setting
    if setting.upper() not in VARIABLES:
        assert act in WITHOUT_PARAMETER, "no parameter sets this limit"
        return
    parameter = TEMPLATE["Parameters"][VARIABLES[setting.upper()]["Ref"]]

    assert int(parameter["Default"]) == DEFAULTS[setting]
    # A limit of 0 would refuse every act.
    assert parameter["MinValue"] >= 1


def test_the_page_has_the_table() -> None:
    per = {seconds: name for name, seconds in WINDOWS.items()}

    assert rows_of_the_page() == [
        [
            f"`{act}`",
            f"{DEFAULTS[limit.setting]:,} per {per[limit.window_seconds]}",
            limit.counted,
            f"`{PROBLEMS[limit.error].slug}`",
        ]
        for act, limit in LIMITS.items()
    ]


def test_the_page_names_the_rates_of_the_routes() -> None:
    page = (ROOT / "docs/api.md").read_text()
    rates = re.search(r"(\d+) a second by\ndefault, and (\d+) a second for each public route", page)
    settings = TEMPLATE["Resources"]["HttpApi"]["Properties"]["RouteSettings"]

    assert rates
    assert int(rates[1]) == TEMPLATE["Parameters"]["RequestsPerSecondMax"]["Default"]
    assert int(rates[2]) == settings["$default"]["ThrottlingRateLimit"]
