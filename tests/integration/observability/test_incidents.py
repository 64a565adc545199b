"""An operator sees each incident: an alarm rings for its condition, and not before.

The conditions are caused on the local stack. The alarm's definition in template.yaml is evaluated
on the metrics that the functions wrote to their logs. The log has a line for each refusal.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from darkroom.domain.accounts import AccountId
from darkroom.domain.references import Reference
from local.stack import LocalStack
from tests.alarms import Datapoint
from tests.builders import until
from tests.integration.operator_view import Operator, Table, failing_aws, failing_puts
from tests.integration.webhook.signed_webhooks import prediction_body, signed_headers

BUILD_DIRECTORY = Path(".aws-sam/local")
LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)
READ_OF_TABLE = "DynamoDB_20120810.GetItem"


def jobs_without_execution(operator: Operator, user: str, *, count: int) -> list[str]:
    """Accept jobs while Step Functions does not start any execution."""
    with failing_aws("AWSStepFunctions.StartExecution", "StateMachineDoesNotExist"):
        return [operator.submit(user) for _ in range(count)]


def webhook(operator: Operator, reference: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a webhook of Replicate, and return the status of the response."""
    path = f"/webhooks/replicate?job={reference}"
    return operator.call("POST", path, None, data=body, headers=headers).status_code


def test_outputs_without_variants(operator: Operator, user: str) -> None:
    with failing_puts(".thumbnail.jpg"):
        operator.submit(user, outputs=4)
        until(lambda: operator.counted("OutputsWithoutVariants") == 4)
        assert operator.state("OutputsWithoutVariantsAlarm") == "OK"
        operator.submit(user)
        operator.must_ring("OutputsWithoutVariantsAlarm")

    (cause,) = {line["cause"] for line in operator.lines("output without variants")}
    assert "AccessDenied" in cause


def test_a_bug_of_the_api(operator: Operator, user: str) -> None:
    assert operator.call("GET", "/credits", user).status_code == 200
    assert operator.state("ApiErrorsAlarm") == "OK"

    with failing_aws(READ_OF_TABLE, "AccessDeniedException"):
        assert operator.call("GET", "/credits", user).status_code == 500

    operator.must_ring("ApiErrorsAlarm")
    (line,) = operator.lines("unhandled error")
    assert (line["account"], line["route"]) == (f"web/{user}", "GET /credits")
    assert operator.state("TransientErrorsAlarm") == "OK"
    assert operator.state("ApiErrorsAlarm", after=timedelta(minutes=6)) == "OK"


def test_a_throttled_table(operator: Operator, user: str) -> None:
    with failing_aws(READ_OF_TABLE, "ThrottlingException"):
        statuses = [operator.call("GET", "/credits", user).status_code for _ in range(2)]
        until(lambda: operator.counted("TransientErrors") == 2)
        assert operator.state("TransientErrorsAlarm") == "OK"
        statuses.append(operator.call("GET", "/credits", user).status_code)

    assert statuses == [503] * 3
    operator.must_ring("TransientErrorsAlarm")
    assert {(line["account"], line["route"]) for line in operator.lines("transient AWS error")} == {
        (f"web/{user}", "GET /credits")
    }
    assert operator.state("ApiErrorsAlarm") == "OK"


def test_forged_webhooks(operator: Operator) -> None:
    body, nobody = prediction_body(), f"web/nobody/{uuid4()}/0"
    forged = signed_headers(body)

    statuses = [webhook(operator, nobody, body, forged) for _ in range(4)]
    until(lambda: operator.counted("WebhooksRejected") == 4)
    assert operator.state("WebhooksRejectedAlarm") == "OK"
    statuses.append(webhook(operator, nobody, body, {}))

    assert statuses == [401] * 5
    operator.must_ring("WebhooksRejectedAlarm")


