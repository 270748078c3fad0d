"""A relay between two programs on this machine: a connection that is slow, or that falls silent and stays open."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

PIECE = 16 * 2**10
SHORT = 0.05


class Relay:
    """Passes on what either side says; from `hush` on it passes nothing on, and closes nothing."""

    def __init__(self, to: int, pause: float = 0.0) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.to = to
        self.pause = pause
        """Seconds before each piece of at most 16 KiB."""
        self.passed = 0
        """Bytes so far, both ways."""
        self.silent_after: int | None = None
        """So many bytes are passed on, and no more."""
        self._ended = threading.Event()

    @property
    def silent(self) -> bool:
        """Whether it has stopped passing on."""
        return self.silent_after is not None and self.passed >= self.silent_after

    def hush(self, after: int = 0) -> None:
        """Fall silent after so many bytes more."""
        self.silent_after = self.passed + after

    @contextlib.contextmanager
    def running(self) -> Iterator[Relay]:
        """Relay until the block's end; what is open then is cut."""
        threads = [threading.Thread(target=self._accept)]
        threads[0].start()
        try:
            yield self
        finally:
            self._ended.set()
            threads[0].join()
            self.listening.close()

    def _accept(self) -> None:
        self.listening.settimeout(SHORT)
        with contextlib.ExitStack() as connections:
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    near, _ = self.listening.accept()
                    connections.callback(self._connected(near).join)

    def _connected(self, near: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=self._carry, args=(near,))
        thread.start()
        return thread

    def _carry(self, near: socket.socket) -> None:
        with (
            near,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.to)) as far,
            selectors.DefaultSelector() as ready,
        ):
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while ready.get_map() and not self._ended.is_set():
                if self.silent:
                    self._ended.wait(SHORT)
                    continue
                for key, _ in ready.select(SHORT):
                    self._pass_on(ready, key)

    def _pass_on(self, ready: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        assert isinstance(key.fileobj, socket.socket)
        self._ended.wait(self.pause)
        piece = key.fileobj.recv(PIECE)
        self.passed += len(piece)
        if piece:
            key.data.sendall(piece)
        else:
            ready.unregister(key.fileobj)
            key.data.shutdown(socket.SHUT_WR)
