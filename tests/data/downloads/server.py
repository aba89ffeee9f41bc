"""A real HTTP server on 127.0.0.1 that does to a client what servers do: break, stall, redirect, lie, recover.

    with running() as server:
        server.play("/file", breaks(1000), serves)      # answers in turn, the last one for ever
        server.address("/file"), server.requests        # [(path, Range, If-Range), ...]

A behaviour is a function of the request's handler; `BODY` is the file that they serve, `OTHER` one of the same size.
"""

import contextlib
import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from evar.data.downloads.sources import RemoteFile

BODY = random.Random(5).randbytes(300_000)
OTHER = bytes(reversed(BODY))
SHA256 = hashlib.sha256(BODY).hexdigest()
OVER = threading.Event()  # set when a server closes, so that stalled answers end


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


class LocalServer(ThreadingHTTPServer):
    """On a free port of this machine. requests: what it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.requests = []

    def address(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def serving(server: LocalServer) -> Iterator[None]:
    """The server answers, in a thread, while the block runs."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Handler(QuietHandler):
    def do_GET(self):
        script = self.server.scripts[self.path]
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        self.server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        with contextlib.suppress(ConnectionError):
            behaviour(self)

    def begin(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


class Server(LocalServer):
    def __init__(self):
        super().__init__(Handler)
        self.scripts = {}

    def play(self, path, *behaviours: Callable[[Handler], None]) -> str:
        self.scripts[path] = list(behaviours)
        return self.address(path)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    OVER.clear()
    server = Server()
    with serving(server):
        try:
            yield server
        finally:
            OVER.set()


def file(body=BODY, *, etag='"one"', most=None, then=None, ranges=True, **headers):
    """Serve `body`, from where Range and If-Range ask; after `most` bytes of it do `then` instead of going on."""

    def serve(handler):
        start, asked = 0, re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        fresh = handler.headers.get("If-Range") in (None, etag)
        found = {"ETag": etag} if etag else {}
        if ranges and asked and fresh:
            start = int(asked[1])
            if start >= len(body):
                return handler.begin(416, Content_Range=f"bytes */{len(body)}", Content_Length=0)
            found["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        found |= {"Content_Length": len(body) - start, **headers}
        handler.begin(206 if start else 200, **found)
        handler.wfile.write(body[start:] if most is None else body[start : start + most])
        if then is not None:
            then(handler)
        return None

    return serve


def hang_up(handler):
    """Close the connection in the middle of an answer."""
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(2)


def hang(handler):
    """Say nothing more, and do not hang up."""
    handler.wfile.flush()
    OVER.wait(20)
    handler.close_connection = True


def breaks(most, **more):
    return file(most=most, then=hang_up, **more)


def stalls(most, **more):
    return file(most=most, then=hang, **more)


def status(code, **headers):
    return lambda handler: handler.begin(code, Content_Length=0, **headers)


def redirects(to):
    return status(302, Location=to)


def without_length(handler):
    """Without a length; the end of the connection is the end of the file."""
    handler.begin(200, Connection="close")
    handler.close_connection = True
    handler.wfile.write(BODY)


serves = file()


def remote(address, **facts):
    """`BODY` at this address, as sources.yaml would say it."""
    return RemoteFile.model_validate(
        {"name": "sounds.bin", "address": address, "checksum": f"sha256:{SHA256}", "provenance": "a test"} | facts
    )


def left(place):
    """Names of what lies beside `place`."""
    return sorted(path.name for path in place.parent.iterdir())
