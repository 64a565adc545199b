"""The values that Hypothesis chooses from for the steps of a random schedule."""

from hypothesis import strategies as st

from tests.simulation.calls import (
    CONFLICT,
    KILL_AFTER,
    KILL_BEFORE,
    LOST_RESPONSE,
    REPEAT,
    THROTTLED,
    Fault,
    FaultKind,
)

# From the first query to the last call for the first due job.
recovery_calls = st.integers(0, 10)
users = st.sampled_from(("ann", "bob", "eve"))
keys = st.sampled_from((None, None, "one", "two", "three"))
indexes = st.integers(0, 30)
pauses = st.sampled_from((1, 6, 20, 50, 130)).map(
    lambda seconds: Fault(FaultKind.PAUSE, after=True, seconds=seconds)
)
faults = st.one_of(
    st.sampled_from(
        (KILL_BEFORE, KILL_AFTER, KILL_AFTER, REPEAT, LOST_RESPONSE, CONFLICT, THROTTLED)
    ),
    pauses,
)
