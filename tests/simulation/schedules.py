"""Random schedules: users, the provider, AWS and the clock act in any order.

Hypothesis chooses the steps. Every promise is checked after each step.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition

from darkroom.domain import provider_health
from darkroom.domain.provider_health import PauseReason
from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX
from darkroom.services.dispatch import dispatch
from darkroom.storage import provider_state
from tests.aws import forget_settings
from tests.simulation.actors import Actors
from tests.simulation.calls import (
    CONFLICT,
    LOST_RESPONSE,
    REPEAT,
    THROTTLED,
    Call,
    Fault,
    FaultKind,
)
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.replicate_model import OUTCOMES, FaultProfile
from tests.simulation.schedule_steps import STATISTICS, step
from tests.simulation.schedule_strategies import (
    faults,
    indexes,
    keys,
    pauses,
    recovery_calls,
    users,
)

SLOTS = 3
ENVIRONMENT = {"JOBS_IN_FLIGHT_MAX": "4", "PREDICTIONS_IN_FLIGHT_MAX": str(SLOTS)}
STEPS = ("request_prediction", "wait_for_slot", "store_output", "complete_job", "refund_job")
FUNCTIONS = ("api", "receive_prediction", *STEPS, "recover_jobs", "notify_client", "audit_accounts")
RESPONSES = (
    "normal",
    "normal",
    "normal",
    "throttled",
    "creates throttled",
    "unavailable",
    "unavailable, but created",
    "connection refused",
    "create response lost",
    "account refused",
    "creates refused",
    "model retired",
)
_WRITES = ("dynamodb.UpdateItem", "dynamodb.TransactWriteItems")
_CREATE = "provider POST predictions"
# The assumed number of calls of a function that was not invoked yet.
_CALLS = 4
_WRONG_SECRET = "whsec_bm90LXRoZS1zZWNyZXQtYXQtYWxs"


class Schedule(RuleBasedStateMachine):
    """One environment and one random schedule of steps in it."""

    @initialize(
        seed=st.integers(0, 2**16),
        webhooks=st.sampled_from(("sent", "held", "held", "lost")),
        welcome_credits=st.sampled_from((0, 0, 30)),
        queue_seconds_max=st.sampled_from((3_600, 3_600, 90)),
    )
    def begin(self, seed: int, webhooks: str, welcome_credits: int, queue_seconds_max: int) -> None:
        self.environment = Environment(seed=seed, fault_at=self._fault_at)
        self.environment.webhooks = webhooks
        self.armed_faults: list[tuple[str, int, Fault]] = []
        self.slow_creates: list[Fault] = []
        self.error_rate = 0.0
        self.promises = Promises(self.environment)
        self.environment.event_queue.after_each_event = self.check_promises
        self.activation = self.environment.activated(
            **ENVIRONMENT,
            WELCOME_CREDITS=str(welcome_credits),
            QUEUE_SECONDS_MAX=str(queue_seconds_max),
        )
        self.activation.__enter__()
        # Two faults pause the provider, so that short schedules reach such a pause.
        self.limits = mock.patch.multiple(
            provider_health, FAULTS_MIN=2, FAULT_TEMPLATES_MIN=1, FAULT_ACCOUNTS_MIN=1
        )
        self.limits.start()
        self.actors = Actors(self.environment, welcome_credits=welcome_credits)
        for user, opening in (("ann", 60), ("bob", 200)):
            self.actors.open_account(user, opening)
        self.actors.submit("ann", key="one", outputs=2, callback=True)

    @step(user=users, key=keys, outputs=st.sampled_from((1, 1, 2, 3)), callback=st.booleans())
    def submit(self, user: str, key: str | None, outputs: int, *, callback: bool) -> None:
        self.actors.submit(user, key=key, outputs=outputs, callback=callback)

    @step(index=indexes)
    def resubmit(self, index: int) -> None:
        self.actors.resubmit(index)

    @step(index=indexes)
    def rerun(self, index: int) -> None:
        self.actors.rerun(index)

    @step(
        user=users,
        reference=st.sampled_from(("gift", "present", "mistake")),
        amount=st.sampled_from((20, 40, -30)),
    )
    def grant_or_correct(self, user: str, reference: str, amount: int) -> None:
        self.actors.grant(user, reference, amount)

    @step(paused=st.sampled_from((False, False, True)))
    def pause_or_resume(self, *, paused: bool) -> None:
        self.actors.pause(paused=paused)

    @step(seconds=st.sampled_from((20, 200, 4_000)))
    def pause_the_provider(self, seconds: int) -> None:
        until = self.environment.event_queue.now + timedelta(seconds=seconds)
        provider_state.pause(
            "replicate", until=until, reason=PauseReason.SPEND, now=self.environment.event_queue.now
        )

    @step(dispatched=st.booleans())
    def resume_the_provider(self, *, dispatched: bool) -> None:
        provider_state.resume("replicate")
        if dispatched:
            dispatch("replicate")

    @step(slots=st.integers(1, SLOTS + 1))
    def change_the_number_of_slots(self, slots: int) -> None:
        self._set_slots(slots)

    @step(user=users, count=st.integers(2, 3))
    def submit_several(self, user: str, count: int) -> None:
        for _ in range(count):
            self.actors.submit(user, key=None, outputs=1, callback=False)
        self._run_events(count)

    @step(index=indexes, function=st.sampled_from(("recover_jobs", "wait_for_slot")))
    def cancel_during_a_grant(self, index: int, function: str) -> None:
        self._arm_fault(function, index, Fault(FaultKind.PAUSE, after=True, seconds=2))
        self.environment.recover()
        self._run_events(2)
        self.actors.cancel(index)

    @step()
    def audit(self) -> None:
        self.environment.invoke("audit_accounts", {})

    @step(index=indexes)
    def cancel(self, index: int) -> None:
        self.actors.cancel(index)

    @step(index=indexes)
    def delete(self, index: int) -> None:
        self.actors.delete(index)

    @step(user=users, index=indexes)
    def read_any_job(self, user: str, index: int) -> None:
        self.actors.read(user, index)

    @step(user=users)
    def list_jobs(self, user: str) -> None:
        self.actors.list(user)

    @step(count=st.integers(1, 4), choice=st.integers(0, 3))
    def run_events(self, count: int, choice: int) -> None:
        self._run_events(count, choice)

    @step(choice=st.integers(0, 3))
    def run_one_event(self, choice: int) -> None:
        self.environment.event_queue.run_next(choice)

    @step(seconds=st.sampled_from((1, 5, 16, 61, 125)))
    def advance_time(self, seconds: int) -> None:
        self.environment.event_queue.advance(seconds)

    @precondition(lambda self: self.environment.held_webhooks)
    @step(index=indexes, again=st.booleans())
    def deliver_webhook(self, index: int, *, again: bool) -> None:
        held_webhooks = self.environment.held_webhooks
        message = held_webhooks[index % len(held_webhooks)]
        STATISTICS["webhooks late"] += (
            self.environment.event_queue.now > message.sent_at + timedelta(seconds=60)
        )
        STATISTICS["webhooks twice"] += again
        if not again:
            held_webhooks.remove(message)
        self.environment.deliver(message)

    @precondition(lambda self: self.environment.held_webhooks)
    @step(index=indexes)
    def lose_webhook(self, index: int) -> None:
        held_webhooks = self.environment.held_webhooks
        held_webhooks.pop(index % len(held_webhooks))
        self.environment.lost_webhooks += 1

    @precondition(lambda self: self.environment.held_webhooks)
    @step(index=indexes, age_seconds=st.sampled_from((301, -600, 0)))
    def deliver_stale_or_forged_webhook(self, index: int, age_seconds: int) -> None:
        message = self.environment.held_webhooks[index % len(self.environment.held_webhooks)]
        STATISTICS["webhooks stale or forged"] += 1
        signed_at = self.environment.event_queue.now - timedelta(seconds=age_seconds)
        secret = {} if age_seconds else {"secret": _WRONG_SECRET}
        self.environment.deliver(
            message, signed_at=signed_at, on_response=self.actors.check_refused, **secret
        )

    @precondition(lambda self: len(self.environment.held_webhooks) > 1)
    @step(index=indexes, other=indexes)
    def deliver_webhook_to_another_job(self, index: int, other: int) -> None:
        held_webhooks = self.environment.held_webhooks
        STATISTICS["webhooks for another job"] += 1
        self.environment.deliver(
            held_webhooks[index % len(held_webhooks)].addressed_to(
                held_webhooks[other % len(held_webhooks)].url
            )
        )

    @step(choice=st.integers(0, 1))
    def recover(self, choice: int) -> None:
        for _ in range(choice + 1):
            self.environment.recover()

    @step(first=recovery_calls, second=recovery_calls, seconds=st.sampled_from((1, 10)))
    def run_two_recoveries_at_once(self, first: int, second: int, seconds: int) -> None:
        self._run_two_recoveries(first, second, seconds)

    @precondition(lambda self: self.environment.states.executions)
    @step(index=indexes)
    def stop_an_execution_by_hand(self, index: int) -> None:
        executions = list(self.environment.states.executions.values())
        self.environment.states.stop(executions[index % len(executions)], "ABORTED")

    @precondition(lambda self: self.environment.states.executions)
    @step(
        index=indexes, first=recovery_calls, second=recovery_calls, seconds=st.sampled_from((1, 10))
    )
    def stop_an_execution_and_run_two_recoveries(
        self, index: int, first: int, second: int, seconds: int
    ) -> None:
        executions = [
            each for each in self.environment.states.executions.values() if each.is_running
        ]
        if executions:
            self.environment.states.stop(executions[index % len(executions)], "ABORTED")
            self.environment.event_queue.advance(FUNCTION_TIMEOUT_SECONDS_MAX + 1)
            self._run_two_recoveries(first, second, seconds)

    @step(responses=st.sampled_from(RESPONSES))
    def change_provider_responses(self, responses: str) -> None:
        self.environment.replicate.fault_profile.responses = responses

    @step(
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3),
        queue=st.sampled_from((0, 1, 400)),
        run=st.sampled_from((1, 3, 40, 400)),
    )
    def change_prediction_outcomes(self, outcomes: list[str], queue: float, run: float) -> None:
        fault_profile = self.environment.replicate.fault_profile
        fault_profile.outcomes = outcomes
        fault_profile.queue_seconds = queue
        fault_profile.run_seconds = run

    @step(count=st.integers(1, 2))
    def duplicate_next_creates(self, count: int) -> None:
        self.environment.replicate.fault_profile.duplicate_creates = count

    @step(
        files=st.sampled_from(("normal", "unavailable", "cut", "cut once")),
        visible_after=st.sampled_from((0, 0, 3, 20)),
    )
    def change_provider_visibility(self, files: str, visible_after: float) -> None:
        self.environment.replicate.fault_profile.files = files
        self.environment.replicate.fault_profile.visible_after_seconds = visible_after

    @step(
        function=st.sampled_from(FUNCTIONS),
        number=st.integers(0, 13),
        fault=faults,
        count=st.integers(1, 3),
    )
    def run_events_with_a_fault(self, function: str, number: int, fault: Fault, count: int) -> None:
        self._arm_fault(function, number, fault)
        self._run_events(count)

    @step(user=users, fault=pauses, arrives_late=st.booleans())
    def submit_with_a_slow_create(self, user: str, fault: Fault, *, arrives_late: bool) -> None:
        self.slow_creates.append(replace(fault, after=not arrives_late))
        self.actors.submit(user, key=None, outputs=1, callback=False)
        self._run_events(3)

    @step(user=users, number=st.integers(0, 3), fault=faults)
    def submit_with_a_fault(self, user: str, number: int, fault: Fault) -> None:
        self._arm_fault("api", number, fault)
        self.actors.submit(user, key="two", outputs=1, callback=False)

    @step(rate=st.sampled_from((0.0, 0.0, 0.2)))
    def change_write_error_rate(self, rate: float) -> None:
        self.error_rate = rate

    @step(function=st.sampled_from(STEPS), fault=st.sampled_from(("throttled", "response lost")))
    def fail_lambda(self, function: str, fault: str) -> None:
        self.environment.lambda_faults.setdefault(function, []).append(fault)

    @step(
        function=st.sampled_from(STEPS),
        number=st.sampled_from((0, 0, 1, 1, 2, 3, 5, 8)),
        seconds=st.sampled_from((2, 20)),
    )
    def run_a_step_twice_at_once(self, function: str, number: int, seconds: int) -> None:
        self._arm_fault(function, number, Fault(FaultKind.PAUSE, after=True, seconds=seconds))
        self.environment.lambda_faults.setdefault(function, []).append("response lost")
        self._run_events(3)

    def teardown(self) -> None:
        if not hasattr(self, "actors"):
            return
        try:
            self.armed_faults, self.slow_creates, self.error_rate = [], [], 0.0
            self.environment.lambda_faults = {}
            self.environment.webhooks = "sent"
            self.environment.replicate.fault_profile = FaultProfile()
            provider_state.resume("replicate")
            self._set_slots(SLOTS)
            self.environment.settle()
            self.actors.pause(paused=False)
            self.actors.repeat_all()
            self.environment.settle()
            self.promises.check_quiet()
            self.actors.check_quiet()
        finally:
            STATISTICS.add_environment(self.environment, self.promises.ended())
            self.limits.stop()
            self.activation.__exit__(None, None, None)

    def _set_slots(self, count: int) -> None:
        # The block of `activated` restores the variable.
        os.environ["PREDICTIONS_IN_FLIGHT_MAX"] = str(count)
        forget_settings()

    def _run_events(self, count: int, choice: int = 0) -> None:
        for _ in range(count):
            self.environment.event_queue.run_next(choice)

    def _run_two_recoveries(self, first: int, second: int, seconds: float) -> None:
        """Pause two recoveries, each at the call with its number. They continue in this order.

        A recovery with fewer calls does not pause.
        """
        self.armed_faults += (
            ("recover_jobs", index, Fault(FaultKind.PAUSE, after=True, seconds=seconds))
            for index in (first, second)
        )
        self.environment.recover()
        self.environment.recover()

    def _arm_fault(self, function: str, number: int, fault: Fault) -> None:
        """Add a fault at a call of the function's next invocation.

        `number` is reduced to the number of calls that its last invocation made.
        """
        lengths = (
            len(invocation.calls)
            for invocation in reversed(self.environment.invocations)
            if invocation.function == function and invocation.calls
        )
        self.armed_faults.append((function, number % next(lengths, _CALLS), fault))

    def check_promises(self) -> None:
        STATISTICS["checks of every promise"] += 1
        self.promises.check()

    def _fault_at(self, call: Call) -> Fault | None:
        if call.name == _CREATE and self.slow_creates:
            return self.slow_creates.pop(0)
        for armed_faults in self.armed_faults:
            function, number, fault = armed_faults
            if (function, number) == (call.function, call.number):
                self.armed_faults.remove(armed_faults)
                return fault
        if (
            call.name in _WRITES
            and self.error_rate
            and self.environment.rng.random() < self.error_rate
        ):
            return self.environment.rng.choice((CONFLICT, THROTTLED, LOST_RESPONSE, REPEAT))
        return None
