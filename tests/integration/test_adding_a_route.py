"""The route of docs/adding-a-route-column-alarm.md works as the page says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from darkroom.api.app import HttpApi, Routes
from darkroom.api.routes import templates
from tests.aws import CONTEXT, ROOT
from tests.builders import http_event

PAGE = (ROOT / "docs/adding-a-route-column-alarm.md").read_text(encoding="utf-8")


def block(info: str) -> str:
    (found,) = re.findall(rf"```{info}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def api() -> HttpApi:
    """An API with the page's route, which is written for the module `templates`."""
    names = vars(templates) | {"routes": Routes()}
    exec(compile(block("python route"), "routes/templates.py", "exec"), names)
    found = HttpApi(body_bytes_max=1_000)
    found.include_router(names["routes"])
    return found


def call(api: HttpApi, method: str, path: str, **event: Any) -> tuple[int, Any, dict[str, str]]:
    context: Any = CONTEXT
    response = api.resolve(http_event(method, path, **event), context)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


@pytest.mark.usefixtures("aws")
def test_the_pages_test_passes_with_the_pages_route(api: HttpApi) -> None:
    names: dict[str, Any] = {"call_api": lambda *request: call(api, *request)}
    exec(compile(block("python test"), "test_templates.py", "exec"), names)

    names["test_the_price_of_a_template_is_shown"]()


def test_the_pages_route_requires_a_token(api: HttpApi) -> None:
    assert call(api, "GET", "/templates/flux-schnell/price", user=None)[0] == 401


def test_the_pages_event_has_the_route_of_the_page(api: HttpApi) -> None:
    event = yaml.safe_load(block("yaml event").replace("!Ref ", ""))["ReadPrice"]["Properties"]
    described = json.loads(api.get_openapi_json_schema())["paths"]

    assert described.keys() == {event["Path"]}
    assert event["Method"].lower() in described[event["Path"]]
