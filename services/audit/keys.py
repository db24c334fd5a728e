"""The keys of an installation: one that signs, kept in the home and never in the database, and those it trusts.

`keys/audit.key` is made once and readable by its owner alone. `keys/*.pub` are public keys: the installation's own, and
those of other installations that write checkpoints to the same store. The name of the key is the origin of the log.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from services.audit.files import told, write_whole
from services.audit.notes import Signer, Verifier
from services.errors import Unverified

PRIVATE_KEY = "audit.key"
PUBLIC_KEY = "audit.pub"


class KeyRing:
    """The folder of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._private = folder / PRIVATE_KEY

    def find_signer(self) -> Signer | None:
        """Return the key that signs, if there is one.

        Raises:
            Unverified: the file does not hold a key.
            Unreachable: the file cannot be read.
        """
        with told(self._private):
            try:
                text = self._private.read_text(encoding="ascii")
            except FileNotFoundError:
                return None
            except UnicodeDecodeError as error:
                raise _unreadable(self._private, "it is not ASCII text") from error
        try:
            return Signer.parse(text)
        except ValueError as error:
            raise _unreadable(self._private, str(error)) from error

    def create_signer(self) -> Signer:
        """Make the key that signs, unless another process just did; what was trusted before stays trusted.

        Raises:
            Unreachable: it cannot be written.
        """
        signer = Signer.generate(f"gatehouse/{secrets.token_hex(4)}")
        for verifier in self.list_verifiers():
            self.trust(verifier)
        with told(self._private):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                write_whole(self._private, f"{signer.text}\n".encode(), mode=0o600, replace=False)
            found = self.find_signer() or signer
            write_whole(self.folder / PUBLIC_KEY, f"{found.verifier.text}\n".encode())
        return found

    def trust(self, verifier: Verifier) -> None:
        """Trust another public key from now on.

        Raises:
            Unreachable: it cannot be written.
        """
        with told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self.folder / f"{verifier.key_id.hex()}.pub", f"{verifier.text}\n".encode())

    def list_verifiers(self) -> list[Verifier]:
        """Return the public keys that are trusted, the own one first.

        Raises:
            Unverified: a file does not hold a key.
            Unreachable: a file cannot be read.
        """
        signer = self.find_signer()
        found = [] if signer is None else [signer.verifier]
        with told(self.folder):
            for path in sorted(self.folder.glob("*.pub")):
                try:
                    verifier = Verifier.parse(path.read_text(encoding="utf-8"))
                except ValueError as error:
                    raise _unreadable(path, str(error)) from error
                if verifier not in found:
                    found.append(verifier)
        return found


def _unreadable(path: Path, why: str) -> Unverified:
    return Unverified(
        f"{path} does not hold a key: {why}.", next_step="Put the key back from where the backup's keys are kept."
    )
