"""The parts of `make deploy-check`: MiniStack's repaired HTTP API, and the codes of an app."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from local.cloudformation.template import translate
from tests.aws import ROOT, TEMPLATE
from tools.deploy_check import ministack_server
from tools.deploy_check.one_time_code import one_time_code
from tools.smoke import (
    Choice,
    SmokeFailed,
    check_entries,
    check_job,
    check_ledger,
    claims_of,
)

# Appendix B of RFC 6238, with the last six of its eight digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BALANCE = {"granted": 20, "available": 10, "held": 0, "spent": 10}


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    """The Body of the HTTP API, as AWS's translator writes it."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    properties = translate(template, {})["Resources"]["HttpApi"]["Properties"]
    found: dict[str, Any] = properties["Body"]
    return found


def test_every_route_of_the_template_reaches_its_function(body: dict[str, Any]) -> None:
    routes = {
        route["routeKey"]: (route["authorizationType"], integration["integrationUri"]["Fn::Sub"])
        for route, integration in ministack_server.routes(body)
    }

    assert len(routes) == sum(len(operations) for operations in body["paths"].values())
    assert routes["POST /jobs"][0] == "JWT"
    assert "${ApiFunctionAliaslive}" in routes["POST /jobs"][1]
    assert routes["ANY /webhooks/replicate"][0] == "NONE"
    assert "${ReceivePredictionFunctionAliaslive}" in routes["ANY /webhooks/replicate"][1]
    assert routes["GET /health"][0] == "NONE"


def test_the_routes_refer_to_the_authorizer_and_their_integration(body: dict[str, Any]) -> None:
    authorizers = ministack_server.authorizers(body)

    assert authorizers.keys() == {"Jwt"}
    assert authorizers["Jwt"]["identitySource"] == ["$request.header.Authorization"]
    assert authorizers["Jwt"]["jwtConfiguration"].keys() == {"issuer", "audience"}
    for route, integration in ministack_server.routes(body):
        assert route["target"] == f"integrations/{integration['integrationId']}"
        assert route["authorizerId"] in (None, "Jwt")


def test_two_stacks_have_apis_with_different_ids() -> None:
    first, second = map(ministack_server.api_id, ("darkroom-dev", "darkroom-two"))

    assert first != second
    assert len(first) == len(second) == 8


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 0), ("0.0.0.0", 1), ("", 1)])
def test_ministack_may_listen_at_loopback_only(address: str, status: int) -> None:
    program = (
        "import socket; from tools.deploy_check.ministack_server import confine_to_loopback;"
        f"confine_to_loopback(); socket.socket().bind(({address!r}, 0))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == status, done.stderr
    assert status == 0 or "may not listen" in done.stderr


def test_an_archive_is_extracted_once_and_another_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Restores the method of the standard library after the test.
    monkeypatch.setattr(zipfile.ZipFile, "extractall", zipfile.ZipFile.extractall)
    folders = [tmp_path / name for name in ("archives", "first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    archives, *targets = folders
    ministack_server.extract_each_archive_once(archives)

    for target, text in zip(targets, ("old", "old", "new"), strict=True):
        with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
            archive.writestr("python/module.py", text)
        with zipfile.ZipFile(tmp_path / "layer.zip") as archive:
            archive.extractall(target)

    assert [(each / "python/module.py").read_text() for each in targets] == ["old", "old", "new"]
    assert len(list(archives.iterdir())) == 2


@pytest.mark.parametrize(
    ("at_seconds", "code"), [(59, "287082"), (1111111109, "081804"), (2000000000, "279037")]
)
def test_a_one_time_code_is_that_of_the_rfc(at_seconds: int, code: str) -> None:
    assert one_time_code(RFC_SECRET, at_seconds) == code


def test_smoke_accepts_a_job_that_was_charged_as_quoted() -> None:
    job = {
        "id": "j1",
        "status": "completed",
        "credits": {"quoted": 10, "charged": 10, "refunded": 0, "held": 0},
        "outputs": [{}],
    }
    after = BALANCE | {"available": 0, "spent": 20}

    check_job(job, Choice("flux-schnell", 10, 300))
    check_ledger(BALANCE, after, 10)
    check_entries(
        [
            {"granted": 0, "available": -10, "held": 10, "spent": 0},
            {"granted": 0, "available": 0, "held": -10, "spent": 10},
        ],
        10,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed", "error": {"code": "refused"}},
        {"outputs": []},
        {"credits": {"quoted": 10, "charged": 5, "refunded": 5, "held": 0}},
        {"credits": {"quoted": 10, "charged": 10, "refunded": 0, "held": 10}},
    ],
)
def test_smoke_refuses_a_job_with_another_result(changed: dict[str, Any]) -> None:
    job = {
        "id": "j1",
        "status": "completed",
        "credits": {"quoted": 10, "charged": 10, "refunded": 0, "held": 0},
        "outputs": [{}],
    }

    with pytest.raises(SmokeFailed, match="j1"):
        check_job(job | changed, Choice("flux-schnell", 10, 300))


def test_smoke_refuses_a_ledger_that_does_not_balance() -> None:
    with pytest.raises(SmokeFailed, match="the account changed"):
        check_ledger(BALANCE, BALANCE, 10)
    broken = BALANCE | {"granted": 30}
    with pytest.raises(SmokeFailed, match="does not balance"):
        check_ledger(broken, broken | {"available": 0, "spent": 20}, 10)
    with pytest.raises(SmokeFailed, match="the entries"):
        check_entries([{"granted": 0, "available": -10, "held": 10, "spent": 0}], 10)


def test_smoke_refuses_text_that_is_no_token() -> None:
    with pytest.raises(SmokeFailed, match="not a JSON Web Token"):
        claims_of("password")


def test_an_alarm_on_metric_math_watches_its_first_metric() -> None:
    alarms = {
        name: resource["Properties"]
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }

    changed = ministack_server.on_first_metric(alarms["FunctionErrorsAlarm"])

    assert "Metrics" not in changed
    assert (changed["Namespace"], changed["MetricName"]) == ("AWS/Lambda", "Errors")
    assert changed["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "ApiFunction"}}]
    assert (changed["Statistic"], changed["Period"], changed["Threshold"]) == ("Sum", 300, 3)
    assert ministack_server.on_first_metric(alarms["ApiErrorsAlarm"]) == alarms["ApiErrorsAlarm"]


def test_the_alias_of_the_workflow_sends_everything_to_its_version() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    alias = translate(template, {})["Resources"]["WorkflowAliaslive"]["Properties"]

    assert ministack_server.routing(alias) == [
        {"stateMachineVersionArn": {"Ref": "WorkflowVersion"}, "weight": 100}
    ]