def test_orphan_predictions(operator: Operator, stack: LocalStack, table: Table, user: str) -> None:
    job_id = operator.submit(user)
    attempt = until(
        lambda: (
            (attempts := table.job(user, job_id)["attempts"]["L"])
            and "prediction_id" in attempts[0]["M"]
            and attempts[0]["M"]
        )
    )
    secret = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.physical_id("ReplicateWebhookSecret")
    )["SecretString"]
    reference = str(Reference(AccountId("web", user), job_id, attempt["nonce"]["S"]))

    def orphan() -> int:
        body = prediction_body("starting", prediction_id=f"orphan{uuid4().hex[:8]}")
        return webhook(operator, reference, body, signed_headers(body, secret=secret))

    statuses = [orphan(), orphan()]
    until(lambda: operator.counted("OrphanPredictions") == 2)
    assert operator.state("OrphanPredictionsAlarm") == "OK"
    statuses.append(orphan())

    assert statuses == [200] * 3
    operator.must_ring("OrphanPredictionsAlarm")
    assert operator.state("WebhooksRejectedAlarm") == "OK"


def test_a_workflow_that_does_not_start(operator: Operator, user: str) -> None:
    jobs_without_execution(operator, user, count=4)
    until(lambda: operator.counted("WorkflowUnavailable") == 4)
    assert operator.state("WorkflowUnavailableAlarm") == "OK"

    jobs_without_execution(operator, user, count=1)

    operator.must_ring("WorkflowUnavailableAlarm")


def test_jobs_that_recovery_cannot_check(operator: Operator, table: Table, user: str) -> None:
    job_ids = jobs_without_execution(operator, user, count=3)

    def failing_run(due: list[str]) -> None:
        for job_id in due:
            table.set_job(user, job_id, next_check_at=LONG_AGO)
        with failing_aws("AWSStepFunctions.DescribeExecution", "AccessDeniedException"):
            assert not operator.run_recovery().failed

    failing_run(job_ids[:2])
    until(lambda: operator.counted("RecoveriesFailed") == 2)
    assert operator.state("RecoveryFailedAlarm") == "OK"
    failing_run(job_ids[2:])

    operator.must_ring("RecoveryFailedAlarm")
    assert operator.state("RecoveryMissingAlarm") == "OK"


def test_a_recovery_that_never_completes(operator: Operator) -> None:
    with failing_aws("DynamoDB_20120810.Query", "AccessDeniedException"):
        assert operator.run_recovery().failed
        operator.must_ring("RecoveryMissingAlarm")

    assert not operator.run_recovery().failed

    until(lambda: operator.state("RecoveryMissingAlarm") == "OK")
    assert operator.state("RecoveryMissingAlarm", after=timedelta(minutes=6)) == "OK"
    assert operator.state("RecoveryMissingAlarm", after=timedelta(minutes=11)) == "ALARM"


def test_an_overdue_job(operator: Operator, table: Table, user: str) -> None:
    (job_id,) = jobs_without_execution(operator, user, count=1)
    operator.run_recovery()
    until(lambda: operator.counted("RecoveryRuns"))
    assert operator.state("JobsEndedByRecoveryAlarm") == "OK"

    table.set_job(user, job_id, deadline_at=LONG_AGO, next_check_at=LONG_AGO)
    operator.run_recovery()

    operator.must_ring("JobsEndedByRecoveryAlarm")
    assert operator.call("GET", f"/jobs/{job_id}", user).json()["status"] == "failed"


def test_an_audit_that_never_runs(operator: Operator) -> None:
    operator.must_ring("AuditMissingAlarm")

    operator.run_audit()

    until(lambda: operator.state("AuditMissingAlarm") == "OK")
    assert operator.state("AuditMissingAlarm", after=timedelta(days=1)) == "OK"
    assert operator.state("AuditMissingAlarm", after=timedelta(days=2, hours=1)) == "ALARM"
    assert operator.counted("LedgerMismatches") == operator.counted("AuditsFailed") == 0


