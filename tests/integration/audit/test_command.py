"""The command `make audit` audits a local or deployed stack."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from local.cloudformation import account as local_account
from local.cloudformation.aws_endpoint import LocalAws
from tests.aws import _TABLE_PROPERTIES, ROOT, TEMPLATE
from tests.integration.audit.accounts import (
    PK,
)

ACCOUNT = {
    "pk": PK,
    "sk": "ACCOUNT",
    "granted": 10,
    "available": 10,
    "held": 0,
    "spent": 0,
    "in_flight": 0,
    "jobs_total": 0,
    "revision": 1,
}


TEN_CREDITS: list[dict[str, Any]] = [
    ACCOUNT,
    {
        "pk": PK,
        "sk": "ENTRY#1",
        "kind": "grant",
        "granted": 10,
        "available": 10,
        "held": 0,
        "spent": 0,
        "reference": "r",
        "created_at": "2026-01-02T12:00:00.000000+0000",
    },
    {
        "pk": PK,
        "sk": f"GRANT#{sha256(b'r').hexdigest()}",
        "entry_sk": "ENTRY#1",
        "amount": 10,
    },
]


class TestCommand:
    STACK = "darkroom-test"

    @pytest.fixture
    def aws_on_a_port(self) -> Iterator[LocalAws]:
        endpoint = LocalAws(0)
        endpoint.start()
        yield endpoint
        endpoint.stop()

    @pytest.fixture
    def dynamodb(self, aws_on_a_port: LocalAws) -> Any:
        """Create a stack with a table that has one account with ten credits. Returns a client."""
        table = {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                name: TEMPLATE["Resources"]["Table"]["Properties"][name]
                for name in _TABLE_PROPERTIES
            },
        }
        template = {
            "Resources": {"Table": table},
            "Outputs": {"TableName": {"Value": {"Ref": "Table"}}},
        }
        local_account.client("cloudformation", aws_on_a_port.url).create_stack(
            StackName=self.STACK, TemplateBody=json.dumps(template)
        )
        dynamodb = local_account.client("dynamodb", aws_on_a_port.url)
        for row in TEN_CREDITS:
            self.put(dynamodb, row)
        return dynamodb

    def put(self, dynamodb: Any, row: dict[str, Any]) -> None:
        (table,) = dynamodb.list_tables()["TableNames"]
        item = {
            name: {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in row.items()
        }
        dynamodb.put_item(TableName=table, Item=item)

    def run_audit(
        self, aws_url: str, *arguments: str, endpoint: str | None = None
    ) -> tuple[int, str, str]:
        """Run the command. Returns its exit status, output and error output."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": "shared",
            "AWS_PORT": aws_url.rpartition(":")[2],
        }
        if endpoint:
            keys = {
                "AWS_ACCESS_KEY_ID": local_account.ACCESS_KEY_ID,
                "AWS_SECRET_ACCESS_KEY": local_account.SECRET_ACCESS_KEY,
            }
            environment |= {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": local_account.REGION,
                "NO_PROXY": "127.0.0.1",
                **keys,
            }
        command = [sys.executable, "-m", "tools.audit", *arguments]
        ran = subprocess.run(
            command,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    @pytest.mark.usefixtures("dynamodb")
    def test_prints_the_totals_of_a_stack_without_mismatches(self, aws_on_a_port: LocalAws) -> None:
        status, printed, errors = self.run_audit(aws_on_a_port.url)

        assert (status, errors) == (0, "")
        assert dict(line.rsplit(maxsplit=1) for line in printed.splitlines()) == {
            "accounts": "1",
            "entries": "1",
            "jobs": "0",
            "mismatches": "0",
            "credits granted": "10",
            "credits available": "10",
            "credits held": "0",
            "credits spent": "0",
        }

    def test_prints_each_mismatch_of_a_deployed_stack_on_one_line(
        self, aws_on_a_port: LocalAws, dynamodb: Any
    ) -> None:
        self.put(dynamodb, ACCOUNT | {"available": 9})

        status, printed, _ = self.run_audit("", self.STACK, endpoint=aws_on_a_port.url)

        assert status == 1
        assert printed.splitlines()[:2] == [
            "web/ann: available by the entries: expected 10, found 9",
            "web/ann: granted by available + held + spent: expected 9, found 10",
        ]
        assert printed.splitlines()[-1].split() == ["mismatches", "2"]

    def test_explains_why_it_cannot_audit_a_stack(self, aws_on_a_port: LocalAws) -> None:
        url = aws_on_a_port.url

        assert self.run_audit(url) == (
            2,
            "",
            f"The server at {url} is not Darkroom's: it has 0 tables instead of one.\n",
        )
        status, printed, errors = self.run_audit("", "nowhere", endpoint=url)

        assert (status, printed) == (2, "")
        assert errors.startswith("The stack nowhere cannot be read: ")

    def test_explains_what_to_do_if_no_stack_responds(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        message = (
            f"No server responds at {url}. Start the local stack with `make run`,"
            " name its port: make audit AWS_PORT=5000,"
            " or name a deployed stack: make audit STACK=darkroom-prod\n"
        )
        assert self.run_audit(url) == (2, "", message)
