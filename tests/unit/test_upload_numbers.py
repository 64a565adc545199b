"""The budget of an upload's conversion fits into the function that converts it."""

from __future__ import annotations

from tests.unit.number_sources import aws_call, setting, template, timeout

# What Python, the libraries and the file itself need besides the conversion.
FUNCTION_BYTES = 400_000_000


def test_a_slow_file_is_refused_before_the_function_times_out() -> None:
    seconds = setting("input_seconds_max") + aws_call("_BRIEF")

    assert seconds.value < timeout("PrepareUploadFunction").value


def test_a_large_file_does_not_end_the_execution_environment() -> None:
    memory = template("PrepareUploadFunction", "MemorySize").value * (1 << 20)

    assert setting("input_memory_bytes_max").value + FUNCTION_BYTES < memory
