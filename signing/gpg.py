r"""The one seam to the gpg program: python-gnupg, with what it gets wrong for us set right.

- **Bytes.** python-gnupg decodes gpg's output as Latin-1 by default, and splits lines as `str`
  does: at U+0085 too. So a user ID that holds `\xc5\x85[GNUPG:] GOODSIG ...` in UTF-8 would be
  read as a status line of its own. Code page 437 maps each byte to a character, and none above
  0x7f to a line end; `carry` puts UTF-8 through it unharmed, `land` takes it out.
- **Status lines.** Its result objects fold them into one `valid` that says True too often. Here a
  `Report` keeps each line, in order, for the caller to judge.
- **Logs.** At debug level it logs the beginning of what it imports, which may be a secret key; its
  logger is kept silent.
- **Passphrases.** It takes an empty passphrase for one to come, and so eats the first line of
  the data: an empty one is None here. None lets gpg's agent find it.
"""

import contextlib
import copy
import io
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gnupg

from signing.errors import BadPassphrase, GpgFailed, GpgMissing, HomeTooLong
from signing.key import KeyInfo, read_listing

_CARRIER = "cp437"
_SOCKET_LIMIT = 107
"""sockaddr_un.sun_path is 108 bytes with its final zero (unix(7))."""
_LONGEST_SOCKET = "S.gpg-agent.browser"
_S2K_COUNT = 65_011_712
"""The highest count of RFC 4880, section 3.7.1.3. Without it a new agent measures for a second and
a half how far below that it should stay."""
_AGENT_SOCKET = "S.gpg-agent"
_CODE_MASK = 0xFFFF
_PASSPHRASE_CODES = frozenset({11, 85, 86, 99, 177})
"""libgpg-error: bad passphrase, no pinentry, pinentry failed, cancelled, no passphrase."""
_NOT_A_TERMINAL = 0x8000 | 0x26
"""libgpg-error's system error for ENOTTY: pinentry found no terminal to ask on."""

logging.getLogger("gnupg").setLevel(logging.CRITICAL)


def carry(text: str) -> str:
    """Return `text` so that python-gnupg hands gpg its UTF-8 bytes."""
    return text.encode().decode(_CARRIER)


