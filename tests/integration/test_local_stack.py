"""The local stack of a small application behaves over HTTP like its deployment."""

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
TIMEOUT_SECONDS = 20


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    directory = tmp_path_factory.mktemp("stack")
    with LocalStack(
        APPLICATION, runtime_dir=directory / "runtime", log_dir=directory / "logs"
    ) as running:
        yield running


@pytest.fixture
def frequent_thread_switches() -> Iterator[None]:
    """Switch threads as often as possible, to make race conditions likely."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def call(
    stack: LocalStack, method: str, path: str, token: str | None = None, **request: Any
) -> requests.Response:
    headers = request.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
    return requests.request(
        method, f"{stack.api_url}{path}", headers=headers, timeout=TIMEOUT_SECONDS, **request
    )


def eventually[Value](read: Callable[[], Value], condition: Callable[[Value], bool]) -> Value:
    """Read a value until it meets the condition. Fails after the timeout."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition(value := read()):
        assert time.monotonic() < deadline, value
        time.sleep(0.05)
    return value


def recorded_texts(stack: LocalStack) -> list[str]:
    """Return the texts that the worker has recorded so far."""
    items = stack.client("dynamodb").scan(
        TableName=stack.physical_id("Table"), ConsistentRead=True
    )["Items"]
    return [item["text"]["S"] for item in items if "text" in item]


def run_workflow(stack: LocalStack, name: str, action: str) -> dict[str, Any]:
    """Run an execution with this action. Returns the description of the ended execution."""
    stepfunctions = stack.client("stepfunctions")
    started = stepfunctions.start_execution(
        stateMachineArn=stack.physical_id("WorkflowAliaslive"),
        name=name,
        input=json.dumps({"do": action}),
    )
    return eventually(
        lambda: stepfunctions.describe_execution(executionArn=started["executionArn"]),
        lambda execution: execution["status"] != "RUNNING",
    )


