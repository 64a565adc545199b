"""The stack of a small application behaves over the wire as its deployment would."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from local.api_gateway.http_server import HttpServer, PortTaken
from local.stack import LocalStack

APPLICATION = Path(__file__).parent / "local_application"
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    directory = tmp_path_factory.mktemp("stack")
    with LocalStack(
        APPLICATION, runtime_dir=directory / "runtime", log_dir=directory / "logs"
    ) as running:
        yield running


@pytest.fixture
def frequent_thread_switches() -> Iterator[None]:
    """Let threads interrupt each other as often as possible, to lose races soon."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def call(
    stack: LocalStack, method: str, path: str, token: str | None = None, **request: Any
) -> requests.Response:
    headers = request.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
    return requests.request(
        method, f"{stack.api_url}{path}", headers=headers, timeout=PATIENCE_SECONDS, **request
    )


def eventually[Seen](look: Callable[[], Seen], condition: Callable[[Seen], bool]) -> Seen:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen


def recorded_texts(stack: LocalStack) -> list[str]:
    """Return the texts that the worker has recorded so far."""
    items = stack.client("dynamodb").scan(
        TableName=stack.physical_id("Table"), ConsistentRead=True
    )["Items"]
    return [item["text"]["S"] for item in items if "text" in item]


def run_workflow(stack: LocalStack, name: str, action: str) -> dict[str, Any]:
    stepfunctions = stack.client("stepfunctions")
    started = stepfunctions.start_execution(
        stateMachineArn=stack.physical_id("Workflow"), name=name, input=json.dumps({"do": action})
    )
    return eventually(
        lambda: stepfunctions.describe_execution(executionArn=started["executionArn"]),
        lambda execution: execution["status"] != "RUNNING",
    )


class TestHttpApi:
    def test_a_signed_in_user_reaches_the_function_with_her_claims(self, stack: LocalStack) -> None:
        token = stack.token("ann", "mobile", ["admin", "users"])
        event = call(stack, "GET", "/echo/7", token).json()["event"]
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]

        assert event["routeKey"] == "GET /echo/{id}"
        assert (claims["sub"], claims["custom:platform"], claims["cognito:groups"]) == (
            "ann",
            "mobile",
            "[admin users]",
        )
        assert claims["exp"].isdecimal()

    @pytest.mark.parametrize("flaw", ["none", "garbage", "expired", "forged", "unsigned"])
    def test_without_a_good_token_it_is_401(self, stack: LocalStack, flaw: str) -> None:
        header, claims, signature = stack.token("ann").split(".")
        other_claims = stack.token("grace", groups=["admin"]).split(".")[1]
        token = {
            "none": None,
            "garbage": "garbage",
            "expired": stack.token("ann", expires_in_seconds=-1),
            "forged": f"{header}.{other_claims}.{signature}",
            "unsigned": f"eyJhbGciOiJub25lIn0.{claims}.",
        }[flaw]
        answer = call(stack, "GET", "/echo/7", token)

        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_an_access_token_of_the_same_client_is_accepted(self, stack: LocalStack) -> None:
        assert (
            call(stack, "GET", "/echo/7", stack.token("ann", token_use="access")).status_code == 200
        )

    def test_public_routes_need_no_token(self, stack: LocalStack) -> None:
        assert (
            "authorizer"
            not in call(stack, "POST", "/echo", json={}).json()["event"]["requestContext"]
        )

    def test_repeated_headers_are_joined(self, stack: LocalStack) -> None:
        connection = http.client.HTTPConnection(
            urlsplit(stack.api_url).netloc, timeout=PATIENCE_SECONDS
        )
        connection.putrequest("GET", "/files/a")
        connection.putheader("X-Two", "a")
        connection.putheader("X-Two", "b")
        connection.endheaders()

        assert json.loads(connection.getresponse().read())["event"]["headers"]["x-two"] == "a,b"

    def test_a_request_without_a_route_is_404(self, stack: LocalStack) -> None:
        answer = call(stack, "DELETE", "/echo")

        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})

    @pytest.mark.parametrize(
        "action",
        [{"do": "raise"}, {"do": "exit"}, {"do": "answer", "answer": {"statusCode": "none"}}],
    )
    def test_a_function_that_fails_is_500(self, stack: LocalStack, action: dict[str, Any]) -> None:
        answer = call(stack, "POST", "/misbehave", json=action)

        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})

    def test_a_function_that_is_slower_than_the_integration_is_503(self, stack: LocalStack) -> None:
        answer = call(stack, "POST", "/misbehave", json={"do": "sleep", "seconds": 9})

        assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})

    @pytest.mark.parametrize(("megabytes", "status"), [(5, 200), (7, 413), (11, 413)])
    def test_a_body_above_the_limits_is_413(
        self, stack: LocalStack, megabytes: int, status: int
    ) -> None:
        body = json.dumps({"do": "answer", "padding": "x" * megabytes * 1_000_000})
        answer = call(
            stack, "POST", "/misbehave", data=body, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == status
        assert status == 200 or answer.json() == {"message": "Request Entity Too Large"}

    def test_a_preflight_is_answered_for_the_allowed_origin(self, stack: LocalStack) -> None:
        preflight = {"Access-Control-Request-Method": "POST"}
        allowed = call(
            stack, "OPTIONS", "/echo", headers={**preflight, "Origin": "http://gallery.test"}
        )
        other = call(stack, "OPTIONS", "/echo", headers={**preflight, "Origin": "http://evil.test"})

        assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (
            204,
            "http://gallery.test",
        )
        assert allowed.headers["Access-Control-Allow-Methods"] == "GET,POST"
        assert "Access-Control-Allow-Origin" not in other.headers


class TestTokens:
    def test_the_token_endpoint_issues_a_valid_token(self, stack: LocalStack) -> None:
        token = call(
            stack, "POST", "/local/token", json={"user": "ann", "groups": ["admin"]}
        ).json()["token"]

        assert call(stack, "GET", "/echo/7", token).status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "user"),
            ({"user": ""}, "user"),
            ({"user": "a", "groups": "admin"}, "groups"),
            ({"user": "a", "role": "admin"}, "role"),
            ([], "body"),
        ],
    )
    def test_bad_input_is_422_and_names_the_field(
        self, stack: LocalStack, body: Any, field: str
    ) -> None:
        answer = call(stack, "POST", "/local/token", json=body)

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


