"""Receivers on this machine that keep a request waiting, at each stage of its connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_DRIP_SECONDS = 0.02
_DRIPS = 500


@contextmanager
def receiver(respond: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Accept connections and call `respond` with each in a thread. Yields `127.0.0.1:port`."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                respond(connection, ended)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def drip(first: bytes, drop: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Return a response that sends `first`, then a drop every 20 ms for 10 seconds."""

    def respond(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(first)
        for _ in range(_DRIPS):
            if ended.wait(_DRIP_SECONDS):
                return
            connection.sendall(drop)

    return respond


def send_nothing(connection: socket.socket, ended: threading.Event) -> None:
    """Read nothing and send nothing."""
    ended.wait(10)


DRIPPED_HEADER = drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x")
DRIPPED_STATUS = drip(b"HTTP/1.1 2", b"0")
DRIPPED_BODY = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x")
DRIPPED_REDIRECT = drip(
    b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 1000000\r\n\r\n", b"x"
)


@contextmanager
def full_backlog() -> Iterator[str]:
    """A server that accepts no connection: connecting hangs. Yields `127.0.0.1:port`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(address)
            yield f"127.0.0.1:{address[1]}"
        finally:
            for each in waiting:
                each.close()
