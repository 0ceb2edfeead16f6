"""The web configuration of Prometheus' exporters: its keys taken or refused by name, and read again when it changes."""

from __future__ import annotations

import base64
import contextlib
import logging
import re
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from exporter.web.config import load
from exporter.web.passwords import _BURST, Passwords, Verdict
from exporter.web.protection import Protection
from exporter.web.server import Server
from mlslo.yamlfile import InputError
from tests.support.paths import ROOT
from tests.support.web import ask, certificate, connect, pages, run

SCRAPE = "GET /metrics HTTP/1.1\nHost: x\n\n"
OPTIONAL = {"client_ca_file": "ca.pem", "client_auth_type": "VerifyClientCertIfGiven"}
LOGGER = "exporter.web.protection"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: of the server, of another one, of a client and of one that nobody signed."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("server", "next", "stranger"):
        certificate(folder, name)
    certificate(folder, "ca", "DNS:ca")
    names = (
        "DNS:prometheus.monitoring",
        "IP:10.0.0.1",
        "IP:2001:db8::1",
        "email:a@example.com",
        "URI:spiffe://x/p",
    )
    certificate(folder, "client", *names, issuer="ca")
    run(
        "openssl",
        "ec",
        "-in",
        folder / "server.key",
        "-aes256",
        "-passout",
        "pass:x",
        "-out",
        folder / "locked.key",
    )
    return folder


def write(folder: Path, **content: Any) -> Path:
    """A web configuration, replaced at once."""
    path = folder / "web.yaml"
    new = folder / "web.yaml.new"
    new.write_text(yaml.safe_dump(content))
    new.rename(path)
    return path


def tls(keys: Path, name: str = "server", **more: Any) -> dict[str, Any]:
    return {"cert_file": str(keys / f"{name}.pem"), "key_file": str(keys / f"{name}.key"), **more}


def client(keys: Path, name: str | None = None, trusted: str = "server") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / f"{trusted}.pem"))
    if name is not None:
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    return context


