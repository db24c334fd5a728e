import socket
from collections.abc import Sequence

import pytest

from services.errors import InvalidInput, Unreachable
from services.untrusted.uris import (
    Resolve,
    WebTarget,
    check_artifact_uri,
    check_web_uri,
    is_public_address,
    is_same_origin,
    resolve_host,
)

PUBLIC = "93.184.216.34"


def resolving_to(*addresses: str) -> Resolve:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


def check(uri: str, *addresses: str, hosts: Sequence[str] = ()) -> WebTarget:
    return check_web_uri(uri, hosts=hosts, resolve=resolving_to(*(addresses or (PUBLIC,))))


def test_a_public_https_address_is_pinned_to_what_it_resolved_to() -> None:
    target = check("https://hooks.example.com:8443/a?b=c")
    assert (target.host, target.port, target.address, target.path) == ("hooks.example.com", 8443, PUBLIC, "/a?b=c")
    assert target.authority == "hooks.example.com:8443"


def test_the_default_port_is_left_out_of_the_host_header() -> None:
    assert check("https://Hooks.Example.com").authority == "hooks.example.com"
    assert check("https://[2606:4700::1]:443/x", "2606:4700::1").authority == "[2606:4700::1]"


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//example.com/x",
        "https://user@example.com/",
        "https://good.example@127.0.0.1/",
        "https://example.com:0x50/",
        "https://example.com:99999/",
        "https:///nohost",
        "https://exa mple.com/",
        "https://example.com\\@evil/",
        "https://exämple.com/",
        "https://example.com/\r\nHost: evil",
        "https://[::1/",
        "https://ex^ample.com/",
        "http://example.com/",
        "https://example.com/" + "a" * 5000,
        "",
    ],
)
def test_an_address_that_is_odd_or_not_https_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput):
        check(uri)


PRIVATE = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1:0:0:f5ff:fffe",
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b:1::a00:1",
    "fec0::1",
    "5f00::1",
    "3fff::1",
    "192.0.0.8",
    "not an address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_whatever_its_form(address: str) -> None:
    assert not is_public_address(address)
    with pytest.raises(InvalidInput, match="not public"):
        check("https://example.com/", address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_is_one(address: str) -> None:
    assert is_public_address(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(InvalidInput, match=r"10\.0\.0\.1"):
        check("https://example.com/", PUBLIC, "10.0.0.1")


def test_a_listed_host_may_be_private_and_in_the_clear() -> None:
    assert check("http://hooks.internal:8080/x", "10.0.0.1", hosts=["Hooks.internal"]).address == "10.0.0.1"
    assert check("http://hooks.internal:8080/x", "10.0.0.1", hosts=["hooks.internal:8080"]).port == 8080
    with pytest.raises(InvalidInput):
        check("http://hooks.internal:8081/x", "10.0.0.1", hosts=["hooks.internal:8080"])


@pytest.mark.parametrize("name", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_numbers_and_names_of_this_machine_are_caught_once_resolved(name: str) -> None:
    with pytest.raises((InvalidInput, Unreachable)):
        check_web_uri(f"https://{name}/")


def test_a_host_that_does_not_resolve_is_unreachable() -> None:
    def fail(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable, match="does not resolve"):
        check_web_uri("https://nowhere.example/", resolve=fail)
    with pytest.raises(InvalidInput):
        check_web_uri("https://nowhere.example/", resolve=lambda _host, _port: ())


def test_this_machine_resolves_to_itself() -> None:
    assert resolve_host("127.0.0.1", 80) == ("127.0.0.1",)


SCHEMES = ("models", "runs", "s3", "mlflow-artifacts", "file")


@pytest.mark.parametrize(
    "uri",
    ["models:/m-1f", "runs:/abc/model", "s3://bucket/key", "mlflow-artifacts:/1/a", "/srv/models/x", "file:///srv/x"],
)
def test_a_plain_artifact_address_passes(uri: str) -> None:
    assert check_artifact_uri(uri, schemes=SCHEMES) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com/model",
        "models:/../../etc",
        "mlflow-artifacts:/1/%2e%2e/x",
        "mlflow-artifacts:/1/%252e%252e/x",
        "runs:/a/..",
        "s3://key@bucket/x",
        "models:/m?x=1",
        "models:/m#f",
        "/srv/../etc",
    ],
)
def test_an_artifact_address_that_leads_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput):
        check_artifact_uri(uri, schemes=SCHEMES)


def test_an_artifact_address_names_a_listed_host_only() -> None:
    assert check_artifact_uri("s3://models/x", schemes=["s3"], hosts=["models"])
    with pytest.raises(InvalidInput, match="other"):
        check_artifact_uri("s3://other/x", schemes=["s3"], hosts=["models"])


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1:8501", True),
        ("https://gate.example", "gate.example", True),
        ("https://gate.example:443", "gate.example", True),
        ("https://GATE.example", "gate.example", True),
        ("http://localhost:8501", "127.0.0.1:8501", False),
        ("https://gate.example.evil.com", "gate.example", False),
        ("https://gate.example:444", "gate.example", False),
        ("https://user@gate.example", "gate.example", False),
        ("https://gate.example/path", "gate.example", False),
        ("null", "gate.example", False),
        ("file://gate.example", "gate.example", False),
        (None, "gate.example", False),
        ("https://gate.example", None, False),
        ("", "", False),
    ],
)
def test_an_origin_is_the_same_only_when_it_names_the_very_host(
    origin: str | None, host: str | None, same: bool
) -> None:
    assert is_same_origin(origin=origin, host=host) is same
