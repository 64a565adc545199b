"""Schedules: what actors, the provider, AWS and the clock may do to the backend, in any order, with every promise looked at after each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from darkroom.domain.recovery import FUNCTION_TIMEOUT_SECONDS_MAX
from tests.simulation.actors import Actors
from tests.simulation.calls import (
    CONFLICT,
    KILL_AFTER,
    KILL_BEFORE,
    LOST_ANSWER,
    REPEAT,
    THROTTLED,
    Call,
    Fault,
    Kind,
)
from tests.simulation.environment import Environment
from tests.simulation.figures import Figures
from tests.simulation.promises import Promises
from tests.simulation.replicate_model import OUTCOMES, FaultProfile

FIGURES = Figures()
ENVIRONMENT = {"JOBS_IN_FLIGHT_MAX": "4", "PREDICTIONS_IN_FLIGHT_MAX": "3"}
STEPS = ("request_prediction", "store_output", "complete_job", "refund_job")
FUNCTIONS = ("api", "receive_prediction", *STEPS, "recover_jobs", "notify_client", "audit_accounts")
ANSWERS = (
    "well",
    "well",
    "well",
    "throttled",
    "creates throttled",
    "unavailable",
    "unavailable, but made",
    "refused",
    "lost",
)
_WRITES = ("dynamodb.UpdateItem", "dynamodb.TransactWriteItems")
_CREATE = "provider POST predictions"
# Of a function that was not invoked yet.
_CALLS = 4
_WRONG_SECRET = "whsec_bm90LXRoZS1zZWNyZXQtYXQtYWxs"

# From the first query to what is done about the first job that is due.
recovery_calls = st.integers(0, 10)
users = st.sampled_from(("ann", "bob", "eve"))
keys = st.sampled_from((None, None, "one", "two", "three"))
places = st.integers(0, 30)
pauses = st.sampled_from((1, 6, 20, 50, 130)).map(
    lambda seconds: Fault(Kind.PAUSE, after=True, seconds=seconds)
)
faults = st.one_of(
    st.sampled_from(
        (KILL_BEFORE, KILL_AFTER, KILL_AFTER, REPEAT, LOST_ANSWER, CONFLICT, THROTTLED)
    ),
    pauses,
)


def step(**given: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Make a rule of a method, after which every promise is looked at."""

    def make(act: Callable[..., None]) -> Any:
        @wraps(act)
        def act_and_look(schedule: Schedule, **chosen: Any) -> None:
            act(schedule, **chosen)
            FIGURES["steps"] += 1
            schedule.look()

        made: Any = rule
        return made(**given)(act_and_look)

    return make