def test_a_wrong_balance_and_an_account_that_the_audit_cannot_read(
    operator: Operator, table: Table, user: str
) -> None:
    operator.run_audit()
    until(lambda: operator.counted("AccountsAudited"))
    assert operator.state("LedgerMismatchAlarm") == "OK"
    assert operator.state("AuditFailedAlarm") == "OK"

    operator.grant("unreadable", 100)
    table.set_account("unreadable", revision={"S": "many"})
    table.set_account(user, available={"N": "101"})
    operator.run_audit()

    operator.must_ring("LedgerMismatchAlarm")
    operator.must_ring("AuditFailedAlarm")
    # Both keep their state until the next audit.
    assert operator.state("LedgerMismatchAlarm", after=timedelta(minutes=30)) == "ALARM"


def test_a_callback_in_the_dead_letter_queue(operator: Operator, stack: LocalStack) -> None:
    queue_url, sqs = stack.physical_id("CallbackDeadLetters"), stack.client("sqs")

    def state() -> str:
        """Evaluate the alarm on the attribute that AWS reports as the alarm's metric."""
        attributes = sqs.get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        visible = Datapoint(
            time.time(),
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            frozenset({("QueueName", queue_url.rpartition("/")[2])}),
            float(attributes["ApproximateNumberOfMessages"]),
        )
        return operator.state("CallbackDeadLettersAlarm", also=[visible])

    assert state() == "OK"
    sqs.send_message(QueueUrl=queue_url, MessageBody="{}")
    assert state() == "ALARM"
    sqs.purge_queue(QueueUrl=queue_url)
    assert state() == "OK"


def test_a_refused_request_is_one_line_with_account_route_and_reason(
    operator: Operator, user: str
) -> None:
    secret = "a very private prompt"
    valid = {"template": "flux-schnell", "parameters": {"prompt": secret, "num_outputs": 4}}

    operator.call("POST", "/jobs", user, json=valid | {"parameters": {"prompt": secret, "x": 1}})
    operator.call("GET", "/no/such/route", None)
    operator.call("PUT", "/admin/paused", user, json={"paused": True})
    operator.call("GET", "/credits", user)
    for _ in range(3):
        operator.call("POST", "/jobs", user, json=valid)

    until(lambda: operator.counted("RequestsRefused") == 4)
    lines = operator.lines("request refused")
    assert [
        tuple(line.get(name) for name in ("problem", "status", "account", "route", "reason"))
        for line in lines
    ] == [
        ("invalid-request", 422, f"web/{user}", "POST /jobs", None),
        ("not-found", 404, None, "$default", None),
        (
            "forbidden",
            403,
            f"web/{user}",
            "PUT /admin/paused",
            "Only administrators may do this.",
        ),
        ("insufficient-credits", 402, f"web/{user}", "POST /jobs", None),
    ]
    assert all(line["request_id"] for line in lines)
    assert secret not in operator.text()
    assert "Bearer" not in operator.text()


def test_a_refused_webhook_is_one_line_with_the_reason(
    operator: Operator, stack: LocalStack
) -> None:
    secret = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.physical_id("ReplicateWebhookSecret")
    )["SecretString"]
    body, nobody = prediction_body(), f"web/nobody/{uuid4()}/0"
    six_minutes_ago = datetime.now(UTC) - timedelta(minutes=6)
    old = signed_headers(body, secret=secret, at=six_minutes_ago)

    webhook(operator, nobody, body, signed_headers(body))
    webhook(operator, nobody, body, old)

    until(lambda: operator.counted("WebhooksRejected") == 2)
    lines = operator.lines("webhook refused")
    assert [line["reason"] for line in lines] == ["signature", "timestamp"]
    assert {(line["level"], line["status"], line["route"]) for line in lines} == {
        ("WARNING", 401, "ANY /webhooks/replicate")
    }
    assert old["webhook-signature"] not in operator.text()


def test_the_log_tells_who_submitted_a_job_and_who_granted_credits(
    operator: Operator, user: str
) -> None:
    job_id = operator.submit(user)

    (accepted,) = until(lambda: operator.lines("job accepted"))
    assert (accepted["job_id"], accepted["account"]) == (job_id, f"web/{user}")
    (granted,) = operator.lines("credits granted")
    assert (granted["account"], granted["by"]) == (f"web/{user}", "web/grace")
    assert not operator.lines("request refused")
