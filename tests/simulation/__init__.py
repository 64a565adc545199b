"""Deterministic simulation tests: the whole backend in one process, with injected faults.

A deterministic simulation replaces everything that a program cannot control: the clock, random
numbers, the network and the scheduler. The same input then gives the same run, step by step. Tests
can crash the program at any point, and a failure that was found once is found again.

The parts:

- `environment.Environment` runs the handlers of `functions/` unchanged, in memory.
- `patching` replaces time, randomness, boto3, httpx and requests with the parts below.
- `event_queue.EventQueue` is the virtual clock. Nothing sleeps: time moves to the next event.
- `cloud`, `memory_table` and `interpreter` replace AWS; `replicate_model` replaces Replicate.
- `invocations` runs each handler on a thread that stops and continues only on command.
- `calls` names every external call of a handler and describes the faults that a call can meet.
- `promises` checks the invariants after each event, from the table, the bucket and the provider.

A run of `run_scenario`: create an environment, patch it in, let the scenario's user act, process
the events until nothing is scheduled. Check the promises after each event and at the end.
`test_crashes` kills an invocation at each of its calls, `test_overtakes` runs a second invocation
at each of them, and `test_schedules` lets Hypothesis choose users, faults and the order of events.
`test_races*` and `test_conflicts` use DynamoDB Local and moto instead, and `chaos` the local stack.

To reproduce a failure: a crash test names the call, and its fault is the only one of that run.
A failed schedule prints its steps. A failed `make soak` prints the command for its seed.

To add a scenario, append a `Scenario` to `scenarios.SCENARIOS`: a name, a function that acts as the
user, and the statuses in which its jobs must end. The crash and overtake tests then run it.
"""
