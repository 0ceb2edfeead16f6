"""The door of `act`: what is taken once, and each attack on it, over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import bcrypt
import pytest
import yaml

from tests.support.acting import TOKEN, Act, Receiver, actions_file, alert, message, until
from tests.support.commands import exporter


class Site(NamedTuple):
    """The program and what it calls."""

    act: Act
    receiver: Receiver

    def metric(self, name: str) -> float:
        lines = self.act.ask("/metrics", user="anna")[1].splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def waiting(self, action: str) -> dict[str, Any]:
        """Return the one thing of an action that waits for people."""
        found: list[dict[str, Any]] = []

        def asked() -> bool:
            found[:] = json.loads(self.act.ask("/approvals", user="carl", Accept="application/json")[1])
            return any(item["action"] == action for item in found)

        until(asked)
        return next(item for item in found if item["action"] == action)

    def kinds(self, action: str, number: int) -> list[str]:
        return [entry.kind for entry in self.act.entries(action=action, fingerprint=f"{number:016x}")]


def web_config(folder: Path) -> Path:
    users = {
        name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in ("anna", "ben", "carl")
    }
    (folder / "web.yaml").write_text(yaml.safe_dump({"basic_auth_users": users}))
    return folder / "web.yaml"


def calling(name: str, alertname: str, http: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an action that calls HTTP; ``http``: its URL, or all of it."""
    call = http if isinstance(http, dict) else {"url": http}
    return {"name": name, "alert": {"alertname": alertname}, "http": call, **more}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("act")
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "secret").write_text("deployers-token\n")
    with Receiver() as receiver:
        body = {"to": "{{ labels.baseline }}", "since": ["{{startsAt}}", 1, None]}
        url = f"{receiver.url}/roll-back/{{{{ labels.model }}}}"
        both = {"by": ["anna", "ben"]}
        file = actions_file(
            folder,
            calling("roll-back", "Bad", {"url": url, "body": body, "tokenFile": "secret"}),
            calling("storm", "Storm", f"{receiver.url}/storm"),
            calling("ask", "Ask", f"{receiver.url}/ask", approval=both),
            calling("ask-two", "AskTwo", f"{receiver.url}/ask-two", approval={**both, "people": 2}),
            calling("ask-briefly", "AskBriefly", receiver.url, approval={"by": ["anna"], "within": "1ms"}),
            tokenFile="token",
        )
        with Act(folder, file, "--web.config.file", web_config(folder)) as act:
            yield Site(act, receiver)


def test_alert_acts_once(site: Site) -> None:
    bad = alert("Bad", baseline="1")
    assert site.act.send(bad) == (200, "Recorded.\n")
    until(lambda: "acted" in site.kinds("roll-back", 1))
    site.act.send(bad, bad)
    site.act.send(alert("Bad", status="resolved", baseline="1"), alert("Other", 2))
    (call,) = site.receiver.to("/roll-back/fraud")
    assert call.method == "POST"
    assert call.body == {"to": "1", "since": [bad["startsAt"], 1, None]}
    assert call.headers["Authorization"] == "Bearer deployers-token"
    assert call.headers["Idempotency-Key"] == f"roll-back-{bad['fingerprint']}-{bad['startsAt']}"
    assert site.kinds("roll-back", 1) == ["attempt", "acted"]
    assert [entry.kind for entry in site.act.entries(alert="Bad", action="")] == ["firing", "resolved"]
    logged = [line for line in site.act.lines() if line.get("action") == "roll-back"]
    assert [line["msg"] for line in logged] == ["attempt", "acted"]
    assert site.metric('ml_actions_total{action="roll-back",outcome="acted"}') == 1
    assert site.metric('ml_actions_total{action="roll-back",outcome="failed"}') == 0


def test_storm_of_repeats_acts_once(site: Site) -> None:
    storm = [alert("Storm", 7)] * 1000
    for _ in range(3):
        assert site.act.send(*storm)[0] == 200
    until(lambda: site.kinds("storm", 7) == ["attempt", "acted"])
    assert len(site.receiver.to("/storm")) == 1


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer wrong", f"Basic {TOKEN}", "Basic YW5uYTphbm5h", "Bearer "],
    ids=["none", "wrong", "scheme", "person", "empty"],
)
def test_alert_without_the_token_is_refused(site: Site, authorization: str) -> None:
    before = site.metric('ml_action_requests_total{outcome="unauthorized"}')
    code, _ = site.act.ask("/alerts", message(alert("Bad", 66)), Authorization=authorization)
    assert code == 401
    assert not site.act.entries(fingerprint=f"{66:016x}")
    assert site.metric('ml_action_requests_total{outcome="unauthorized"}') == before + 1
    assert any(line["level"] == "warn" and "expected a token" in line["msg"] for line in site.act.lines())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\xff{", 400),
        (b'{"version": "3", "alerts": []}', 400),
        (message({**alert("Bad"), "status": "maybe"}), 400),
        (message({**alert("Bad"), "startsAt": "yesterday"}), 400),
        (message({**alert("Bad"), "fingerprint": "../../x"}), 400),
        (message({**alert("Bad"), "labels": {"alertname": 1}}), 400),
        (message(alert("Bad", team="TEAM")).replace(b"TEAM", b"\\ud800"), 400),
        (message(*[alert("Bad")] * 1001), 400),
        (b"[" * 100_000, 400),
        (b" " * ((1 << 20) + 1), 413),
    ],
    ids=[
        *("empty", "list", "bytes", "version", "status", "time"),
        *("print", "labels", "surrogate", "many", "deep", "huge"),
    ],
)
def test_malformed_message_is_refused_and_counted(site: Site, body: bytes, code: int) -> None:
    outcome = "malformed" if code == 400 else "too_large"
    before = site.metric(f'ml_action_requests_total{{outcome="{outcome}"}}')
    assert site.act.ask("/alerts", body, Authorization=f"Bearer {TOKEN}")[0] == code
    assert site.metric(f'ml_action_requests_total{{outcome="{outcome}"}}') == before + 1


