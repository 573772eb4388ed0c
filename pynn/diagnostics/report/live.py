"""A server for one page that follows runs: on this machine only, under an address that holds a secret."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .. import run_folder, sources
from . import page

REST = 20.0  # times the processor time that reading the folders and the page take: the training needs the processor
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Live:
    """Serves the page on these folders of runs at `url`, until `close`.

    It answers only requests that know the token in the URL and name this machine as their host: neither other users nor
    pages of other sites, which may reach 127.0.0.1 through the browser, get anything. No file is ever served.
    ValueError or OSError, before it begins, if a folder is not that of a run.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        self._folders = [os.fspath(folder) for folder in folders]
        self._lock = threading.Lock()
        self._version, self._main, self._running = "", "", False
        self._alive: tuple[bool, ...] = ()
        self._rested = 0.0  # when the folders may be read again
        self.token = secrets.token_urlsafe(24)
        self._refresh()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.live = self
        self.port: int = self._server.server_address[1]
        self.hosts = (f"127.0.0.1:{self.port}", f"localhost:{self.port}")
        self.url = f"http://127.0.0.1:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Answer requests until `close` is called in another thread, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()

    def page(self) -> bytes:
        """The whole page, as it is now."""
        found = [sources.of(folder) for folder in self._folders]
        return page.html(found, live=f"/{self.token}/news").encode()

    def news(self, version: str) -> bytes:
        """What is inside the page, as JSON, if it is not the version that the browser has."""
        with self._lock:
            self._refresh()
            news: dict[str, Any] = {"version": self._version, "state": "running" if self._running else "ended"}
            if version != self._version:
                news["main"] = self._main
        return json.dumps(news).encode()

    def _refresh(self) -> None:
        """Read the folders again if they have changed; the old state stays while one is being replaced."""
        alive = tuple(map(run_folder.in_use, self._folders))
        if time.monotonic() < self._rested and alive == self._alive:
            return
        began = time.thread_time()
        version = f"{hash((alive, *map(run_folder.version, self._folders))):x}"
        if version == self._version:
            return
        try:
            found = [sources.of(folder) for folder in self._folders]
        except (ValueError, OSError):
            if not self._main:
                raise
            return
        self._version, self._main, self._alive = version, page.main(found), alive
        self._rested = time.monotonic() + REST * (time.thread_time() - began)
        self._running = any(source.state == "running" for source in found)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    live: Live

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "pynn", ""
    timeout = 10

    def do_GET(self) -> None:
        live = self.server.live
        if self.headers.get("Host", "") not in live.hosts:
            self._answer(403, b"forbidden\n", "text/plain")
            return
        path, _, query = self.path.partition("?")
        token, _, rest = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), live.token.encode()):
            self._answer(404, b"not found\n", "text/plain")
        elif rest == "":
            self._send(live.page, "text/html; charset=utf-8")
        elif rest == "news":
            version = query.removeprefix("version=")
            self._send(lambda: live.news(version), "application/json")
        else:
            self._answer(404, b"not found\n", "text/plain")

    do_HEAD = do_GET

    def _send(self, content: Any, kind: str) -> None:
        try:
            body = content()
        except (ValueError, OSError):  # the folder is being replaced
            self._answer(503, b"the run cannot be read at the moment\n", "text/plain")
            return
        self._answer(200, body, kind)

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged: the address holds the token."""
