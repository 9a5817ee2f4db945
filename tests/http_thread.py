"""An HTTP server on a thread of its own, for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def http_thread(
    handler: Callable[..., BaseHTTPRequestHandler], *, waits: bool = False
) -> Generator[str]:
    """The URL, without a slash at its end, of a server on a free port of this machine.

    With `waits` it ends only after every answer that is under way.
    """

    class Server(ThreadingHTTPServer):
        daemon_threads = not waits

    with Server(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()
