"""What Spark needs inside the sandbox, where there is neither a network nor the system's /etc.

Spark talks to itself over the loopback device of the sandbox's own network, looks up its host and its user by name, and
runs on Java, whose settings distributions keep in /etc.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.errors import Unavailable
from services.jobs.bubblewrap import ENVIRON, sandbox_ids
from services.jobs.confinement import MIB, Limits

SPARK_LIMITS = Limits(
    wall_s=3600, cpu_s=3600, memory_bytes=4096 * MIB, tmp_bytes=1024 * MIB, processes=512, open_files=4096
)
_MAX_THREADS = 4
_HOSTS = "127.0.0.1 localhost sandbox\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkRoom:
    """Java and how many threads Spark gets."""

    java: Path
    threads: int

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that Spark reads."""
        return {"JAVA_HOME": str(self.java), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}

    def furnish(self, folder: Path) -> Mapping[str, Path]:
        """Return what the sandbox is given besides; files that have to be made are made in `folder`."""
        hosts, users = folder / "hosts", folder / "passwd"
        hosts.write_text(_HOSTS, encoding="ascii")
        entries = (f"{ENVIRON['USER']}:x:{number}:{number}::{ENVIRON['HOME']}:/bin/sh\n" for number in sandbox_ids())
        users.write_text("".join(entries), encoding="ascii")
        inputs = {"/etc/hosts": hosts, "/etc/passwd": users}
        # Where Java's own settings are links, they lead to a folder of /etc.
        settings = (self.java / "conf" / "net.properties").resolve().parent
        for place in (settings, self.java):
            if place.is_dir() and not place.is_relative_to("/usr"):
                inputs[str(place)] = place
        return inputs


def find_spark_room() -> SparkRoom:
    """Return what Spark needs here.

    Raises:
        Unavailable: Java or pyspark is missing.
    """
    java = shutil.which("java")
    home = os.environ.get("JAVA_HOME") or (str(Path(java).resolve().parent.parent) if java else None)
    if home is None or importlib.util.find_spec("pyspark") is None:
        raise Unavailable(
            f"Spark cannot score here, because {'Java' if home is None else 'pyspark'} is missing.",
            next_step="Install gatehouse[spark] and Java 17, or set GATEHOUSE_SHADOW_ENGINE=duckdb.",
        )
    return SparkRoom(java=Path(home), threads=max(1, min(_MAX_THREADS, os.cpu_count() or 1)))
