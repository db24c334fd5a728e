"""The first start of an installation: its console shows the one-time token, and the token makes the first admin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).parents[2]


def test_the_console_shows_the_one_time_token_and_no_log_keeps_it(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    environ = {
        **os.environ,
        "GATEHOUSE_HOME": str(home),
        "PORT": str(port),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
    }
    command = [sys.executable, "-m", "app.cli", "up"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as console:
        assert console.stdout is not None
        told = ""
        try:
            for line in console.stdout:
                told += line
                if "is ready" in line:
                    break
            found = re.search(r"one-time token becomes the first: (\S+)", told)
            assert found is not None, told
            token = found[1]
            assert post(port, "bootstrap", token=token, name="root", password="a long enough passphrase") == 204
            assert post(port, "bootstrap", token=token, name="eve", password="a long enough passphrase") == 401
        finally:
            console.send_signal(signal.SIGINT)
            console.wait(60)
    assert all(token not in log.read_text(errors="replace") for log in (home / "logs").iterdir())


def post(port: int, form: str, **fields: str) -> int:
    url = f"http://127.0.0.1:{port}"
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(f"{url}/api/{form}", data=body, headers={"Origin": url})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
