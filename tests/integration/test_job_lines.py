"""The lines of `make run`: one for each change of a job, from the writes to the table."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloudformation.account import Client, client
from local.cloudformation.aws_endpoint import LocalAws
from local.job_lines import COLUMNS_MAX, LINES_WAITING_MAX, JobKey, JobLines, jobs_of, line_of

TABLE = "jobs"
NOW = datetime(2026, 11, 30, 12, 0, 3, tzinfo=UTC)
KEY = {"pk": {"S": "ACCOUNT#web#ann"}, "sk": {"S": "JOB#01a2-f955a9"}}
JOB_KEY = JobKey(TABLE, "ACCOUNT#web#ann", "JOB#01a2-f955a9")


def row(**attributes: str) -> dict[str, str]:
    created_at = (NOW - timedelta(seconds=3.3)).isoformat()
    defaults = {"status": "pending", "template_code": "flux-schnell", "created_at": created_at}
    return {**defaults, "held": "10", **attributes}


def line(old: dict[str, str], new: dict[str, str], key: JobKey = JOB_KEY) -> str | None:
    """Return the line for a change, without its time of this machine's time zone."""
    text = line_of(key, old, new, NOW)
    return None if text is None else text.plain[10:]


class Terminal(io.StringIO):
    """A stream that records each line."""

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


class StoppedTerminal(Terminal):
    """A stream that blocks its writer until `resume` is called, as a terminal does after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self._resumed = Event()

    def write(self, text: str) -> int:
        assert self._resumed.wait(10)
        return super().write(text)

    def resume(self) -> None:
        self._resumed.set()


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    running = LocalAws(0)
    running.start()
    try:
        client("dynamodb", running.url).create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
        )
        yield running
    finally:
        running.stop()


@pytest.fixture
def dynamodb(aws: LocalAws) -> Iterator[Client]:
    yield client("dynamodb", aws.url)
    aws.watch(None)


def set_status(dynamodb: Client, status: str, **options: Any) -> None:
    dynamodb.update_item(
        TableName=TABLE,
        Key=KEY,
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
        **options,
    )


def test_each_write_that_changes_a_jobs_state_is_one_line(aws: LocalAws, dynamodb: Client) -> None:
    terminal = Terminal()
    item = {name: {"S": value} for name, value in row().items()} | KEY

    with JobLines(terminal) as lines:
        aws.watch(lines.watch)
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": item}}])
        set_status(dynamodb, "pending")
        set_status(dynamodb, "processing")
        with pytest.raises(ClientError):
            set_status(dynamodb, "failed", ConditionExpression="attribute_not_exists(pk)")
        dynamodb.get_item(TableName=TABLE, Key=KEY)
        dynamodb.put_item(TableName=TABLE, Item={**item, "sk": {"S": "ENTRY#1"}})
        dynamodb.delete_item(TableName=TABLE, Key=KEY)

    assert [line.split()[:5] for line in terminal.lines] == [
        [line.split()[0], "f955a9", "ann", "flux-schnell", state]
        for line, state in zip(terminal.lines, ["pending", "processing", "deleted"], strict=True)
    ]


def test_a_refused_request_gets_the_same_answer_as_without_lines(
    aws: LocalAws, dynamodb: Client
) -> None:
    with JobLines(Terminal()) as lines:
        aws.watch(lines.watch)
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.put_item(TableName="other", Item=KEY)


def test_a_line_shows_the_seconds_and_the_credits() -> None:
    charged = {"charged": "10", "refunded": "0", "held": "0"}
    completed = row(status="completed", storing_at="…", **charged)
    refused = row(status="failed", failure_code="refused", refunded="10")

    assert line({}, row()) == (
        "f955a9  ann         flux-schnell        pending       3.3 s  held 10"
    )
    assert line(row(), row(waiting_since="…")) == (
        "f955a9  ann         flux-schnell        waiting       3.3 s"
    )
    assert line(row(storing_at="…"), completed) == (
        "f955a9  ann         flux-schnell        completed     3.3 s  charged 10, refunded 0"
    )
    assert line(row(), refused) == (
        "f955a9  ann         flux-schnell        failed: refused    3.3 s  refunded 10"
    )


@pytest.mark.parametrize(
    ("attributes", "state"),
    [
        ({"cancel_requested_at": "…"}, "canceling"),
        # Storing has begun, so the cancel comes too late.
        ({"cancel_requested_at": "…", "storing_at": "…"}, "storing"),
        ({"status": "canceled", "cancel_requested_at": "…", "refunded": "10"}, "canceled"),
    ],
)
def test_a_canceled_job_shows_whether_the_cancel_wins(
    attributes: dict[str, str], state: str
) -> None:
    text = line(row(status="processing"), row(**{"status": "processing", **attributes}))

    assert text is not None
    assert text.split()[3] == state


def test_a_change_of_another_attribute_is_no_line() -> None:
    assert line(row(), row(held="9")) is None
    assert line(row(status="completed"), row(status="completed", charged="10")) is None
    assert line({}, {}) is None


def test_the_longest_line_fits_into_100_columns() -> None:
    key = JobKey(TABLE, f"ACCOUNT#mobile#{'x' * 200}", "JOB#" + "f" * 36)
    failed = row(
        status="failed",
        failure_code="provider_unavailable",
        template_code="stable-diffusion-3.5-large",
        created_at=(NOW - timedelta(hours=3)).isoformat(),
        refunded="1000000",
    )

    text = line_of(key, {}, failed, NOW)

    assert text is not None
    assert len(text.plain) <= COLUMNS_MAX
    assert "failed: provider_unavailable" in text.plain


def test_a_users_name_cannot_write_control_characters() -> None:
    text = line({}, row(), JobKey(TABLE, "ACCOUNT#web#=1B[2J=23=0A", "JOB#01a2-f955a9"))

    assert text is not None
    assert text.split()[1] == "?[2J#?"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"JOB#",
        b'["JOB#"]',
        b'{"TransactItems": "JOB#"}',
        b'{"TransactItems": [{"Put": {"Item": {"sk": "JOB#"}}}]}',
        b'{"TableName": "jobs", "Key": {"pk": "JOB#", "sk": null}}',
    ],
)
def test_a_body_that_is_no_write_names_no_job(body: bytes) -> None:
    assert jobs_of(body) == []
    write = {"Update": {"TableName": TABLE, "Key": KEY}}
    assert jobs_of(json.dumps({"TransactItems": [write]}).encode()) == [JOB_KEY]


def test_a_pipe_gets_no_control_codes_and_a_terminal_gets_colors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    completed = row(status="completed", charged="10", refunded="0")

    for is_terminal in (False, True):
        stream = Terminal()
        monkeypatch.setattr(stream, "isatty", lambda answer=is_terminal: answer)
        with JobLines(stream) as lines:
            lines.add(line_of(JOB_KEY, row(), completed, NOW))

        assert ("\x1b[32m" in stream.getvalue()) == is_terminal
        assert "completed" in stream.getvalue()


def test_a_stopped_terminal_stops_nothing_and_the_missing_lines_are_counted() -> None:
    terminal = StoppedTerminal()
    text = line_of(JOB_KEY, {}, row(), NOW)

    with JobLines(terminal) as lines:
        for _ in range(LINES_WAITING_MAX + 100):
            lines.add(text)
        terminal.resume()

    printed = sum("f955a9" in line for line in terminal.lines)
    (missing,) = [int(line.split()[1]) for line in terminal.lines if line.startswith("…")]
    assert printed + missing == LINES_WAITING_MAX + 100
    assert missing in (99, 100)