def land(text: str) -> str:
    """Return what gpg wrote as UTF-8 and python-gnupg decoded; the opposite of `carry`."""
    return text.encode(_CARRIER).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of gpg said: status lines (keyword, rest) in order, output, errors, code."""

    statuses: tuple[tuple[str, str], ...]
    output: bytes
    errors: str
    code: int

    def all(self, keyword: str) -> tuple[str, ...]:
        """Return the rest of each status line with this keyword."""
        return tuple(rest for found, rest in self.statuses if found == keyword)

    def has(self, *keywords: str) -> bool:
        """Say whether there is a status line with one of these keywords."""
        return any(found in keywords for found, _ in self.statuses)

    @property
    def detail(self) -> str:
        """The last thing that gpg said to people."""
        lines = [line for line in self.errors.splitlines() if not line.startswith("[GNUPG:]")]
        return lines[-1].removeprefix("gpg: ") if lines else ""

    def check_passphrase(self, fingerprint: str, *, given: bool) -> None:
        """Raise if gpg stopped for want of the right passphrase.

        Raises:
            BadPassphrase: it was wrong, or not given and nobody there to ask.
        """
        for rest in (*self.all("FAILURE"), *self.all("ERROR")):
            code = rest.split()[-1]
            low = int(code) & _CODE_MASK if code.isdigit() else 0
            if low in _PASSPHRASE_CODES or low == _NOT_A_TERMINAL:
                raise BadPassphrase(fingerprint, given=given)


class _Collected:
    """A python-gnupg result that keeps the status lines instead of folding them."""

    def __init__(self, gpg: object) -> None:
        self.gpg = gpg
        self.lines: list[tuple[str, str]] = []
        self.data = b""
        self.stderr = ""
        self.returncode: int | None = None

    def handle_status(self, key: str, value: str) -> None:
        """Take in one status line."""
        self.lines.append((key, value))


_COLLECTED = ("verify", "sign", "import", "generate", "delete", "export")


class Gpg:
    """Gpg in one home (None: the user's own), each call a child process.

    `options` go with every call.
    """

    def __init__(self, home: Path | None, *options: str) -> None:
        """Look for gpg and ask it for its version.

        Raises:
            GpgMissing: it is not on PATH.
            GpgFailed: it doesn't start, for instance since its configuration is wrong.
        """
        program = shutil.which("gpg")
        if program is None:
            raise GpgMissing("gpg")
        self.home = home
        try:
            self._gpg: Any = gnupg.GPG(
                gpgbinary=program,
                gnupghome=None if home is None else str(home),
                encoding=_CARRIER,
                options=list(options),
            )
        except (OSError, ValueError) as error:
            raise GpgFailed("start", str(error)) from error
        self._gpg.result_map = dict(gnupg.GPG.result_map, **dict.fromkeys(_COLLECTED, _Collected))

    def sign(
        self, data: bytes, fingerprint: str, passphrase: str | None, *arguments: str
    ) -> Report:
        """Make a detached armoured signature."""
        return _report(
            self._asking(passphrase).sign(
                data,
                keyid=fingerprint,
                passphrase=carry(passphrase) if passphrase else None,
                clearsign=False,
                detach=True,
                extra_args=list(arguments),
            )
        )

    def verify(self, signature: bytes, data_file: Path, *arguments: str) -> Report:
        """Verify a detached signature over the bytes of `data_file`."""
        return _report(
            self._gpg.verify_file(
                io.BytesIO(signature), data_filename=str(data_file), extra_args=list(arguments)
            )
        )

    def import_keys(self, keys: bytes) -> Report:
        """Import armoured or binary keys."""
        return _report(self._gpg.import_keys(keys))

    def list_keys(self, *, with_secret: bool) -> tuple[KeyInfo, ...]:
        """List all public keys; `with_secret` asks the agent which have a private half."""
        gpg = self._with("--with-secret") if with_secret else self._gpg
        listed = gpg.list_keys()
        if listed.returncode != 0:
            raise GpgFailed("list keys", _report(listed, statuses=()).detail)
        return read_listing(listed.data)

    def generate(self, parameters: str) -> Report:
        """Make a key from a parameter file (GnuPG's manual, "Unattended GPG key generation")."""
        return _report(self._gpg.gen_key(carry(parameters)))

    def export_public(self, fingerprint: str) -> str:
        """Export a public key, armoured; empty where there is none."""
        return str(self._gpg.export_keys(fingerprint))

    def export_secret(self, fingerprint: str, passphrase: str | None) -> Report:
        """Export a secret key, armoured, still under its passphrase."""
        gpg = self._asking(passphrase)
        kept: list[_Collected] = []

        # export_keys returns the text alone; why there is none stands in the status lines.
        def keep(owner: object) -> _Collected:
            kept.append(_Collected(owner))
            return kept[-1]

        gpg.result_map = dict(gpg.result_map, export=keep)
        gpg.export_keys(
            fingerprint,
            secret=True,
            passphrase=carry(passphrase) if passphrase else None,
            expect_passphrase=False,
        )
        return _report(kept[0])

    def delete(self, fingerprint: str, *, secret: bool) -> Report:
        """Delete a public key, or first the `secret` half of it."""
        return _report(self._gpg.delete_keys(fingerprint, secret=secret, expect_passphrase=False))

    def _asking(self, passphrase: str | None) -> Any:
        """Return gpg so that, without a passphrase, only the user's own agent may ask for it."""
        if passphrase or self.home is None:
            return self._with()
        return self._with("--pinentry-mode", "error")

    def _with(self, *options: str) -> Any:
        changed = copy.copy(self._gpg)
        changed.options = [*self._gpg.options, *options]
        return changed


def _report(result: Any, statuses: Sequence[tuple[str, str]] | None = None) -> Report:
    return Report(
        tuple(result.lines if statuses is None else statuses),
        bytes(result.data),
        land(result.stderr),
        int(result.returncode),
    )


def check_home(home: Path) -> None:
    """Refuse a home in which gpg's agent can't make its sockets.

    Raises:
        HomeTooLong: the path of the longest one is over 107 bytes.
    """
    length = len(os.fsencode(home.absolute() / _LONGEST_SOCKET))
    if length > _SOCKET_LIMIT and not _run_folder().is_dir():
        raise HomeTooLong(home, length=length, limit=_SOCKET_LIMIT)


def _run_folder() -> Path:
    """Where gpg puts every home's sockets instead, on systems that have it."""
    return Path(f"/run/user/{os.getuid()}/gnupg")


@contextlib.contextmanager
def throwaway_home() -> Iterator[Path]:
    """Make a home of mode 0700 under a short path; afterwards its agent and all of it are gone.

    Raises:
        HomeTooLong: no temporary folder has a path that is short enough.
    """
    home = Path(tempfile.mkdtemp(prefix="rbx-", dir=_short_folder()))
    try:
        (home / "gpg-agent.conf").write_text(f"s2k-count {_S2K_COUNT}\n")
        yield home
    finally:
        try:
            stop_agent(home)
        finally:
            _remove(home)


def stop_agent(home: Path) -> None:
    """Stop the gpg-agent of `home`, if it may have one, and forget its sockets elsewhere.

    Raises:
        GpgMissing: gpgconf isn't there.
    """
    elsewhere = _run_folder().is_dir()
    if elsewhere or (home / _AGENT_SOCKET).exists():
        _gpgconf(home, "--kill", "gpg-agent")
    if elsewhere:
        _gpgconf(home, "--remove-socketdir")


def _gpgconf(home: Path, *arguments: str) -> None:
    program = shutil.which("gpgconf")
    if program is None:
        raise GpgMissing("gpgconf")
    subprocess.run(
        [program, "--homedir", str(home), *arguments],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


def _short_folder() -> str:
    room = _SOCKET_LIMIT - len(f"/rbx-12345678/{_LONGEST_SOCKET}")
    first = Path(tempfile.gettempdir())
    for folder in (first, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp makes it ours
        if len(os.fsencode(folder.absolute())) <= room and os.access(folder, os.W_OK):
            return str(folder.absolute())
    raise HomeTooLong(
        first, length=len(os.fsencode(first)) + _SOCKET_LIMIT - room, limit=_SOCKET_LIMIT
    )


def _remove(home: Path) -> None:
    # The agent takes its sockets away while this goes on; what is left then is a real failure.
    shutil.rmtree(home, ignore_errors=True)
    if home.exists():
        shutil.rmtree(home)
