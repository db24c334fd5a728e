import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.errors import Unreachable
from services.untrusted.uris import WebTarget
from services.untrusted.web_request import MAX_ANSWER_BYTES, post
from tests.servers import free_port
from tests.untrusted.receivers import Received, raw_server, receiver


def target(port: int, *, scheme: str = "http", host: str = "hooks.test") -> WebTarget:
    return WebTarget(
        uri=f"{scheme}://{host}:{port}/hook", scheme=scheme, host=host, port=port, address="127.0.0.1", path="/hook?a=1"
    )


def test_the_request_goes_to_the_checked_address_under_the_name_of_the_host() -> None:
    received = Received()
    with receiver(received) as port:
        answer = post(target(port), b"{}", headers={"X-One": "1"})
    assert (answer.status, answer.body) == (200, b"thanks")
    [(path, headers, body)] = received.requests
    assert (path, body, headers["host"], headers["x-one"]) == ("/hook?a=1", b"{}", f"hooks.test:{port}", "1")


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    received = Received(statuses=[302], answer_headers={"Location": "http://169.254.169.254/"})
    with receiver(received) as port:
        answer = post(target(port), b"", headers={})
    assert (answer.status, answer.headers["location"], len(received.requests)) == (302, "http://169.254.169.254/", 1)


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="refused"):
        post(target(free_port()), b"", headers={})


def drip(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stop.wait(0.05):
        connection.sendall(b"a")


def hang(_connection: socket.socket, stop: threading.Event) -> None:
    stop.wait(5)


def flood(connection: socket.socket, _stop: threading.Event) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000)


@pytest.mark.parametrize("behave", [drip, hang])
def test_a_server_that_drips_or_hangs_is_cut_off_at_the_deadline(behave: object) -> None:
    with raw_server(behave) as port:  # type: ignore[arg-type]
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"not within 0\.4 seconds"):
            post(target(port), b"", headers={}, deadline_s=0.4)
        assert time.monotonic() - started < 2


def test_a_flood_is_read_no_further_than_needed() -> None:
    with raw_server(flood) as port:
        assert len(post(target(port), b"", headers={}).body) == MAX_ANSWER_BYTES


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 1000])
def test_an_answer_that_is_no_http_is_unreachable(said: bytes) -> None:
    def say(connection: socket.socket, _stop: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(said)

    with raw_server(say) as port, pytest.raises(Unreachable):
        post(target(port), b"", headers={})


def test_a_header_that_would_smuggle_another_is_not_sent() -> None:
    with receiver(Received()) as port, pytest.raises(Unreachable):
        post(target(port), b"", headers={"X": "a\r\nHost: evil"})


def certificate(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context


def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, context = certificate(tmp_path, "hooks.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with receiver(Received(), tls=context) as port:
        assert post(target(port, scheme="https"), b"", headers={}).status == 200
        with pytest.raises(Unreachable, match="certificate"):
            post(target(port, scheme="https", host="other.test"), b"", headers={})


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "hooks.test")
    with receiver(Received(), tls=context) as port, pytest.raises(Unreachable, match="certificate"):
        post(target(port, scheme="https"), b"", headers={})


def test_tls_that_hangs_in_its_handshake_is_cut_off() -> None:
    with raw_server(hang) as port, pytest.raises(Unreachable):
        post(target(port, scheme="https"), b"", headers={}, deadline_s=0.4)
