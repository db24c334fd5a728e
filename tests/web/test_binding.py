import subprocess
import sys
from pathlib import Path

import pytest

from app import up
from app.web.binding import check_binding, is_loopback, reach
from services.errors import InvalidInput
from services.settings import load_settings
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
OPEN = ["0.0.0.0", "", "::", "192.0.2.7", "gate.example.org"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_needs_nothing(address: str) -> None:
    assert is_loopback(address)
    check_binding(address, has_tls=False, is_behind_proxy=False)


@pytest.mark.parametrize("address", OPEN)
def test_other_machines_are_let_in_over_tls_or_by_a_declared_proxy_alone(address: str) -> None:
    check_binding(address, has_tls=True, is_behind_proxy=False)
    check_binding(address, has_tls=False, is_behind_proxy=True)
    with pytest.raises(InvalidInput, match="without TLS") as refused:
        check_binding(address, has_tls=False, is_behind_proxy=False)
    assert "GATEHOUSE_TLS_CERTIFICATE" in refused.value.next_step


def test_a_certificate_without_its_key_is_no_tls(tmp_path: Path) -> None:
    settings = load_settings({}, home=tmp_path, address="0.0.0.0", tls_certificate=tmp_path / "c.pem", port=free_port())
    with pytest.raises(InvalidInput, match="without TLS"):
        up.check_app(settings)
    up.check_app(settings.model_copy(update={"tls_key": tmp_path / "k.pem"}))


@pytest.mark.parametrize(("address", "host"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("gate.io", "gate.io")])
def test_this_machine_reaches_the_app_by_a_host(address: str, host: str) -> None:
    assert reach(address) == host


def test_the_app_itself_refuses_too_however_it_was_started(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(free_port()), "--server.address", "0.0.0.0"),
    ]
    ended = subprocess.run(
        command, env={"GATEHOUSE_HOME": str(tmp_path / "home")}, capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode != 0
    assert "without TLS. Set GATEHOUSE_TLS_CERTIFICATE" in ended.stderr
    assert "Traceback" not in ended.stderr
