"""The states of a prediction: starting, processing, and four final ones."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any, Unpack

from local.simulators.common.clock import Clock
from local.simulators.common.scheduler import Scheduler
from local.simulators.replicate.deliveries import Deliveries
from local.simulators.replicate.files import Files
from local.simulators.replicate.output_shapes import shaped_output
from local.simulators.replicate.predictions import (
    OPEN,
    Changes,
    Prediction,
    PredictionStore,
    Status,
)
from local.simulators.replicate.sources import (
    SourceUnusable,
    check_image,
    check_pixels,
    check_plain_links,
    fetch_source,
)
from local.simulators.replicate.webhooks import Event, Message, Outbox

# Replicate docs, "Receive webhooks": the default without a filter is new outputs and the
# completion.
DEFAULT_EVENTS = ("output", "completed")


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Moves predictions through their states, and sends their webhooks."""

    store: PredictionStore
    scheduler: Scheduler
    outbox: Outbox
    deliveries: Deliveries
    files: Files
    clock: Clock
    base_url: str
    retention: timedelta

    def begin(self, prediction: Prediction) -> None:
        """Store a new prediction and start it."""
        self.store.add(prediction)
        # Schedule the deadline first: if two actions are due at the same time, the scheduler runs
        # the action that was added first.
        if prediction.deadline is not None:
            left = prediction.deadline - prediction.created_at
            self._later(left.total_seconds(), self._pass_deadline, prediction.id)
        self._later(prediction.outcome.queue_seconds, self._start, prediction.id)

    def cancel(self, prediction_id: str) -> None:
        """Cancel an open prediction. A final prediction does not change."""
        self._end(prediction_id, Status.CANCELED, only_from=OPEN)

    def document(self, prediction: Prediction) -> dict[str, Any]:
        """Return the prediction's current document. After the retention, it has no data."""
        completed_at = prediction.completed_at
        removed = completed_at is not None and (
            prediction.outcome.is_removed or self.clock() >= completed_at + self.retention
        )
        return prediction.document(self.base_url, data_removed=removed)

    def _later(self, delay_seconds: float, step: Callable[[str], None], prediction_id: str) -> None:
        self.scheduler.after(delay_seconds, partial(step, prediction_id))

    def _start(self, prediction_id: str) -> None:
        started = self.store.change(
            prediction_id,
            only_from=frozenset({Status.STARTING}),
            status=Status.PROCESSING,
            started_at=self.clock(),
        )
        if started is None:
            return
        self._send_webhook(started, "start")
        logged = self._change_running(prediction_id, logs=f"Using seed: {started.outcome.seed}\n")
        if logged is not None:
            self._send_webhook(logged, "logs")
        if started.outcome.source_urls:
            # A host that does not respond must not delay the other predictions.
            Thread(
                target=self._fetch_and_run, args=(started,), name="simulated-model", daemon=True
            ).start()
        else:
            self._later(started.outcome.run_seconds, self._finish, prediction_id)

    def _fetch_and_run(self, prediction: Prediction) -> None:
        try:
            if prediction.model.plain_links_only:
                check_plain_links(prediction.outcome.source_urls)
            sources = tuple(self._source(url) for url in prediction.outcome.source_urls)
            for source in sources:
                check_pixels(source, prediction.model.pixels_max)
        except SourceUnusable as error:
            self._end(prediction.id, Status.FAILED, error=str(error))
            return
        outputs = prediction.outcome.outputs
        if outputs is not None:
            outputs = tuple(replace(output, sources=sources) for output in outputs)
        self._change_running(prediction.id, outcome=replace(prediction.outcome, outputs=outputs))
        self._later(prediction.outcome.run_seconds, self._finish, prediction.id)

    def _source(self, url: str) -> bytes:
        body = self.files.body_of(url)
        return fetch_source(url) if body is None else check_image(body)

    def _finish(self, prediction_id: str) -> None:
        prediction = self.store.find(prediction_id)
        if prediction is None or prediction.status is not Status.PROCESSING:
            return
        if prediction.outcome.ends_early == "canceled":
            self._end(prediction_id, Status.CANCELED)
            return
        if prediction.outcome.error is not None:
            self._end(prediction_id, Status.FAILED, error=prediction.outcome.error)
            return
        succeeded = self._change_running(
            prediction_id,
            status=Status.SUCCEEDED,
            output=self._publish(prediction),
            completed_at=self.clock(),
        )
        if succeeded is None:
            return
        if succeeded.output:
            self._send_webhook(
                replace(succeeded, status=Status.PROCESSING, completed_at=None), "output"
            )
        self._send_webhook(succeeded, "completed")

    def _pass_deadline(self, prediction_id: str) -> None:
        """End a prediction at its deadline: abort it before its start, cancel it afterwards.

        Replicate's docs, "Prediction lifecycle", do not document the webhooks of an aborted
        prediction. The simulator sends none, so no client can rely on one.
        """
        never_started = frozenset({Status.STARTING})
        aborted = self.store.change(
            prediction_id, only_from=never_started, status=Status.ABORTED, completed_at=self.clock()
        )
        if aborted is None:
            self._end(prediction_id, Status.CANCELED)

    def _change_running(self, prediction_id: str, **changes: Unpack[Changes]) -> Prediction | None:
        return self.store.change(prediction_id, only_from=frozenset({Status.PROCESSING}), **changes)

    def _end(
        self,
        prediction_id: str,
        status: Status,
        *,
        only_from: frozenset[Status] = frozenset({Status.PROCESSING}),
        error: str | None = None,
    ) -> None:
        ended = self.store.change(
            prediction_id,
            only_from=only_from,
            status=status,
            error=error,
            completed_at=self.clock(),
        )
        if ended is not None:
            self._send_webhook(ended, "completed")

    def _publish(self, prediction: Prediction) -> Any:  # noqa: ANN401 (any JSON)
        if prediction.outcome.outputs is None:
            return None
        now = self.clock()
        host = prediction.outcome.delivery_host
        base_url = f"https://{host}" if host else self.base_url
        urls = [
            base_url
            + self.deliveries.publish(output, published_at=now, expires_at=now + self.retention)
            for output in prediction.outcome.outputs
        ]
        own_shape = "list" if prediction.model.output == "uri[]" else "string"
        return shaped_output(
            prediction.outcome.shape or own_shape,
            urls,
            prediction_id=prediction.id,
            seed=prediction.outcome.seed,
            image=prediction.input.get("image"),
        )

    def _send_webhook(self, prediction: Prediction, event: Event) -> None:
        events = prediction.webhook_events_filter or DEFAULT_EVENTS
        if prediction.webhook is None or event not in events:
            return
        self.outbox.send(
            Message(
                prediction_id=prediction.id,
                event=event,
                url=prediction.webhook,
                body=json.dumps(self.document(prediction)),
                completed_follows=event != "completed" and "completed" in events,
            )
        )
