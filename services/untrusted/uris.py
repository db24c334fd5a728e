"""One checker of addresses that come from data: scheme and host allow-list, and no way to a private address.

A web address is resolved once and the caller connects to the address that was checked, so a name cannot point elsewhere
a moment later (DNS rebinding). Only hosts that the installation lists may be private or use plain HTTP. What counts as
private is the IANA special-purpose registry (RFC 6890), also inside IPv6 forms that carry an IPv4 address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from services.errors import InvalidInput, Unreachable

MAX_URI_LENGTH = 4096
SHOWN_URI_LENGTH = 200

Resolve = Callable[[str, int], Sequence[str]]

_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
# Special since after some of the Pythons that this runs on.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20")))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTarget:
    """A checked web address: connect to `address`, name `host` in the Host header and in TLS."""

    uri: str
    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def pinned_uri(self) -> str:
        """The same request, addressed to the checked network address."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}{self.path}"


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return every network address of a host.

    Raises:
        OSError: the name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_web_uri(uri: str, *, hosts: Collection[str] = (), resolve: Resolve = resolve_host) -> WebTarget:
    """Return where a request to `uri` may go.

    Args:
        uri: an `https` address; `http` only to one of `hosts`.
        hosts: names, or `name:port`, that may be private and plain HTTP because the installation lists them.
        resolve: how a name becomes network addresses.

    Raises:
        InvalidInput: the address is malformed, or leads where requests may not go.
        Unreachable: its host does not resolve.
    """
    scheme, host, port, path = _split_web(uri)
    is_listed = bool({host, f"{host}:{port}"} & {entry.lower() for entry in hosts})
    if scheme == "http" and not is_listed:
        raise _refused(uri, "sends in the clear", f"Use https, or list {host} among the webhook hosts.")
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"The host {host!r} does not resolve.", next_step="Check the name and the network."
        ) from error
    private = next((address for address in addresses if not is_public_address(address)), None)
    if not addresses or (private is not None and not is_listed):
        raise _refused(
            uri, f"leads to {private}, which is not public", f"List {host} among the webhook hosts if meant."
        )
    return WebTarget(uri=uri, scheme=scheme, host=host, port=port, address=addresses[0], path=path)


def is_public_address(address: str) -> bool:
    """Return whether a network address is on the public Internet.

    >>> is_public_address("1.1.1.1"), is_public_address("::ffff:127.0.0.1"), is_public_address("169.254.169.254")
    (True, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        carried = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if carried is None and parsed in _NAT64:
            carried = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if carried is not None:
            return is_public_address(str(carried))
        if parsed not in _UNICAST:
            return False
    return parsed.is_global and not parsed.is_multicast and not any(parsed in special for special in _SPECIAL)


def check_artifact_uri(uri: str, *, schemes: Collection[str], hosts: Collection[str] = ()) -> str:
    """Return `uri` if a model version may have it as its source.

    Args:
        uri: such as `models:/m-1f`, `runs:/RUN/model`, `s3://bucket/key`.
        schemes: which are allowed; `file` must be listed like any other, and a bare path counts as `file`.
        hosts: which hosts, or buckets, an address may name; empty allows every one.

    Raises:
        InvalidInput: another scheme or host, a parent folder in the path, a query, a fragment or a user name.
    """
    parts = _split(uri)
    scheme = parts.scheme or "file"
    if scheme not in schemes:
        raise _refused(uri, f"has the scheme {scheme!r}", f"Use one of {', '.join(sorted(schemes))}.")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _refused(uri, "carries a query, a fragment or a user name", "Write the plain location.")
    if hosts and parts.netloc and (parts.hostname or "") not in hosts:
        raise _refused(uri, f"names the host {parts.hostname!r}", f"Use one of {', '.join(sorted(hosts))}.")
    if ".." in re.split(r"[/\\]", _unquoted(parts.path)):
        raise _refused(uri, "climbs to a parent folder", "Write the location without '..'.")
    return uri


def is_same_origin(*, origin: str | None, host: str | None) -> bool:
    """Return whether a browser's `Origin` header names the very host the request was sent to; absent is no.

    >>> is_same_origin(origin="http://127.0.0.1:8501", host="127.0.0.1:8501")
    True
    >>> is_same_origin(origin="null", host="127.0.0.1:8501")
    False
    """
    if not origin or not host:
        return False
    parts = urlsplit(origin)
    if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    default = f":{_DEFAULT_PORTS[parts.scheme]}"
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _split_web(uri: str) -> tuple[str, str, int, str]:
    parts = _split(uri)
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refused(uri, f"has the scheme {parts.scheme!r}", "Use an https address.")
    if "@" in parts.netloc:
        raise _refused(uri, "carries a user name", "Remove it; secrets belong in the settings.")
    try:
        host, port = (parts.hostname or "").rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise _refused(uri, "has no usable port", "Use a port from 1 to 65535.") from error
    if not _HOST.fullmatch(host):
        raise _refused(uri, f"has no usable host ({host!r})", "Write the host in ASCII (xn--… for other letters).")
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme, host, port, (parts.path or "/") + query


def _split(uri: str) -> SplitResult:
    if len(uri) > MAX_URI_LENGTH:
        raise _refused(uri, f"is longer than {MAX_URI_LENGTH} characters", "Shorten it.")
    if not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        raise _refused(uri, "has a character that no address holds", "Percent-encode it.")
    try:
        return urlsplit(uri)
    except ValueError as error:
        raise _refused(uri, "is not an address", "Write scheme://host/path.") from error


def _unquoted(path: str) -> str:
    # MLflow and proxies may each decode once more: decode until nothing changes.
    while (decoded := unquote(path)) != path:
        path = decoded
    return path


def _refused(uri: str, why: str, next_step: str) -> InvalidInput:
    return InvalidInput(f"The address {uri[:SHOWN_URI_LENGTH]!r} {why}.", next_step=next_step)