class TestFunctions:
    def test_a_function_gets_the_templates_resolved_variables(self, stack: LocalStack) -> None:
        environment = call(stack, "GET", "/files/x").json()["runtime"]

        assert environment["environment"]["TABLE_NAME"] == stack.physical_id("Table")
        assert environment["environment"]["PUBLIC_URL"] == stack.api_url
        assert "ONLY_WITH_ISSUER" not in environment["environment"]
        assert not environment["sees_moto"]

    def test_invoke_takes_names_and_aliases_and_reports_failures(self, stack: LocalStack) -> None:
        functions = stack.client("lambda")
        failing = functions.invoke(
            FunctionName=stack.physical_id("StepFunctionAliaslive"), Payload=b'{"do": "fail"}'
        )
        with pytest.raises(functions.exceptions.ResourceNotFoundException):
            functions.invoke(FunctionName="nobody")
        too_large = json.dumps("x" * 6_300_000).encode()
        with pytest.raises(ClientError, match="RequestTooLarge"):
            functions.invoke(FunctionName=stack.physical_id("StepFunction"), Payload=too_large)

        assert failing["FunctionError"] == "Unhandled"
        assert json.load(failing["Payload"])["errorType"] == "Refused"

    def test_an_asynchronous_invocation_is_accepted_at_once_and_runs(
        self, stack: LocalStack
    ) -> None:
        event = {"Records": [{"messageId": "asynchronous", "body": "asynchronous"}]}
        answer = stack.client("lambda").invoke(
            FunctionName=stack.physical_id("WorkerFunction"),
            InvocationType="Event",
            Payload=json.dumps(event),
        )

        assert answer["StatusCode"] == 202
        eventually(lambda: recorded_texts(stack), lambda recorded: "asynchronous" in recorded)


class TestWorkflow:
    def test_a_step_responds_through_its_task_token(self, stack: LocalStack) -> None:
        execution = run_workflow(stack, "answers", "answer")

        assert execution["status"] == "SUCCEEDED"
        assert json.loads(execution["output"])["answer"] == {"answer": 42}

    def test_an_exception_reaches_the_workflow_by_its_class_name(self, stack: LocalStack) -> None:
        execution = run_workflow(stack, "fails", "fail")

        assert (execution["status"], execution["error"]) == ("FAILED", "Refused")