class Schedule(RuleBasedStateMachine):
    """One environment, and one schedule of what happens in it."""

    @initialize(
        seed=st.integers(0, 2**16),
        webhooks=st.sampled_from(("sent", "kept", "kept", "lost")),
        welcome_credits=st.sampled_from((0, 0, 30)),
    )
    def begin(self, seed: int, webhooks: str, welcome_credits: int) -> None:
        self.environment = Environment(seed=seed, fault_at=self._fault_at)
        self.environment.webhooks = webhooks
        self.armed: list[tuple[str, int, Fault]] = []
        self.slow_creates: list[Fault] = []
        self.error_share = 0.0
        self.promises = Promises(self.environment)
        self.environment.event_queue.watch = self.look
        self.stage = self.environment.activated(**ENVIRONMENT, WELCOME_CREDITS=str(welcome_credits))
        self.stage.__enter__()
        self.actors = Actors(self.environment, welcome_credits=welcome_credits)
        for user, opening in (("ann", 60), ("bob", 200)):
            self.actors.open_account(user, opening)
        self.actors.submit("ann", key="one", outputs=2, callback=True)

    @step(user=users, key=keys, outputs=st.sampled_from((1, 1, 2, 3)), callback=st.booleans())
    def submit(self, user: str, key: str | None, outputs: int, *, callback: bool) -> None:
        self.actors.submit(user, key=key, outputs=outputs, callback=callback)

    @step(place=places)
    def submit_again(self, place: int) -> None:
        self.actors.submit_again(place)

    @step(place=places)
    def run_again(self, place: int) -> None:
        self.actors.run_again(place)

    @step(
        user=users,
        reference=st.sampled_from(("gift", "present", "mistake")),
        amount=st.sampled_from((20, 40, -30)),
    )
    def give_or_take_back(self, user: str, reference: str, amount: int) -> None:
        self.actors.give(user, reference, amount)

    @step(paused=st.sampled_from((False, False, True)))
    def pause_or_go_on(self, *, paused: bool) -> None:
        self.actors.pause(paused=paused)

    @step()
    def audit(self) -> None:
        self.environment.invoke("audit_accounts", {})

    @step(place=places)
    def cancel(self, place: int) -> None:
        self.actors.cancel(place)

    @step(place=places)
    def delete(self, place: int) -> None:
        self.actors.delete(place)

    @step(user=users, place=places)
    def look_for_somebody_elses(self, user: str, place: int) -> None:
        self.actors.read(user, place)

    @step(user=users)
    def list_jobs(self, user: str) -> None:
        self.actors.list(user)

    @step(count=st.integers(1, 4), choice=st.integers(0, 3))
    def let_things_happen(self, count: int, choice: int) -> None:
        self._run(count, choice)

    @step(choice=st.integers(0, 3))
    def let_one_thing_happen(self, choice: int) -> None:
        self.environment.event_queue.run_next(choice)

    @step(seconds=st.sampled_from((1, 5, 16, 61, 125)))
    def let_time_pass(self, seconds: int) -> None:
        self.environment.event_queue.pass_seconds(seconds)

    @precondition(lambda self: self.environment.pool)
    @step(place=places, again=st.booleans())
    def deliver(self, place: int, *, again: bool) -> None:
        pool = self.environment.pool
        message = pool[place % len(pool)]
        FIGURES["webhooks late"] += self.environment.event_queue.now > message.sent_at + timedelta(
            seconds=60
        )
        FIGURES["webhooks twice"] += again
        if not again:
            pool.remove(message)
        self.environment.deliver(message)

    @precondition(lambda self: self.environment.pool)
    @step(place=places)
    def lose(self, place: int) -> None:
        pool = self.environment.pool
        pool.pop(place % len(pool))
        self.environment.lost_webhooks += 1

    @precondition(lambda self: self.environment.pool)
    @step(place=places, age_seconds=st.sampled_from((301, -600, 0)))
    def deliver_stale_or_forged(self, place: int, age_seconds: int) -> None:
        message = self.environment.pool[place % len(self.environment.pool)]
        FIGURES["webhooks stale or forged"] += 1
        signed_at = self.environment.event_queue.now - timedelta(seconds=age_seconds)
        secret = {} if age_seconds else {"secret": _WRONG_SECRET}
        self.environment.deliver(
            message, signed_at=signed_at, over=self.actors.must_be_refused, **secret
        )

    @precondition(lambda self: len(self.environment.pool) > 1)
    @step(place=places, other=places)
    def deliver_to_another_job(self, place: int, other: int) -> None:
        pool = self.environment.pool
        FIGURES["webhooks for another job"] += 1
        self.environment.deliver(pool[place % len(pool)].addressed_to(pool[other % len(pool)].url))

    @step(choice=st.integers(0, 1))
    def recover(self, choice: int) -> None:
        for _ in range(choice + 1):
            self.environment.recover()

    @step(first=recovery_calls, second=recovery_calls, seconds=st.sampled_from((1, 10)))
    def recover_twice_at_once(self, first: int, second: int, seconds: int) -> None:
        self._recover_twice(first, second, seconds)

    @precondition(lambda self: self.environment.states.executions)
    @step(place=places)
    def stop_an_execution_by_hand(self, place: int) -> None:
        executions = list(self.environment.states.executions.values())
        self.environment.states.stop(executions[place % len(executions)], "ABORTED")

    @precondition(lambda self: self.environment.states.executions)
    @step(
        place=places, first=recovery_calls, second=recovery_calls, seconds=st.sampled_from((1, 10))
    )
    def stop_an_execution_and_recover_twice_at_once(
        self, place: int, first: int, second: int, seconds: int
    ) -> None:
        executions = [
            each for each in self.environment.states.executions.values() if each.is_running
        ]
        if executions:
            self.environment.states.stop(executions[place % len(executions)], "ABORTED")
            self.environment.event_queue.pass_seconds(FUNCTION_TIMEOUT_SECONDS_MAX + 1)
            self._recover_twice(first, second, seconds)

    @step(answers=st.sampled_from(ANSWERS))
    def change_how_the_provider_answers(self, answers: str) -> None:
        self.environment.replicate.fault_profile.answers = answers

    @step(
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3),
        queue=st.sampled_from((0, 1, 400)),
        run=st.sampled_from((1, 3, 40, 400)),
    )
    def change_what_becomes_of_predictions(
        self, outcomes: list[str], queue: float, run: float
    ) -> None:
        fault_profile = self.environment.replicate.fault_profile
        fault_profile.outcomes, fault_profile.queue_seconds, fault_profile.run_seconds = (
            outcomes,
            queue,
            run,
        )

    @step(count=st.integers(1, 2))
    def let_the_provider_make_two_of_one(self, count: int) -> None:
        self.environment.replicate.fault_profile.doubles = count

    @step(
        files=st.sampled_from(("well", "unavailable")), shows_after=st.sampled_from((0, 0, 3, 20))
    )
    def change_what_the_provider_shows(self, files: str, shows_after: float) -> None:
        self.environment.replicate.fault_profile.files = files
        self.environment.replicate.fault_profile.shows_after_seconds = shows_after

    @step(
        function=st.sampled_from(FUNCTIONS),
        number=st.integers(0, 13),
        fault=faults,
        count=st.integers(1, 3),
    )
    def let_things_happen_with_a_fault(
        self, function: str, number: int, fault: Fault, count: int
    ) -> None:
        self._arm(function, number, fault)
        self._run(count)

    @step(user=users, fault=pauses, arrives_late=st.booleans())
    def submit_with_a_slow_create(self, user: str, fault: Fault, *, arrives_late: bool) -> None:
        self.slow_creates.append(replace(fault, after=not arrives_late))
        self.actors.submit(user, key=None, outputs=1, callback=False)
        self._run(3)

    @step(user=users, number=st.integers(0, 3), fault=faults)
    def submit_with_a_fault(self, user: str, number: int, fault: Fault) -> None:
        self._arm("api", number, fault)
        self.actors.submit(user, key="two", outputs=1, callback=False)

    @step(share=st.sampled_from((0.0, 0.0, 0.2)))
    def change_how_often_writes_fail(self, share: float) -> None:
        self.error_share = share

    @step(function=st.sampled_from(STEPS), fault=st.sampled_from(("throttles", "answer")))
    def fail_lambda(self, function: str, fault: str) -> None:
        self.environment.lambda_faults.setdefault(function, []).append(fault)

    @step(
        function=st.sampled_from(STEPS),
        number=st.sampled_from((0, 0, 1, 1, 2, 3, 5, 8)),
        seconds=st.sampled_from((2, 20)),
    )
    def let_a_step_run_twice_at_once(self, function: str, number: int, seconds: int) -> None:
        self._arm(function, number, Fault(Kind.PAUSE, after=True, seconds=seconds))
        self.environment.lambda_faults.setdefault(function, []).append("answer")
        self._run(3)

    def teardown(self) -> None:
        if not hasattr(self, "actors"):
            return
        try:
            self.armed, self.slow_creates, self.error_share = [], [], 0.0
            (
                self.environment.lambda_faults,
                self.environment.webhooks,
                self.environment.replicate.fault_profile,
            ) = {}, "sent", FaultProfile()
            self.environment.settle()
            self.actors.pause(paused=False)
            self.actors.repeat_all()
            self.environment.settle()
            self.promises.check_quiet()
            self.actors.check_quiet()
        finally:
            FIGURES.add_environment(self.environment, self.promises.ended())
            self.stage.__exit__(None, None, None)

    def _run(self, count: int, choice: int = 0) -> None:
        for _ in range(count):
            self.environment.event_queue.run_next(choice)

    def _recover_twice(self, first: int, second: int, seconds: float) -> None:
        """Hold up a recovery at its first and another one at its second place, if they come so far; they go on in this order."""
        self.armed += (
            ("recover_jobs", place, Fault(Kind.PAUSE, after=True, seconds=seconds))
            for place in (first, second)
        )
        self.environment.recover()
        self.environment.recover()

    def _arm(self, function: str, number: int, fault: Fault) -> None:
        """Have a fault at a call of the function's next invocation, one of those that the last one made."""
        lengths = (
            len(invocation.calls)
            for invocation in reversed(self.environment.invocations)
            if invocation.function == function and invocation.calls
        )
        self.armed.append((function, number % next(lengths, _CALLS), fault))

    def look(self) -> None:
        FIGURES["looks at every promise"] += 1
        self.promises.check()

    def _fault_at(self, call: Call) -> Fault | None:
        if call.name == _CREATE and self.slow_creates:
            return self.slow_creates.pop(0)
        for armed in self.armed:
            function, number, fault = armed
            if (function, number) == (call.function, call.number):
                self.armed.remove(armed)
                return fault
        if (
            call.name in _WRITES
            and self.error_share
            and self.environment.rng.random() < self.error_share
        ):
            return self.environment.rng.choice((CONFLICT, THROTTLED, LOST_ANSWER, REPEAT))
        return None