def test_body_that_a_page_of_another_site_may_send_is_refused(site: Site) -> None:
    answer = site.act.ask(
        "/alerts", message(alert("Bad", 67)), Authorization=f"Bearer {TOKEN}", Content_Type="text/plain"
    )
    assert answer[0] == 415


def test_body_without_an_end_is_refused(site: Site) -> None:
    host = urlsplit(site.act.url)
    assert host.hostname is not None
    assert host.port is not None
    head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host.hostname, host.port), timeout=60) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        assert b" 411 " in connection.recv(1000)


def test_approved_action_is_called(site: Site) -> None:
    site.act.send(alert("Ask", 11))
    waiting = site.waiting("ask")
    assert waiting["call"] == {"method": "POST", "url": f"{site.receiver.url}/ask", "body": None}
    assert not site.receiver.to("/ask")
    page = site.act.ask("/approvals", user="anna")
    assert page[0] == 200
    assert waiting["id"] in page[1]
    assert site.act.decide(waiting["id"], "carl")[0] == 403
    assert site.act.decide(waiting["id"], "anna") == (200, "Approved by 1 of 1.\n")
    until(lambda: "acted" in site.kinds("ask", 11))
    # A replay.
    assert site.act.decide(waiting["id"], "anna")[0] == 409
    assert site.act.decide(waiting["id"], "ben", "reject")[0] == 409
    site.act.send(alert("Ask", 11))
    assert len(site.receiver.to("/ask")) == 1
    refused = site.act.entries(action="ask", kind="refused", fingerprint=f"{11:016x}")
    assert [entry.who for entry in refused] == ["carl", "anna", "ben"]


def test_two_people_are_two(site: Site) -> None:
    site.act.send(alert("AskTwo", 12))
    waiting = site.waiting("ask-two")
    assert site.act.decide(waiting["id"], "anna") == (200, "Approved by 1 of 2.\n")
    assert site.act.decide(waiting["id"], "anna")[0] == 409
    assert not site.receiver.to("/ask-two")
    assert site.act.decide(waiting["id"], "ben") == (200, "Approved by 2 of 2.\n")
    until(lambda: "acted" in site.kinds("ask-two", 12))


def test_rejected_action_is_not_called(site: Site) -> None:
    site.act.send(alert("AskTwo", 13))
    waiting = site.waiting("ask-two")
    site.act.decide(waiting["id"], "anna")
    assert site.act.decide(waiting["id"], "ben", "reject") == (200, "Rejected.\n")
    site.act.send(alert("AskTwo", 13), alert("Storm", 14))
    # Decided one after another: the first is, when the second is.
    until(lambda: "acted" in site.kinds("storm", 14))
    assert site.kinds("ask-two", 13) == ["waiting", "approved", "refused"]


def test_approval_of_an_alert_that_is_over_is_refused(site: Site) -> None:
    site.act.send(alert("Ask", 15))
    waiting = site.waiting("ask")
    site.act.send(alert("Ask", 15, "resolved"))
    assert site.act.decide(waiting["id"], "anna")[0] == 409
    assert site.kinds("ask", 15) == ["waiting", "refused"]


def test_expired_approval_is_refused_and_recorded(site: Site) -> None:
    site.act.send(alert("AskBriefly", 16))
    until(lambda: "waiting" in site.kinds("ask-briefly", 16))
    (entry,) = site.act.entries(action="ask-briefly", kind="waiting")
    code, _ = site.act.decide(json.loads(entry.detail)["id"], "anna")
    # 409, where the program itself was faster.
    assert code in (409, 410)
    assert site.kinds("ask-briefly", 16) == ["waiting", "expired", "refused"]


def test_id_cannot_be_guessed(site: Site) -> None:
    assert site.act.decide("AAAAAAAAAAAAAAAAAAAAAA", "anna")[0] == 404
    assert site.act.decide("", "anna")[0] == 404


