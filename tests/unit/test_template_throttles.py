"""The throttles of the HTTP API's routes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local.cloudformation.template import translate
from tests.aws import TEMPLATE

API = TEMPLATE["Resources"]["HttpApi"]["Properties"]
WEBHOOKS = "ANY /webhooks/replicate"
EVENTS = [
    event["Properties"]
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
    for event in resource["Properties"].get("Events", {}).values()
    if event["Type"] == "HttpApi"
]


def key_of(event: dict[str, Any]) -> str:
    return f"{event['Method']} {event['Path']}" if "Path" in event else "$default"


PUBLIC = {key_of(event) for event in EVENTS if event.get("Auth") == {"Authorizer": "NONE"}}


def rates_of(settings: dict[str, Any]) -> tuple[int, int]:
    """Return the requests per second and the burst of a route, with the parameters' defaults."""
    return tuple(
        TEMPLATE["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value
        for value in (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"])
    )


def test_each_route_has_a_default_throttle() -> None:
    assert rates_of(API["DefaultRouteSettings"]) == (50, 100)


def test_only_routes_of_the_api_have_a_throttle_of_their_own() -> None:
    assert API["RouteSettings"].keys() == PUBLIC
    assert {key_of(event) for event in EVENTS} >= PUBLIC


@pytest.mark.parametrize("route", sorted(PUBLIC - {WEBHOOKS}))
def test_a_public_route_has_a_lower_throttle(route: str) -> None:
    default = rates_of(API["DefaultRouteSettings"])

    assert rates_of(API["RouteSettings"][route]) == (10, 20)
    assert default > (10, 20)


def test_the_webhooks_of_all_jobs_fit_into_their_route() -> None:
    """Replicate calls twice for each job: at the start and at the end."""
    per_second, burst = rates_of(API["RouteSettings"][WEBHOOKS])
    submits_per_second, submits_burst = rates_of(API["DefaultRouteSettings"])

    assert per_second >= 2 * submits_per_second
    assert burst >= 2 * submits_burst


def test_the_stage_of_the_deployed_api_has_the_throttles() -> None:
    resources = translate(copy.deepcopy(TEMPLATE), {})["Resources"]
    (stage,) = [
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::ApiGatewayV2::Stage"
    ]

    assert stage["RouteSettings"] == API["RouteSettings"]
    assert stage["DefaultRouteSettings"].keys() == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
