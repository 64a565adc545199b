"""Slow receivers of callbacks: how many places they take, and how the local stack bounds them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Lock, Semaphore
from typing import Any, cast

import pytest

from darkroom import clock
from darkroom.aws import callback_queue
from darkroom.domain.accounts import AccountId
from darkroom.domain.callback_retries import RECEIVER_PAUSE
from darkroom.domain.jobs import Job, JobStatus
from darkroom.services.deliver_callback import Message, NotDelivered, deliver
from darkroom.storage.deliveries import DELIVERY_PREFIX
from darkroom.storage.job_rows import row_of
from darkroom.storage.table import DeliveryRow
from local.cloudformation.queues import Pollers, QueueMapping, read_mappings
from local.cloudformation.resources import Resources
from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.execution_environment import InvocationResponse
from tests.aws import TEMPLATE, client
from tests.builders import NOON, image_job
from tests.integration.callback_queue import queue_in_moto
from tests.integration.hostile_receivers import DRIPPED_HEADER, receiver
from tests.integration.servers import Reply, answering, server
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

PLACES = 3
SECONDS = 0.1
JOBS = 120


class Places:
    """Delivers messages as execution environments of notify_client do, and counts them."""

    def __init__(self) -> None:
        self.busy = self.most_busy = 0
        self._lock = Lock()

    def deliver(self, job: Job) -> bool:
        """Deliver the first receive of a job's message. Returns whether the message is done."""
        with self._lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        now = clock.now()
        try:
            deliver(Message(job.account, job.job_id, "r", sent_at=now, receives=1), now=now)
        except NotDelivered:
            return False
        finally:
            with self._lock:
                self.busy -= 1
        return True


def ended_jobs(user: str, callback_url: str, number: int) -> list[Job]:
    """Return canceled jobs of a user, as submits and cancels without credits leave them."""
    account, found = AccountId("web", user), []
    for _ in range(number):
        job = replace(
            image_job(account=account, now=NOON),
            callback_url=callback_url,
            status=JobStatus.CANCELED,
        )
        row_of(job, next_check_at=NOON).save()
        found.append(job)
    return found


def test_dripping_receivers_hold_few_places_and_others_get_their_callbacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_setting(monkeypatch, "CALLBACK_SECONDS_MAX", str(SECONDS))
    hidden_seconds: list[int] = []
    monkeypatch.setattr(
        callback_queue, "postpone", lambda _, *, seconds: hidden_seconds.append(seconds)
    )
    places = Places()
    with receiver(DRIPPED_HEADER) as slow, server(answering(Reply(204))) as fast:
        dripped = ended_jobs("mallory", f"http://{slow}/", JOBS)
        (other,) = ended_jobs("ann", fast, 1)
        with ThreadPoolExecutor(PLACES) as environments:
            *refused, is_delivered = environments.map(places.deliver, [*dripped, other])

    rows = list(DeliveryRow.scan(DeliveryRow.pk.startswith(DELIVERY_PREFIX)))
    calls = [row for row in rows if row.status is None]
    # Three timeouts pause the receiver. The calls that began before may still time out.
    assert 3 <= len(calls) <= 3 + PLACES - 1
    assert len(rows) == len(calls) + 1
    assert not any(refused)
    assert is_delivered
    assert places.most_busy <= PLACES
    assert len(hidden_seconds) == JOBS
    assert sum(seconds >= 50 for seconds in hidden_seconds) == JOBS - len(calls)


def test_the_local_pollers_hold_no_more_places_than_the_mapping_allows() -> None:
    released, busy = Event(), Semaphore(0)

    class Waiting:
        def invoke(self, _: str, __: bytes) -> InvocationResponse:
            busy.release()
            released.wait(5)
            return InvocationResponse(b"{}", failed=False)

    class Full:
        def receive_message(self, **_: object) -> dict[str, Any]:
            message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "{}", "MD5OfBody": "0"}
            return {"Messages": [message]}

        def delete_message(self, **_: object) -> None:
            pass

    mapping = QueueMapping(
        "arn", "url", "notify", batch_size=1, reports_failures=True, concurrency_max=PLACES
    )
    environments = cast("ExecutionEnvironments", Waiting())
    pollers = Pollers([mapping], environments, {"notify": cast("Any", Full())})
    pollers.start()
    try:
        assert all(busy.acquire(timeout=5) for _ in range(PLACES))
        assert not busy.acquire(timeout=0.05)
    finally:
        pollers.stop()
        released.set()


def test_the_template_bounds_the_places_of_slow_receivers() -> None:
    function = TEMPLATE["Resources"]["NotifyClientFunction"]["Properties"]
    (source,) = function["Events"].values()

    assert source["Properties"]["ScalingConfig"] == {
        "MaximumConcurrency": {"Ref": "CallbacksInFlightMax"}
    }
    assert source["Properties"]["BatchSize"] == 1
    assert 2 <= TEMPLATE["Parameters"]["CallbacksInFlightMax"]["Default"] <= 5
    assert function["Timeout"] * 6 <= RECEIVER_PAUSE.total_seconds() * 3


def test_the_local_event_source_mapping_has_the_concurrency_of_the_template() -> None:
    queue = client("sqs").create_queue(QueueName="any")["QueueUrl"]
    properties = {
        "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:any",
        "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:notify:live",
        "ScalingConfig": {"MaximumConcurrency": "2"},
    }
    found = [
        read_mappings(cast("Resources", OneMapping(each)), client("sqs"))
        for each in (properties, properties | {"ScalingConfig": {}})
    ]

    assert [mapping.concurrency_max for (mapping,) in found] == [2, 5]
    assert found[0][0].queue_url == queue


class OneMapping:
    """The resources of a stack with one event source mapping."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self._properties = properties

    def of_type(self, _: str) -> dict[str, dict[str, Any]]:
        return {"Mapping": self._properties}


def test_the_local_queue_hides_a_message_for_its_own_seconds() -> None:
    with queue_in_moto() as url:
        client("sqs").send_message(QueueUrl=url, MessageBody="{}")
        (message,) = client("sqs").receive_message(QueueUrl=url)["Messages"]
        callback_queue.postpone(message["ReceiptHandle"], seconds=6 * 3_600)
        assert "Messages" not in client("sqs").receive_message(QueueUrl=url)

        callback_queue.postpone(message["ReceiptHandle"], seconds=0)
        assert client("sqs").receive_message(QueueUrl=url)["Messages"]


@pytest.mark.parametrize(
    ("callback", "is_sent"), [({"callback": True}, True), ({"callback": False}, False), ({}, True)]
)
def test_only_the_end_of_a_job_with_a_callback_url_makes_a_message(
    callback: dict[str, bool], *, is_sent: bool
) -> None:
    events, sqs = client("events"), client("sqs")
    pattern = TEMPLATE["Resources"]["JobsEnded"]["Properties"]["EventPattern"]
    with queue_in_moto() as url:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        events.put_rule(Name="rule", EventBusName="darkroom-test", EventPattern=json.dumps(pattern))
        targets = [{"Id": "queue", "Arn": arn["QueueArn"]}]
        events.put_targets(Rule="rule", EventBusName="darkroom-test", Targets=targets)
        entry = {
            "EventBusName": "darkroom-test",
            "Source": "darkroom",
            "DetailType": "job.completed",
            "Detail": json.dumps({"job_id": "1", **callback}),
        }

        events.put_events(Entries=[entry])

        assert ("Messages" in sqs.receive_message(QueueUrl=url)) is is_sent