def test_decision_needs_a_person(site: Site) -> None:
    site.act.send(alert("Ask", 17))
    waiting = site.waiting("ask")
    assert site.act.decide(waiting["id"], "")[0] == 401
    assert site.act.decide(waiting["id"], "", Authorization=f"Bearer {TOKEN}")[0] == 401
    assert site.act.ask("/approvals")[0] == 401
    assert site.kinds("ask", 17) == ["waiting"]
    site.act.decide(waiting["id"], "anna", "reject")


def test_decision_from_another_site_is_refused(site: Site) -> None:
    site.act.send(alert("Ask", 18))
    path, form = f"/approvals/{site.waiting('ask')['id']}", "application/x-www-form-urlencoded"
    body = b"decision=approve"
    assert site.act.ask(path, body, "anna", Content_Type=form)[0] == 415
    assert site.act.ask(path, body, "anna", Content_Type=form, Origin="https://evil.example")[0] == 403
    assert site.act.ask(path, body, "anna", Content_Type=form, Origin="null")[0] == 403
    assert site.kinds("ask", 18) == ["waiting"]
    assert site.act.ask(path, b"{}", "anna")[0] == 400
    assert site.act.ask(path, body, "anna", Content_Type=form, Origin=site.act.url)[0] == 303
    until(lambda: "acted" in site.kinds("ask", 18))


def test_label_is_no_markup(site: Site) -> None:
    site.act.send(alert("Ask", 19, model="<script>alert(1)</script>"))
    waiting = site.waiting("ask")
    page = site.act.ask("/approvals", user="anna")[1]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "approved by nobody yet; needs 1 of anna" in page
    site.act.decide(waiting["id"], "anna", "reject")


def test_other_pages(site: Site) -> None:
    assert site.act.ask("/-/healthy", user="anna")[0] == 200
    assert site.act.ask("/-/ready", user="anna")[0] == 200
    assert site.act.ask("/other", user="anna")[0] == 404
    assert site.act.ask("/other", b"")[0] == 404
    assert site.act.ask("/metrics")[0] == 401


def test_second_process_is_refused(site: Site, tmp_path: Path) -> None:
    file = actions_file(tmp_path, calling("a", "A", "http://localhost"))
    done = exporter(
        "act", file, "--web.listen-address", "127.0.0.1:0", "--state-dir", site.act.state, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith("in use by another process; give each a --state-dir of its own\n")


def test_kill_between_intent_and_record(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.status = dict.fromkeys(("/once", "/again"), 0)
        call = {"url": f"{receiver.url}/once", "timeout": "1m"}
        again = {"url": f"{receiver.url}/again", "timeout": "1m"}
        file = actions_file(
            tmp_path, calling("once", "Once", call), calling("again", "Again", again, idempotent=True)
        )
        with Act(tmp_path, file) as act:
            act.send(alert("Once"), alert("Again", 2))
            until(lambda: receiver.to("/once"))
            act.kill()
        receiver.status = {}
        with Act(tmp_path, file) as act:
            # What was taken and not begun is called after the start, what may have been done is not.
            until(lambda: act.entries(action="again", kind="acted"))
            (failed,) = act.entries(action="once", kind="failed")
            assert "outcome unknown" in json.loads(failed.detail)["reason"]
            act.send(alert("Once"), alert("Again", 3))
            until(lambda: act.entries(action="again", kind="acted", fingerprint=f"{3:016x}"))
            assert len(receiver.to("/once")) == 1
            receiver.status = {"/again": 0}
            act.send(alert("Again", 4))
            until(lambda: len(receiver.to("/again")) == 3)
            act.kill()
        receiver.status = {}
        with Act(tmp_path, file) as act:
            until(lambda: act.entries(action="again", kind="acted", fingerprint=f"{4:016x}"))
        keys = [called.headers["Idempotency-Key"] for called in receiver.to("/again")]
        assert keys[2] == keys[3]


@pytest.mark.parametrize(
    "address",
    [":0", "0.0.0.0:0", "example.org:0"],
    ids=["all", "zero", "name"],
)
def test_without_protection_it_listens_to_nobody_else(tmp_path: Path, address: str) -> None:
    file = actions_file(tmp_path, calling("a", "A", "http://localhost"))
    done = exporter("act", file, "--web.listen-address", address, "--state-dir", tmp_path / "s", check=False)
    assert done.returncode == 2
    assert "anybody could make it act; expected spec.tokenFile in ACTIONS" in done.stderr
    assert not (tmp_path / "s").exists()


def test_approver_who_cannot_log_in_is_refused(tmp_path: Path) -> None:
    file = actions_file(tmp_path, calling("a", "A", "http://localhost", approval={"by": ["ana"]}))
    done = exporter(
        "act", file, "--web.config.file", web_config(tmp_path), "--state-dir", tmp_path / "s", check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{file}:")
    assert "nobody can log in as 'ana'" in done.stderr
    assert "did you mean 'anna'?" in done.stderr


def test_token_file_must_be_there(tmp_path: Path) -> None:
    file = actions_file(tmp_path, calling("a", "A", "http://localhost"), tokenFile="none")
    done = exporter("act", file, "--state-dir", tmp_path / "s", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "none: cannot be used: No such file or directory" in done.stderr
