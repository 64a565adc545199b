"""The runbook has a section for each alarm and valid commands, and says what was tried."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from awscli.clidriver import create_clidriver
from samcli.yamlhelper import yaml_parse

from darkroom.domain import repair
from tests.aws import ROOT
from tests.unit.runbook import Section, anchor_of, sections

STATUS = re.compile(
    r"\*(Tried on the local stack: \d{4}-\d\d-\d\d[^*]*|Not tried: needs AWS\.|No commands\.)\*"
    r"\n*\Z"
)
# The variables that the reader sets.
VARIABLES = {
    "JOB": "0190f6a0-0000-7000-8000-000000000000",
    "ACCOUNT": "web/ann",
    "PK": "ACCOUNT#web#ann",
    "STACK": "darkroom-prod",
    "REQUEST_ID": "request",
    "LOGS": "logs",
    "API_LOGS": "api-logs",
    "WORKFLOW_LOGS": "workflow-logs",
    "WORKFLOW": "arn:aws:states:us-east-1:123456789012:stateMachine:darkroom-prod-generation",
    "TABLE": "table",
    "BUCKET": "bucket",
    "POOL": "us-east-1_pool",
    "LAST_GOOD_COMMIT": "v1",
    "RECOVERY": "recovery",
    "AUDIT": "audit",
    "CATALOG_CHECK": "catalog-check",
}
# Programs that a block calls. Each records its words, and `aws` prints a word for the others.
RECORDING = """\
record() { printf '%s\\0' "$@"; printf '\\1'; } >> "$RECORDS"
aws() { record "$@"; echo arn:aws:iam::123456789012:role/role; }
make() { echo :; }
git() { :; }
sleep() { :; }
"""

INTRODUCTIONS = {
    "Set the variables",
    "Search the logs",
    "Find a job by its id",
    "Read one job",
    "Pause new jobs",
    "Suspend an account",
}


def alarms() -> list[str]:
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    return [name for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"]


def test_every_alarm_has_a_section() -> None:
    words = (re.findall(r"[A-Z][a-z]+", name.removesuffix("Alarm")) for name in alarms())
    anchors = {"-".join(each).lower() for each in words}

    assert len(anchors) > 4
    assert anchors - {section.anchor for section in sections()} == set()


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.anchor)
def test_a_section_says_what_to_do_and_whether_it_was_tried(section: Section) -> None:
    status = STATUS.search(section.text)

    assert status, "the last line has no status"
    kinds = {kind for kind, _ in section.blocks}
    assert status[1].startswith("Tried") == ("local" in kinds)
    assert (status[1] == "No commands.") == (not kinds)
    if section.title not in INTRODUCTIONS | {"Delete the stack"}:
        assert "**Means:**" in section.text
        assert "**Users see:**" in section.text
    assert not section.text.strip().startswith(("*", "```")), "the first line is an instruction"


def test_the_repair_command_names_sections_that_exist() -> None:
    source = Path(repair.__file__).read_text()
    named = set(re.findall(r"docs/operations\.md#([a-z-]+)", source))

    assert len(named) == 3
    assert named <= {section.anchor for section in sections()}
    assert anchor_of("Ledger mismatch") == "ledger-mismatch"


def aws_commands(tmp_path: Path) -> Iterator[list[str]]:
    """Yield the words of each `aws` command in the blocks that need AWS."""
    records = tmp_path / "records"
    search = next(each for each in sections() if each.title == "Search the logs").blocks[0][1]
    blocks = [text for section in sections() for kind, text in section.blocks if kind == "aws"]
    script = "\n".join([RECORDING, search, *blocks])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=VARIABLES | {"RECORDS": str(records), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for record in dict.fromkeys(records.read_text().split("\1")[:-1]):
        yield record.split("\0")[:-1]


def test_the_aws_cli_accepts_every_command_that_needs_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The CLI parses and validates a command, and this test stops the request before it is sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    commands = {tuple(words[:2]): words for words in aws_commands(tmp_path)}

    refused = [words for words in commands.values() if not is_accepted(words)]

    assert len(commands) > 20
    assert not refused, capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["dynamodb", "get-item", "--table-name", "table"],
        ["dynamodb", "delete-tables", "--table-name", "table"],
        ["sqs", "purge-queue", "--queue-name", "queue"],
    ],
)
def test_the_aws_cli_refuses_a_wrong_command(words: list[str]) -> None:
    assert not is_accepted(words)


def is_accepted(words: list[str]) -> bool:
    """Return whether the AWS CLI would send a request for this command."""
    _requests.clear()
    with suppress(SystemExit):
        _driver().main(words)
    return bool(_requests)


_requests: list[object] = []


@cache
def _driver() -> Any:
    """The AWS CLI, which sends nothing. It loads its plug-ins once."""

    def stop(request: object, **_: object) -> None:
        _requests.append(request)
        raise RuntimeError("not sent")

    driver = create_clidriver()
    driver.session.register("before-send", stop)
    return driver
