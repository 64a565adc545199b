"""Runs a task in a child process, whose time and memory are limited.

A decoder of images cannot be interrupted while it is in C code, and can crash. A child process can
be killed, and its crash does not end the function.

Lambda has no shared memory for the locks and queues of `multiprocessing`, but has its processes and
pipes (aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda).
"""

from __future__ import annotations

import multiprocessing
import resource
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection

from darkroom.media.memory_limit import memory_limited

_EXIT_SECONDS = 1


class ChildTimeout(Exception):
    """The task took too long. Its process was killed."""


class ChildCrash(Exception):
    """The process of the task ended without a result. The message is its exit code."""


def run[Result](task: Callable[[], Result], *, seconds_max: float, memory_bytes_max: int) -> Result:
    """Run a task in a copy of this process, and return its result or raise its exception.

    `memory_bytes_max` limits the memory that the task allocates (see `memory_limited`). Beyond the
    limit, a library may also crash. Raises ChildTimeout and ChildCrash, too.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, task, memory_bytes_max), daemon=True)
    with warnings.catch_warnings():
        # Python warns if other threads run. The child only decodes and takes none of their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        if not receiver.poll(seconds_max):
            raise ChildTimeout
        outcome: Result | Exception = receiver.recv()
    except (EOFError, OSError):  # OSError: the process ended while it sent the result
        process.join(_EXIT_SECONDS)
        raise ChildCrash(str(process.exitcode)) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _serve[Result](sender: Connection, task: Callable[[], Result], memory_bytes_max: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with memory_limited(memory_bytes_max):
            outcome: Result | Exception = task()
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        outcome = error
    sender.send(outcome)