class TestTriggers:
    def test_an_event_reaches_the_function_through_bus_rule_and_queue(
        self, stack: LocalStack
    ) -> None:
        entry = {
            "EventBusName": stack.physical_id("Bus"),
            "DetailType": "test",
            "Detail": '{"from": "the bus"}',
        }
        stack.client("events").put_events(
            Entries=[{**entry, "Source": "elsewhere"}, {**entry, "Source": "trial"}]
        )

        recorded = eventually(
            lambda: [record for record in recorded_texts(stack) if "the bus" in record], bool
        )
        assert [json.loads(record)["source"] for record in recorded] == ["trial"]

    def test_only_the_failed_message_of_a_batch_becomes_a_dead_letter(
        self, stack: LocalStack
    ) -> None:
        sqs = stack.client("sqs")
        entries = [{"Id": "0", "MessageBody": "refuse me"}, {"Id": "1", "MessageBody": "take me"}]
        sqs.send_message_batch(QueueUrl=stack.physical_id("Queue"), Entries=entries)

        dead = eventually(
            lambda: sqs.receive_message(
                QueueUrl=stack.physical_id("DeadLetters"), WaitTimeSeconds=1
            ).get("Messages", []),
            bool,
        )
        assert [message["Body"] for message in dead] == ["refuse me"]
        assert recorded_texts(stack).count("take me") == 1

    def test_a_schedule_can_be_fired_at_once(self, stack: LocalStack) -> None:
        assert not stack.fire_schedule("WorkerFunction").failed
        assert "Scheduled Event" in recorded_texts(stack)

        with pytest.raises(LookupError, match="StepFunction"):
            stack.fire_schedule("StepFunction")


class TestStorage:
    def put(self, stack: LocalStack, expires_seconds: int = 60) -> str:
        """Put an object and sign a URL for it."""
        s3 = stack.client("s3")
        target = {"Bucket": stack.physical_id("Bucket"), "Key": "a folder/ä+b.txt"}
        s3.put_object(**target, Body=b"mine")
        url: str = s3.generate_presigned_url("get_object", target, ExpiresIn=expires_seconds)
        return url

    def test_a_signed_url_shows_the_object(self, stack: LocalStack) -> None:
        assert requests.get(self.put(stack), timeout=5).content == b"mine"

    def test_an_unsigned_an_altered_and_an_expired_url_are_refused(self, stack: LocalStack) -> None:
        url = self.put(stack, expires_seconds=1)
        unsigned = requests.get(url.partition("?")[0], timeout=5)
        altered = requests.get(url.replace("X-Amz-Expires=1&", "X-Amz-Expires=9999&"), timeout=5)
        expired = eventually(
            lambda: requests.get(url, timeout=5), lambda answer: answer.status_code != 200
        )

        assert [answer.status_code for answer in (unsigned, altered, expired)] == [403, 403, 403]
        assert "Access Denied" in unsigned.text
        assert "SignatureDoesNotMatch" in altered.text
        assert "expired" in expired.text

    def test_the_old_signature_is_refused_as_for_every_new_bucket(self, stack: LocalStack) -> None:
        url = self.put(stack)
        old = boto3.client("s3", endpoint_url=stack.aws_url, config=Config(signature_version="s3"))
        signed = old.generate_presigned_url(
            "get_object", {"Bucket": stack.physical_id("Bucket"), "Key": "a folder/ä+b.txt"}
        )

        assert requests.get(signed, timeout=5).status_code == 403
        assert requests.get(url, timeout=5).status_code == 200

    @pytest.mark.usefixtures("frequent_thread_switches")
    def test_conditional_writes_never_both_win(self, stack: LocalStack) -> None:
        def debit(_: int) -> bool:
            try:
                stack.client("dynamodb").update_item(
                    TableName=stack.physical_id("Table"),
                    Key={"pk": {"S": "purse"}},
                    UpdateExpression="SET coins = coins - :one",
                    ConditionExpression="coins >= :one",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                )
            except stack.client("dynamodb").exceptions.ConditionalCheckFailedException:
                return False
            return True

        stack.client("dynamodb").put_item(
            TableName=stack.physical_id("Table"), Item={"pk": {"S": "purse"}, "coins": {"N": "60"}}
        )
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(debit, range(120))) == 60


def test_a_taken_port_is_refused_by_name(stack: LocalStack) -> None:
    with pytest.raises(PortTaken, match="cannot be had"):
        HttpServer(urlsplit(stack.api_url).port or 0)


def test_a_second_stack_in_the_same_process_is_refused(stack: LocalStack, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="one local AWS at a time"):
        LocalStack(APPLICATION, runtime_dir=tmp_path, log_dir=tmp_path)

    assert call(stack, "POST", "/echo", json={}).status_code == 200
