"""The live report's server: for this machine and those who know the token, one page and nothing else."""

from __future__ import annotations

import http.client
import json
import threading
from importlib import import_module

import pytest
import watched_runs

from pynn.diagnostics.report.live import Live
from pynn.saving.filelocks import FolderLock


@pytest.fixture
def folder(tmp_path):
    watched_runs.watched(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def live(folder, monkeypatch):
    monkeypatch.setattr(import_module("pynn.diagnostics.report.live"), "REST", 0.0)
    server = Live([folder])
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.close()
    thread.join()


def asked(live, path, *, method="GET", host=None, **headers):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", f"127.0.0.1:{live.port}" if host is None else host)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), body


def test_the_page_and_its_news(live):
    status, headers, body = asked(live, f"/{live.token}/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert b"Ended as planned" in body
    status, _, body = asked(live, f"/{live.token}/news?version=")
    news = json.loads(body)
    assert status == 200
    assert news["state"] == "ended"
    assert "Ended as planned" in news["main"]
    again = json.loads(asked(live, f"/{live.token}/news?version={news['version']}")[2])
    assert again == {"version": news["version"], "state": "ended"}


def test_what_a_page_needs_is_computed_once(live, monkeypatch):
    """Beside a training, eigenvalues take seconds: threads of LAPACK wait for each other."""
    monkeypatch.setattr(import_module("pynn.diagnostics.reference"), "_computed", None)
    assert asked(live, f"/{live.token}/")[0] == 200


def test_it_listens_on_this_machine_only(live):
    assert live._server.server_address[0] == "127.0.0.1"
    assert live.url == f"http://127.0.0.1:{live.port}/{live.token}/"
    assert len(live.token) >= 32


def test_every_server_has_a_token_and_a_port_of_its_own(live, folder):
    other = Live([folder])
    assert other.token != live.token
    assert other.port != live.port
    other._server.server_close()


@pytest.mark.parametrize(
    "path",
    [
        "/", "/run.json", "/{wrong}/", "/{token}x/", "/{token}/run.json", "/{token}/../run.json", "/{token}//",
        "/{token}/news/", "/{token}/%2e%2e/run.json", "/news", "/{short}/", "http://127.0.0.1/{wrong}/",
    ],
)  # fmt: skip
def test_other_paths_are_not_found(live, path):
    filled = path.format(token=live.token, wrong="a" * len(live.token), short=live.token[:-1])
    status, headers, body = asked(live, filled)
    assert (status, body) == (404, b"not found\n")
    assert live.token not in str(headers)


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "localhost", "evil.com:80", "", "127.0.0.1:1"])
def test_other_hosts_are_refused(live, host):
    """A site whose name is made to lead to 127.0.0.1 sends its own name."""
    for path in (f"/{live.token}/", f"/{live.token}/news", "/"):
        assert asked(live, path, host=host)[0] == 403


def test_localhost_is_this_machine(live):
    assert asked(live, f"/{live.token}/", host=f"localhost:{live.port}")[0] == 200


def test_nothing_can_be_sent(live):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert asked(live, f"/{live.token}/", method=method)[0] == 501
    status, headers, body = asked(live, f"/{live.token}/", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


def test_it_follows_the_folder(live, folder):
    first = json.loads(asked(live, f"/{live.token}/news")[2])
    watched_runs.watched(folder, epochs=5)
    news = json.loads(asked(live, f"/{live.token}/news?version={first['version']}")[2])
    assert news["version"] != first["version"]
    assert "5 epochs" in news["main"]


def test_it_says_whether_the_run_goes_on_or_was_killed(live, folder):
    events = folder / "events.jsonl"
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:-1]))
    lock = FolderLock(folder, "run")
    news = json.loads(asked(live, f"/{live.token}/news")[2])
    assert news["state"] == "running"
    assert "Still running" in news["main"]
    lock.release()
    news = json.loads(asked(live, f"/{live.token}/news?version={news['version']}")[2])
    assert news["state"] == "ended"
    assert "The run was killed" in news["main"]


def test_a_folder_that_cannot_be_read_for_a_moment(live, folder):
    before = json.loads(asked(live, f"/{live.token}/news")[2])
    content = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(b"{")
    assert json.loads(asked(live, f"/{live.token}/news?version={before['version']}")[2])["version"] == before["version"]
    assert asked(live, f"/{live.token}/")[0] == 503
    (folder / "run.json").write_bytes(content)
    assert asked(live, f"/{live.token}/")[0] == 200


def test_it_rests_between_two_reads_while_the_run_goes_on(live, folder, monkeypatch):
    monkeypatch.setattr(import_module("pynn.diagnostics.report.live"), "REST", 1e9)
    watched_runs.watched(folder, epochs=5)
    first = json.loads(asked(live, f"/{live.token}/news")[2])
    watched_runs.watched(folder, epochs=6)
    assert "main" not in json.loads(asked(live, f"/{live.token}/news?version={first['version']}")[2])


def test_what_is_no_run_is_told_before_it_serves(tmp_path):
    with pytest.raises(ValueError, match=r"it has no run\.json"):
        Live([tmp_path])
