"""What an operator sees of a local stack: its log lines and the states of its alarms."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from werkzeug.wrappers import Request, Response

from darkroom.domain.accounts import AccountId
from darkroom.storage.job_rows import key_of, partition
from local.api_gateway.http_server import Environ, StartResponse
from local.cloudformation.aws_endpoint import AwsEndpoint
from local.lambda_runtime.execution_environment import InvocationResponse
from local.stack import LocalStack
from tests.alarms import Datapoint, state_of, written_datapoints
from tests.builders import until

_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"


class Operator:
    """Reads the metrics and the log lines of one stack since a moment."""

    def __init__(self, stack: LocalStack, log_dir: Path) -> None:
        """Begin now."""
        self.stack = stack
        self._log_dir = log_dir
        self._alarms = stack.properties_of("AWS::CloudWatch::Alarm")
        self._since = time.time()

    def state(
        self, alarm_id: str, *, after: timedelta = timedelta(0), also: Sequence[Datapoint] = ()
    ) -> str:
        """Return the state of an alarm now, or after a time without further metrics.

        `also` are datapoints of AWS's own metrics.
        """
        at = time.time() + after.total_seconds()
        return state_of(self._alarms[alarm_id], [*self.datapoints(), *also], at=at, before="OK")

    def must_ring(self, alarm_id: str, *, seconds: float = 20) -> None:
        """Wait until the alarm is in the state ALARM."""
        until(lambda: self.state(alarm_id) == "ALARM", seconds=seconds)

    def datapoints(self) -> list[Datapoint]:
        """Return the metrics that functions wrote since the beginning."""
        return [each for each in written_datapoints(self._log_dir) if each.at >= self._since]

    def counted(self, metric: str) -> float:
        """Return the sum of a metric since the beginning."""
        return sum(each.value for each in self.datapoints() if each.name == metric)

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines with this message since the beginning, sorted by their time."""
        lines = [
            json.loads(line)
            for line in self.text().splitlines()
            if f'"message":"{message}"' in line
        ]
        began = datetime.fromtimestamp(self._since, UTC)
        return sorted((line for line in lines if _time_of(line) >= began), key=_time_of)

    def text(self) -> str:
        """Return the logs of all functions, from the start of the stack."""
        return "".join(path.read_text(errors="replace") for path in sorted(self._log_dir.iterdir()))

    def run_recovery(self) -> InvocationResponse:
        return self.stack.fire_schedule("RecoverJobsFunction")

    def run_audit(self) -> InvocationResponse:
        return self.stack.fire_schedule("AuditAccountsFunction")

    def call(self, method: str, path: str, user: str | None, **options: Any) -> requests.Response:
        """Send a request to the API, with the token of a user of the platform web."""
        groups = options.pop("groups", [])
        headers = options.pop("headers", {})
        if user:
            headers["Authorization"] = f"Bearer {self.stack.token(user, groups=groups)}"
        url = f"{self.stack.api_url}{path}"
        return requests.request(method, url, headers=headers, timeout=30, **options)

    def grant(self, user: str, credits: int) -> None:
        """Grant credits to an account."""
        reference = f"{user} {time.time()}"
        body = {"amount": credits, "reason": "test", "reference": reference, "create": True}
        path = f"/accounts/web/{user}/credits"
        self.call("POST", path, "grace", groups=["admin"], json=body).raise_for_status()

    def submit(self, user: str, *, outputs: int = 1) -> str:
        """Submit a job of images, and return its id."""
        parameters = {"prompt": "a lighthouse", "num_outputs": outputs}
        body = {"template": "flux-schnell", "parameters": parameters}
        response = self.call("POST", "/jobs", user, json=body)
        response.raise_for_status()
        job_id: str = response.json()["id"]
        return job_id

    def cancel(self, user: str, job_id: str) -> None:
        """Cancel a job, so that its retries do not count in the next test."""
        self.call("POST", f"/jobs/{job_id}/cancel", user).raise_for_status()

    def set_faults(self, **faults: float | str) -> None:
        """Set the faults of the simulated Replicate. Without arguments: no faults."""
        url = f"{self.stack.replicate_url}/faults"
        requests.put(url, json=faults, timeout=5).raise_for_status()


def _time_of(line: Mapping[str, Any]) -> datetime:
    return datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")


class Table:
    """Writes to the stack's table that no function of the stack makes."""

    def __init__(self, stack: LocalStack) -> None:
        self._dynamodb = stack.client("dynamodb")
        self._name = stack.physical_id("Table")

    def put(self, item: Mapping[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._name, Item=item)

    def set_job(self, user: str, job_id: str, **times: datetime) -> None:
        """Change times of a job."""
        row = key_of(AccountId("web", user), job_id)
        key = {"pk": {"S": row.pk}, "sk": {"S": row.sk}}
        self._set(key, {name: {"S": at.strftime(_DATE_FORMAT)} for name, at in times.items()})

    def set_account(self, user: str, **attributes: Mapping[str, str]) -> None:
        """Change attributes of an account, in the format of DynamoDB."""
        key = {"pk": {"S": partition(AccountId("web", user))}, "sk": {"S": "ACCOUNT"}}
        self._set(key, attributes)

    def job(self, user: str, job_id: str) -> dict[str, Any]:
        """Return the item of a job, in the format of DynamoDB."""
        row = key_of(AccountId("web", user), job_id)
        return self.item({"pk": {"S": row.pk}, "sk": {"S": row.sk}})

    def item(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """Return an item, in the format of DynamoDB."""
        found: dict[str, Any] = self._dynamodb.get_item(
            TableName=self._name, Key=key, ConsistentRead=True
        )["Item"]
        return found

    def _set(self, key: Mapping[str, Any], attributes: Mapping[str, Mapping[str, str]]) -> None:
        self._dynamodb.update_item(
            TableName=self._name,
            Key=key,
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )


@contextmanager
def failing_aws(operation: str, code: str) -> Iterator[None]:
    """Make the local AWS refuse an operation such as `DynamoDB_20120810.Query` with a code."""
    respond = AwsEndpoint.__call__

    def refuse(
        endpoint: AwsEndpoint, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        if Request(environ).headers.get("X-Amz-Target") != operation:
            return respond(endpoint, environ, start_response)
        body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "broken by the test"})
        return Response(body, 400, mimetype="application/x-amz-json-1.0")(environ, start_response)

    with mock.patch.object(AwsEndpoint, "__call__", refuse):
        yield


@contextmanager
def failing_puts(suffix: str) -> Iterator[None]:
    """Make the local S3 refuse to store objects whose key has this end."""
    respond = AwsEndpoint.__call__

    def refuse(
        endpoint: AwsEndpoint, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        request = Request(environ)
        if request.method != "PUT" or not request.path.endswith(suffix):
            return respond(endpoint, environ, start_response)
        body = "<Error><Code>AccessDenied</Code><Message>broken by the test</Message></Error>"
        return Response(body, 403, mimetype="application/xml")(environ, start_response)

    with mock.patch.object(AwsEndpoint, "__call__", refuse):
        yield
