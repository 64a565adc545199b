"""Child processes that end when this process ends, even if this process is killed.

Every child leads its own session. So a Ctrl-C in the terminal does not reach the child, and the
session's id identifies all its descendants. A watchdog process has the list of the sessions, and
kills them when its standard input closes. If this process is killed, the operating system closes
the watchdog's input.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

_ENDING_SECONDS_MAX = 5.0


def end_session(session_id: int) -> None:
    """Kill every process of a session, and wait until all have ended.

    Ignores zombies: their parents must reap them. Raises TimeoutError if a process does not end.
    """
    deadline = time.monotonic() + _ENDING_SECONDS_MAX
    while members := list(_members(session_id)):
        # Kill children first: a child that outlives its parent for a moment would log an error.
        for process_id in sorted(members, reverse=True):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {members} of session {session_id} do not end")
        time.sleep(0.005)


def _members(session_id: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The format is "pid (name) state ppid pgrp session …". The name may contain any
            # character, also parentheses (man 5 proc_pid_stat).
            state, _, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(session) == session_id and state != "Z":
                yield int(entry.name)


class Watchdog:
    """Kills the watched sessions when this process ends."""

    def __init__(self) -> None:
        """Start the watchdog process, without sessions."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def watch(self, session_id: int) -> None:
        """Add a session to the list."""
        self._send(f"watch {session_id}")

    def forget(self, session_id: int) -> None:
        """Remove an ended session from the list."""
        self._send(f"forget {session_id}")

    def close(self) -> None:
        """Kill every watched session, and end the watchdog."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=2 * _ENDING_SECONDS_MAX)

    def _send(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the watchdog has no standard input")
        self._process.stdin.write(line + "\n")


def _watch(commands: TextIO) -> None:
    sessions: set[int] = set()
    for line in commands:
        command, session_id = line.split()
        if command == "watch":
            sessions.add(int(session_id))
        else:
            sessions.discard(int(session_id))
    for session in sessions:
        end_session(session)


def free_ports(count: int) -> list[int]:
    """Return unused ports of 127.0.0.1.

    Another process may use a port before the caller does. Then the caller must try again.
    """
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [opened.getsockname()[1] for opened in sockets]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch(sys.stdin)