def scrape(server: Server, context: ssl.SSLContext | None = None, user: str | None = None) -> int:
    """The status of a scrape; 0 where the connection is refused."""
    request = SCRAPE
    if user is not None:
        encoded = base64.b64encode(user.encode()).decode()
        request = request.replace("\n\n", f"\nAuthorization: Basic {encoded}\n\n")
    with contextlib.suppress(ssl.SSLError, ConnectionError), connect(server, context) as connection:
        return ask(connection, request)[0]
    return 0


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tls_server_config": {"cert": "PEM", "key": "PEM"}}, "name a file with cert_file"),
        ({"tls_server_config": {"cert_file": "a", "key": "PEM"}}, "key is written into the file"),
        ({"tls_server_config": {"cert_file": "a"}}, "expected key_file"),
        ({"tls_server_config": {"client_auth_type": "RequestClientCert"}}, "expected VerifyClientCertIfGiven"),
        ({"tls_server_config": {"client_auth_type": "RequireAnyClientCert"}}, "expected RequireAndVerifyClientCert"),
        ({"tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert"}}, "needs a client_ca_file"),
        ({"tls_server_config": {"client_auth_type": "Maybe"}}, "expected"),
        ({"tls_server_config": {"client_ca_file": "ca.pem"}}, "needs a client_auth_type that verifies"),
        (
            {"tls_server_config": {**OPTIONAL, "client_allowed_sans": ["a"]}},
            "client_allowed_sans needs the client_auth_type RequireAndVerifyClientCert",
        ),
        ({"tls_server_config": {"min_version": "TLS10"}}, "TLS10 is broken and not served"),
        ({"tls_server_config": {"min_version": "TLS13", "max_version": "TLS12"}}, "TLS12 is below min_version"),
        ({"tls_server_config": {"cipher_suites": ["TLS_RSA_WITH_RC4_128_SHA"]}}, "expected one of TLS_AES"),
        ({"tls_server_config": {"curve_preferences": ["X25519", "CurveP256"]}}, "takes one curve"),
        ({"tls_server_config": {"cert_fil": "a"}}, "did you mean 'cert_file'?"),
        ({"http_server_config": {"http2": True}}, "HTTP/2 is not spoken here"),
        ({"http_server_config": {"headers": {"X-Frame-Options": "never"}}}, "expected deny or sameorigin, got 'never'"),
        ({"http_server_config": {"headers": {"Content-Security-Policy": "a\nb: c"}}}, "one line of ASCII"),
        ({"http_server_config": {"headers": {"X-Anything": "1"}}}, "X-Anything"),
        ({"rate_limit": {"interval": "1s", "burst": 0}}, "a burst of 0 lets nothing through"),
        ({"basic_auth_users": {"a": "secret"}}, "expected a bcrypt hash, never a password"),
        ({"basic_auth_users": {"a": "$2b$10$short"}}, "expected a whole bcrypt hash"),
        ({"basic_auth_users": {"a": hashed("x").replace("$04$", "$18$")}}, "a cost of 18 takes too long"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_by_name(
    content: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tls_keys = content.get("tls_server_config")
    if tls_keys is not None and not tls_keys.keys() & {"cert", "cert_file", "cert_fil"}:
        tls_keys.update(cert_file="a", key_file="b")
    with pytest.raises(InputError) as raised:
        load(write(tmp_path, **content))
    assert message in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path}/web.yaml:")


def test_the_command_of_the_page_writes_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^python -c '(.*)'$", page, re.MULTILINE)
    monkeypatch.setattr("getpass.getpass", lambda: "s3cret")
    exec(command, {})
    written = capsys.readouterr().out.strip()
    assert bcrypt.checkpw(b"s3cret", written.encode())
    load(write(tmp_path, basic_auth_users={"prometheus": written}))


def test_passwords_without_bcrypt_ask_for_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    expected = r"basic_auth_users needs the extra 'web' \(see docs/install.md\)"
    with pytest.raises(InputError, match=expected):
        load(write(tmp_path, basic_auth_users={"a": hashed("x")}))


def test_a_key_behind_a_password_is_refused(keys: Path, tmp_path: Path) -> None:
    """It is not asked for on a terminal."""
    config = {**tls(keys), "key_file": str(keys / "locked.key")}
    with pytest.raises(InputError, match="certificates cannot be used"):
        load(write(tmp_path, tls_server_config=config))


def test_versions_ciphers_and_curves(keys: Path, tmp_path: Path) -> None:
    suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    config = tls(
        keys,
        max_version="TLS12",
        cipher_suites=[suite, "TLS_AES_128_GCM_SHA256"],
        curve_preferences=["CurveP384"],
        prefer_server_cipher_suites=False,
    )
    with pages(tmp_path, write(tmp_path, tls_server_config=config)) as server:
        with connect(server, client(keys)) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            assert connection.version() == "TLSv1.2"
            assert (connection.cipher() or ("",))[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
            assert ask(connection, SCRAPE)[0] == 200
        other = client(keys)
        other.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        other.maximum_version = ssl.TLSVersion.TLSv1_2
        assert scrape(server, other) == 0
        only_newest = client(keys)
        only_newest.minimum_version = ssl.TLSVersion.TLSv1_3
        assert scrape(server, only_newest) == 0
        assert server.url.startswith("https://")


@pytest.mark.parametrize(
    ("more", "nobody", "stranger", "known"),
    [
        ({"client_auth_type": "NoClientCert"}, 200, 200, 200),
        ({"client_auth_type": "VerifyClientCertIfGiven"}, 200, 0, 200),
        ({"client_auth_type": "RequireAndVerifyClientCert"}, 0, 0, 200),
        ({"client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["prometheus"]}, 0, 0, 0),
        (
            {"client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["x", "10.0.0.1"]},
            0,
            0,
            200,
        ),
        (
            {"client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["2001:db8::1"]},
            0,
            0,
            200,
        ),
        (
            {"client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["spiffe://x/p"]},
            0,
            0,
            200,
        ),
    ],
)
def test_clients_show_a_certificate(
    keys: Path, tmp_path: Path, more: dict[str, Any], nobody: int, stranger: int, known: int
) -> None:
    if more["client_auth_type"] != "NoClientCert":
        more = {**more, "client_ca_file": str(keys / "ca.pem")}
    with pages(tmp_path, write(tmp_path, tls_server_config=tls(keys, **more))) as server:
        found = [scrape(server, client(keys, name)) for name in (None, "stranger", "client")]
    assert found == [nobody, stranger, known]


def test_headers_and_a_rate_limit(tmp_path: Path) -> None:
    headers = {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=60"}
    config = write(
        tmp_path,
        http_server_config={"http2": False, "headers": headers},
        rate_limit={"interval": "1h", "burst": 3},
    )
    with pages(tmp_path, config) as server, connect(server) as connection:
        answers = [ask(connection, SCRAPE) for _ in range(4)]
    assert [code for code, _, _ in answers] == [200, 200, 200, 429]
    for _, found, _ in answers:
        assert headers.items() <= {name.title(): value for name, value in found.items()}.items()


def test_a_new_certificate_is_used_without_a_restart(keys: Path, tmp_path: Path) -> None:
    for kind in ("pem", "key"):
        (tmp_path / f"now.{kind}").write_bytes((keys / f"server.{kind}").read_bytes())
    config = write(tmp_path, tls_server_config={"cert_file": "now.pem", "key_file": "now.key"})
    with pages(tmp_path, config) as server:
        kept = connect(server, client(keys))
        assert ask(kept, SCRAPE)[0] == 200
        # One file after the other: in between they don't fit, and the old pair is served.
        for kind in ("pem", "key"):
            assert scrape(server, client(keys)) == 200
            (tmp_path / "new").write_bytes((keys / f"next.{kind}").read_bytes())
            (tmp_path / "new").rename(tmp_path / f"now.{kind}")
        assert scrape(server, client(keys, trusted="next")) == 200
        assert scrape(server, client(keys)) == 0
        assert ask(kept, SCRAPE)[0] == 200
        kept.close()


def test_users_change_without_a_restart(tmp_path: Path) -> None:
    config = write(tmp_path, basic_auth_users={"a": hashed("one")})
    with pages(tmp_path, config) as server:
        assert [scrape(server, user=user) for user in ("a:one", "a:two", "b:two")] == [200, 401, 401]
        write(tmp_path, basic_auth_users={"a": hashed("two"), "b": hashed("two")})
        assert [scrape(server, user=user) for user in ("a:one", "a:two", "b:two")] == [401, 200, 200]


def test_a_wrong_file_changes_nothing_and_is_said_once(
    keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"client_ca_file": str(keys / "ca.pem"), "client_auth_type": "RequireAndVerifyClientCert"}
    good: dict[str, Any] = {
        "tls_server_config": tls(keys) | known,
        "basic_auth_users": {"a": hashed("one")},
    }
    protection = Protection(write(tmp_path, **good))
    before = protection.current()
    with caplog.at_level(logging.INFO, LOGGER):
        changes: tuple[dict[str, Any], ...] = (
            {"basic_auth_user": {}},
            {"tls_server_config": tls(keys)},
            {"basic_auth_users": good["basic_auth_users"]},
            {**good, "tls_server_config": tls(keys, "gone")},
            {**good, "tls_server_config": tls(keys)},
        )
        for content in changes:
            caplog.clear()
            write(tmp_path, **content)
            assert {protection.current() for _ in range(5)} == {before}
            (said,) = caplog.messages
            assert "the old one stays in force" in said
        caplog.clear()
        (tmp_path / "web.yaml").write_text("")
        assert protection.current() is before
        (tmp_path / "web.yaml").unlink()
        assert protection.current() is before
        write(tmp_path, **good)
        assert protection.current() is not before
        assert caplog.messages[-1] == "web configuration reloaded"


def test_a_certificate_that_comes_later_is_found(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.web.protection._PAUSE", 0.0)
    protection = Protection(write(tmp_path, tls_server_config=tls(keys)))
    before = protection.current()
    write(tmp_path, tls_server_config={"cert_file": "later.pem", "key_file": str(keys / "next.key")})
    assert protection.current() is before
    (tmp_path / "later.pem").write_bytes((keys / "next.pem").read_bytes())
    assert protection.current() is not before


def test_a_swapped_folder_is_read_again(keys: Path, tmp_path: Path) -> None:
    """As Kubernetes mounts a Secret: links into a folder, which a link names."""
    for number, name in enumerate(("server", "next")):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        for kind in ("pem", "key"):
            (folder / f"tls.{kind}").write_bytes((keys / f"{name}.{kind}").read_bytes())
        (folder / "web.yaml").write_text("tls_server_config: {cert_file: tls.pem, key_file: tls.key}")
    (tmp_path / "..data").symlink_to("..0")
    for name in ("web.yaml", "tls.pem", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    with pages(tmp_path, tmp_path / "web.yaml") as server:
        assert scrape(server, client(keys)) == 200
        (tmp_path / "..new").symlink_to("..1")
        (tmp_path / "..new").replace(tmp_path / "..data")
        assert scrape(server, client(keys, trusted="next")) == 200


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def counted(passwords: Passwords) -> list[bytes]:
    """The passwords that are checked from now on."""
    checked: list[bytes] = []
    check = passwords._check

    def counting(password: bytes, hashed_password: bytes) -> bool:
        checked.append(password)
        return check(password, hashed_password)

    passwords._check = counting
    return checked


def test_guesses_cost_a_bounded_time() -> None:
    """Each is checked once; past a few, none is for a while; who is known already is let in all the same."""
    passwords = Passwords({"a": hashed("right")})
    assert passwords.verdict(basic("a:right")) is Verdict.ACCEPTED
    checked = counted(passwords)
    found = [passwords.verdict(basic(f"a:wrong{number}")) for number in range(100)]
    assert found[: _BURST - 1] == [Verdict.REFUSED] * (_BURST - 1)
    assert found.count(Verdict.BUSY) >= 80
    number = len(checked)
    assert [passwords.verdict(basic("a:wrong0")) for _ in range(10)] == [Verdict.REFUSED] * 10
    assert passwords.verdict(basic("a:right")) is Verdict.ACCEPTED
    assert len(checked) == number
    # In time it may guess again.
    passwords._at -= 1
    assert passwords.verdict(basic("a:other")) is Verdict.REFUSED


def test_wrong_guesses_do_not_push_out_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.passwords._BURST", 10_000)
    passwords = Passwords({"a": hashed("right")})
    passwords._tokens = 10_000.0
    assert passwords.verdict(basic("a:right")) is Verdict.ACCEPTED
    passwords._check = lambda *_: False
    for number in range(600):
        passwords.verdict(basic(f"a:wrong{number}"))
    assert len(passwords._verdicts) <= 256
    assert passwords.verdict(basic("a:right")) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic !!!", "Basic YQ==", "Bearer YTpyaWdodA==", "Basic /w=="]
)
def test_no_password_is_no_guess(header: str | None) -> None:
    passwords = Passwords({"a": hashed("right")})
    passwords._check = lambda *_: pytest.fail("checked")
    assert passwords.verdict(header) is Verdict.REFUSED


def test_an_unknown_user_takes_as_long_as_a_known_one() -> None:
    passwords = Passwords({"a": hashed("right")})
    checked = counted(passwords)
    assert passwords.verdict(basic("b:right")) is Verdict.REFUSED
    assert len(checked) == 1
    assert passwords.verdict(basic("a:\0")) is Verdict.REFUSED
    assert passwords.verdict(basic(f"a:{'x' * 100}")) is Verdict.REFUSED


def test_a_handshake_that_never_comes_delays_nobody(keys: Path, tmp_path: Path) -> None:
    with pages(tmp_path, write(tmp_path, tls_server_config=tls(keys))) as server:
        silent = [connect(server) for _ in range(20)]
        assert scrape(server, client(keys)) == 200
        # Plain HTTP on the port of TLS.
        with connect(server) as plain, contextlib.suppress(ConnectionError):
            plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert b"HTTP/1.1 200" not in plain.recv(1000)
        for one in silent:
            one.close()
        deadline = time.monotonic() + 100
        while server.connections._open:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    # They have closed their connection, and may take a moment to end.
    while [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