class TestHttpApi:
    def test_passes_the_claims_of_the_token_to_the_function(self, stack: LocalStack) -> None:
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

    def test_returns_401_without_a_valid_token(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        header, claims, signature = stack.token("ann").split(".")
        other_claims = stack.token("grace", groups=["admin"]).split(".")[1]
        tokens = {
            "missing": None,
            "malformed": "garbage",
            "expired": stack.token("ann", expires_in_seconds=-1),
            "forged": f"{header}.{other_claims}.{signature}",
            "unsigned": f"eyJhbGciOiJub25lIn0.{claims}.",
        }

        for defect, token in tokens.items():
            with subtests.test(defect=defect):
                response = call(stack, "GET", "/echo/7", token)

                assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})
                assert response.headers["WWW-Authenticate"].startswith("Bearer")

    def test_accepts_an_access_token_of_the_same_client(self, stack: LocalStack) -> None:
        assert (
            call(stack, "GET", "/echo/7", stack.token("ann", token_use="access")).status_code == 200
        )

    def test_public_routes_require_no_token(self, stack: LocalStack) -> None:
        assert (
            "authorizer"
            not in call(stack, "POST", "/echo", json={}).json()["event"]["requestContext"]
        )

    def test_joins_repeated_headers(self, stack: LocalStack) -> None:
        connection = http.client.HTTPConnection(
            urlsplit(stack.api_url).netloc, timeout=TIMEOUT_SECONDS
        )
        connection.putrequest("GET", "/files/a")
        connection.putheader("X-Two", "a")
        connection.putheader("X-Two", "b")
        connection.endheaders()

        assert json.loads(connection.getresponse().read())["event"]["headers"]["x-two"] == "a,b"

    def test_returns_404_for_a_request_without_a_route(self, stack: LocalStack) -> None:
        response = call(stack, "DELETE", "/echo")

        assert (response.status_code, response.json()) == (404, {"message": "Not Found"})

    def test_returns_500_if_a_function_fails(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        actions: list[dict[str, Any]] = [
            {"do": "raise"},
            {"do": "exit"},
            {"do": "answer", "answer": {"statusCode": "none"}},
        ]
        for action in actions:
            with subtests.test(action=action):
                response = call(stack, "POST", "/misbehave", json=action)

                assert response.status_code == 500
                assert response.json() == {"message": "Internal Server Error"}

    def test_returns_503_if_a_function_exceeds_the_timeout_of_the_integration(
        self, stack: LocalStack
    ) -> None:
        response = call(stack, "POST", "/misbehave", json={"do": "sleep", "seconds": 9})

        assert (response.status_code, response.json()) == (503, {"message": "Service Unavailable"})

    def test_returns_413_for_a_body_above_the_limits(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        too_large = {"message": "Request Entity Too Large"}
        for megabytes, status in ((5, 200), (7, 413), (11, 413)):
            with subtests.test(megabytes=megabytes):
                body = json.dumps({"do": "answer", "padding": "x" * megabytes * 1_000_000})

                response = call(
                    stack,
                    "POST",
                    "/misbehave",
                    data=body,
                    headers={"Content-Type": "application/json"},
                )

                assert response.status_code == status
                assert status == 200 or response.json() == too_large

    def test_allows_a_preflight_from_the_allowed_origin_only(self, stack: LocalStack) -> None:
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

    def test_returns_422_and_names_each_invalid_field(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        cases: list[tuple[Any, str]] = [
            ({}, "user"),
            ({"user": ""}, "user"),
            ({"user": "a", "groups": "admin"}, "groups"),
            ({"user": "a", "role": "admin"}, "role"),
            ([], "body"),
        ]
        for body, field in cases:
            with subtests.test(body=body):
                response = call(stack, "POST", "/local/token", json=body)

                assert response.status_code == 422
                assert [error["field"] for error in response.json()["errors"]] == [field]


class TestFunctions:
    def test_passes_the_resolved_variables_of_the_template_to_a_function(
        self, stack: LocalStack
    ) -> None:
        environment = call(stack, "GET", "/files/x").json()["runtime"]

        assert environment["environment"]["TABLE_NAME"] == stack.physical_id("Table")
        assert environment["environment"]["PUBLIC_URL"] == stack.api_url
        assert "ONLY_WITH_ISSUER" not in environment["environment"]
        assert not environment["sees_moto"]

    def test_invoke_accepts_names_and_aliases_and_reports_failures(self, stack: LocalStack) -> None:
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

    def test_accepts_an_asynchronous_invocation_at_once_and_runs_it(
        self, stack: LocalStack
    ) -> None:
        event = {"Records": [{"messageId": "asynchronous", "body": "asynchronous"}]}
        response = stack.client("lambda").invoke(
            FunctionName=stack.physical_id("WorkerFunction"),
            InvocationType="Event",
            Payload=json.dumps(event),
        )

        assert response["StatusCode"] == 202
        eventually(lambda: recorded_texts(stack), lambda recorded: "asynchronous" in recorded)


class TestWorkflow:
    def test_a_step_returns_its_result_by_its_task_token(self, stack: LocalStack) -> None:
        execution = run_workflow(stack, "answers", "answer")

        assert execution["status"] == "SUCCEEDED"
        assert json.loads(execution["output"])["answer"] == {"answer": 42}
        assert stack.physical_id("WorkflowAliaslive").endswith("-generation:live")
        assert execution["executionArn"].endswith("-generation:answers")

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

    def test_runs_a_schedule_at_once(self, stack: LocalStack) -> None:
        assert not stack.fire_schedule("WorkerFunction").failed
        assert "Scheduled Event" in recorded_texts(stack)

        with pytest.raises(LookupError, match="StepFunction"):
            stack.fire_schedule("StepFunction")


class TestStorage:
    def put_object(self, stack: LocalStack, expires_seconds: int = 60) -> str:
        """Put an object. Returns a signed URL for it."""
        s3 = stack.client("s3")
        target = {"Bucket": stack.physical_id("Bucket"), "Key": "a folder/ä+b.txt"}
        s3.put_object(**target, Body=b"mine")
        url: str = s3.generate_presigned_url("get_object", target, ExpiresIn=expires_seconds)
        return url

    def test_a_signed_url_returns_the_object(self, stack: LocalStack) -> None:
        assert requests.get(self.put_object(stack), timeout=5).content == b"mine"

    def test_refuses_unsigned_altered_and_expired_urls(self, stack: LocalStack) -> None:
        url = self.put_object(stack, expires_seconds=1)
        unsigned = requests.get(url.partition("?")[0], timeout=5)
        altered = requests.get(url.replace("X-Amz-Expires=1&", "X-Amz-Expires=9999&"), timeout=5)
        expired = eventually(
            lambda: requests.get(url, timeout=5), lambda response: response.status_code != 200
        )

        assert [response.status_code for response in (unsigned, altered, expired)] == [
            403,
            403,
            403,
        ]
        assert "Access Denied" in unsigned.text
        assert "SignatureDoesNotMatch" in altered.text
        assert "expired" in expired.text

    def test_refuses_the_old_signature_version(self, stack: LocalStack) -> None:
        url = self.put_object(stack)
        old = boto3.client("s3", endpoint_url=stack.aws_url, config=Config(signature_version="s3"))
        signed = old.generate_presigned_url(
            "get_object", {"Bucket": stack.physical_id("Bucket"), "Key": "a folder/ä+b.txt"}
        )

        assert requests.get(signed, timeout=5).status_code == 403
        assert requests.get(url, timeout=5).status_code == 200

    @pytest.mark.usefixtures("frequent_thread_switches")
    def test_concurrent_conditional_writes_never_exceed_the_condition(
        self, stack: LocalStack
    ) -> None:
        def debit(_: int) -> bool:
            try:
                stack.client("dynamodb").update_item(
                    TableName=stack.physical_id("Table"),
                    Key={"pk": {"S": "account"}},
                    UpdateExpression="SET credits = credits - :one",
                    ConditionExpression="credits >= :one",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                )
            except stack.client("dynamodb").exceptions.ConditionalCheckFailedException:
                return False
            return True

        stack.client("dynamodb").put_item(
            TableName=stack.physical_id("Table"),
            Item={"pk": {"S": "account"}, "credits": {"N": "60"}},
        )
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(debit, range(120))) == 60


def test_refuses_a_port_that_is_in_use_by_its_number(stack: LocalStack) -> None:
    with pytest.raises(PortTaken, match="is not available"):
        HttpServer(urlsplit(stack.api_url).port or 0)


def test_refuses_a_second_stack_in_the_same_process(stack: LocalStack, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="one local AWS at a time"):
        LocalStack(APPLICATION, runtime_dir=tmp_path, log_dir=tmp_path)

    assert call(stack, "POST", "/echo", json={}).status_code == 200
