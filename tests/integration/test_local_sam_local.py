"""The files for `sam local`: the copy of the template, env.json and the local identity."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.yamlhelper import yaml_dump

from local.cloudformation.template import read_template
from local.description import StackDescription
from local.lambda_runtime.functions import FunctionSpec
from local.sam_local.files import IDENTITY_LAYER, invoke_line, local_template, write_files
from tests.aws import ROOT, TEMPLATE
from tools.events import event_path
from tools.sample_events import samples

BUILD = ROOT / ".aws-sam" / "local"
FUNCTIONS = [
    logical_id
    for logical_id, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
]


def description(**variables: str) -> StackDescription:
    specs = {
        logical_id: FunctionSpec(
            logical_id=logical_id,
            name=f"darkroom-{logical_id}",
            handler="handler.handler",
            task_root=Path("/var/task"),
            layers=(),
            variables={"TABLE_NAME": "table", "PATH": "/bin", "AWS_LAMBDA_X": "x", **variables},
            timeout_seconds=3,
            memory_mb=128,
        )
        for logical_id in FUNCTIONS
    }
    return StackDescription(
        api_url="http://127.0.0.1:1",
        aws_url="http://127.0.0.1:2",
        replicate_url="http://127.0.0.1:3",
        is_simulated=True,
        process_id=1,
        functions=specs,
    )


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built template, or with the template if nothing is built."""
    directory = tmp_path_factory.mktemp("build")
    template = read_template(BUILD) if (BUILD / "template.yaml").is_file() else TEMPLATE
    (directory / "template.yaml").write_text(yaml_dump(template))
    return directory


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_sam_cli_gives_each_function_the_variables_of_the_stack(
    build: Path, tmp_path: Path
) -> None:
    write_files(
        description(AWS_ENDPOINT_URL="http://172.17.0.1:4566", PROVIDERS="replicate"),
        build,
        directory=tmp_path,
    )

    stacks, _ = SamLocalStackProvider.get_stacks(str(tmp_path / "sam-local" / "template.yaml"))
    functions = {each.name: each for each in SamFunctionProvider(stacks).get_all()}
    runner = LocalLambdaRunner(
        local_runtime=SimpleNamespace(is_debugging=lambda: False),
        function_provider=SimpleNamespace(),
        cwd=str(tmp_path),
        real_path=str(tmp_path),
        env_vars_values=json.loads((tmp_path / "env.json").read_text()),
    )
    runner.get_aws_creds = lambda: {"key": "the-key-of-the-user"}
    assert sorted(functions) == sorted(FUNCTIONS)
    for function in functions.values():
        variables = runner._make_env_vars(function).resolve()
        own = {name: value for name, value in variables.items() if not name.startswith("AWS_")}
        assert own == {"TABLE_NAME": "table", "PROVIDERS": "replicate"}
        assert variables["AWS_ENDPOINT_URL"] == "http://172.17.0.1:4566"


def test_the_files_are_private_and_leave_the_build_unchanged(build: Path, tmp_path: Path) -> None:
    before = (build / "template.yaml").read_text()

    write_files(description(), build, directory=tmp_path)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.json")}
    assert modes == {"env.json": 0o600, "stack.json": 0o600}
    assert (build / "template.yaml").read_text() == before
    assert StackDescription(**vars(description())) == description()


def test_only_functions_with_a_jwt_route_get_the_local_identity(build: Path) -> None:
    copy = local_template(read_template(build), build, {name: {} for name in FUNCTIONS})

    with_identity = {
        name
        for name in FUNCTIONS
        if copy["Resources"][name]["Properties"].get("Handler") == "local_identity.handler"
    }
    assert with_identity == {"ApiFunction", "PrepareUploadFunction"}
    layer = copy["Resources"][IDENTITY_LAYER]["Properties"]["ContentUri"]
    assert (Path(layer) / "python" / "local_identity.py").is_file()


def test_the_deployed_build_has_no_local_identity() -> None:
    assert "local_identity" not in (ROOT / "template.yaml").read_text()
    assert not list(BUILD.rglob("local_identity*"))
    assert not list(ROOT.glob("shared/**/local_identity*"))


def test_the_page_has_the_command_of_each_event() -> None:
    page = (ROOT / "docs/sam-local.md").read_text()
    commands = {line[2:] for line in page.splitlines() if " local invoke " in line and "$ " in line}

    assert commands == {
        invoke_line(samples.logical_id(function), event_path(function, name))
        for function, names in samples.choices().items()
        for name in names
    }


def test_the_page_says_what_each_event_is_about() -> None:
    page = (ROOT / "docs/sam-local.md").read_text()
    table = page.partition("| event |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+/\w+)`", table)) == {
        f"{function}/{name}" for function, names in samples.choices().items() for name in names
    }


def token(**claims: Any) -> str:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


@pytest.fixture
def local_identity(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the layer, with a handler that returns its event."""
    own = ModuleType("handler")
    own.handler = lambda event, _context: event  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "handler", own)
    monkeypatch.syspath_prepend(ROOT / "local/sam_local/layer/python")
    monkeypatch.delitem(sys.modules, "local_identity", raising=False)
    return __import__("local_identity")


def event(authorization: str | None = None, **context: Any) -> dict[str, Any]:
    headers = {"Authorization": authorization} if authorization else {}
    return {"headers": headers, "requestContext": {"stage": "$default", **context}}


def test_the_local_identity_adds_the_claims_of_the_token(local_identity: ModuleType) -> None:
    groups = ["admin", "staff"]
    bearer = f"Bearer {token(sub='ann', exp=time.time() + 60, **{'cognito:groups': groups})}"

    handled = local_identity.handler(event(bearer), None)

    claims = handled["requestContext"]["authorizer"]["jwt"]["claims"]
    assert (claims["sub"], claims["cognito:groups"]) == ("ann", "[admin staff]")
    assert handled["requestContext"]["stage"] == "$default"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer a.b.c",
        "Bearer a.W10.c",
        f"Bearer {token(sub='ann')}",
        f"Bearer {token(sub='ann', exp=1)}",
    ],
)
def test_a_missing_or_expired_token_adds_no_claims(
    local_identity: ModuleType, authorization: str | None
) -> None:
    unchanged = event(authorization)

    assert local_identity.handler(unchanged, None) == unchanged


def test_the_claims_of_an_event_are_not_replaced(local_identity: ModuleType) -> None:
    bearer = f"Bearer {token(sub='mallory', exp=time.time() + 60)}"
    with_claims = event(bearer, authorizer={"jwt": {"claims": {"sub": "ann"}}})

    assert local_identity.handler(with_claims, None) == with_claims
