"""Keys for tests: two that are kept in `cases/gpg`, and any other made by plain gpg.

`SIGNER` and `OTHER` are real Ed25519 keys without a passphrase that guard nothing: they are for
tests only. `Gnupg` is gpg itself in a throwaway home, so that what our code must refuse is made
without our code.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CASES = Path(__file__).parent / "cases" / "gpg"


@dataclass(frozen=True)
class TestKey:
    """A key's fingerprint, its armoured halves, and the passphrase of the secret one."""

    __test__ = False

    fingerprint: str
    public: str
    secret: str
    passphrase: str = ""


def _kept(name: str, fingerprint: str) -> TestKey:
    return TestKey(
        fingerprint,
        (CASES / f"{name}.public.asc").read_text("ascii"),
        (CASES / f"{name}.secret.asc").read_text("ascii"),
    )


SIGNER = _kept("signer", "F31F3F4E0BAAA818773B55C12DF181581CBC7E7F")
OTHER = _kept("other", "6E090D26FAA9B4A74912E19D4E94C9639AA7A65F")


class Gnupg:
    """The gpg program in one home; `at` is a moment that it takes for now."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(
        self, *arguments: str, data: bytes = b"", passphrase: str = "", at: str | None = None
    ) -> bytes:
        """Run gpg and return its output; `at` is as `20200131T120000`."""
        return self._run("--batch", "--passphrase", passphrase, *arguments, data=data, at=at)

    def answer(self, *arguments: str, answers: tuple[str, ...]) -> bytes:
        """Run gpg and answer its questions."""
        data = "".join(f"{answer}\n" for answer in answers).encode()
        return self._run("--command-fd", "0", *arguments, data=data)

    def _run(self, *arguments: str, data: bytes, at: str | None = None) -> bytes:
        clock = () if at is None else ("--faked-system-time", f"{at}!")
        command = ["gpg", "--homedir", str(self.home), "--yes", "--quiet", "--no-tty"]
        command += ["--pinentry-mode", "loopback", *clock, *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def make(
        self,
        email: str,
        *,
        algorithm: str = "ed25519",
        usage: str = "sign",
        lifetime: str = "0",
        passphrase: str = "",
        at: str | None = None,
        options: tuple[str, ...] = (),
    ) -> str:
        """Make a key with the user ID `Test <email>`, and return its fingerprint."""
        self(
            *options,
            "--quick-generate-key",
            f"Test <{email}>",
            algorithm,
            usage,
            lifetime,
            passphrase=passphrase,
            at=at,
        )
        return self.fingerprints(f"<{email}>")[0]

    def fingerprints(self, name: str) -> list[str]:
        """Return the fingerprints of a key's parts, the primary one first."""
        listed = self("--list-keys", "--with-colons", name).decode()
        return re.findall(r"^fpr:{9}([0-9A-F]+):", listed, re.MULTILINE)

    def public(self, *names: str) -> str:
        """Export public keys, armoured."""
        return self("--armor", "--export", *names).decode("ascii")

    def secret(self, name: str, passphrase: str = "") -> str:
        """Export a secret key, armoured."""
        return self("--armor", "--export-secret-keys", name, passphrase=passphrase).decode("ascii")

    def sign(
        self, data: bytes, name: str, *options: str, passphrase: str = "", at: str | None = None
    ) -> str:
        """Make a detached armoured signature."""
        return self(
            *("--local-user", name, "--armor", *options, "--detach-sign"),
            data=data,
            passphrase=passphrase,
            at=at,
        ).decode("ascii")

    def edit(self, name: str, *answers: str) -> None:
        """Answer gpg's questions about a key."""
        self.answer("--expert", "--edit-key", name, answers=answers)

    def revoke(self, name: str, *options: str) -> None:
        """Revoke a whole key."""
        certificate = self.answer(
            *options, "--armor", "--generate-revocation", name, answers=("y", "0", "", "y")
        )
        self("--import", data=certificate)


@contextmanager
def gnupg() -> Iterator[Gnupg]:
    """Open a throwaway home; its agent and files are gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="rbt-", dir="/tmp"))
    try:
        # Else each new agent measures for two seconds how slow it may make a passphrase.
        (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
        yield Gnupg(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
        shutil.rmtree(home, ignore_errors=True)


def make_key(
    email: str = "someone@example.org",
    *,
    algorithm: str = "ed25519",
    lifetime: str = "0",
    passphrase: str = "",
    at: str | None = None,
) -> TestKey:
    """Make a key (gpg's words: `rsa1024`, `30d`; `at` is when, `20200131T120000`)."""
    with gnupg() as gpg:
        made = gpg.make(email, algorithm=algorithm, lifetime=lifetime, passphrase=passphrase, at=at)
        return TestKey(made, gpg.public(made), gpg.secret(made, passphrase), passphrase)


def agents(folder: str) -> list[str]:
    """Return the command lines of gpg-agents that run in homes whose path holds `folder`."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if "gpg-agent" in command and folder in command:
            found.append(command)
    return found
