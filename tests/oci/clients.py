"""The OCI clients as their users start them, each with a login file of its own.

A client is a program, a folder for its login, and a few words that switch it to plain HTTP. Each
command returns what it printed, or raises ClientFailed with all of it. `run` takes any command,
without those words; the methods are for what many tests do.
"""

import base64
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.tools import parts
from tests.tools.docker import DockerFailed, Engine

LIMIT = 120  # seconds for one command; a refusal that is retried takes some


class ClientFailed(Exception):
    """A client ended with another exit code than 0; its text is what the user reads."""


@dataclass(frozen=True)
class Client:
    """A client: `program` started with the environment of a user whose home is `home`."""

    program: Path
    home: Path

    def run(self, *arguments: str, given: str = "", cwd: Path | None = None) -> str:
        """Run it; return its standard output.

        Raises:
            ClientFailed: it said no.
        """
        done = subprocess.run(
            [self.program, *arguments],
            cwd=cwd or self.home,
            env={**self.environ(), "PATH": os.environ["PATH"]},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        if done.returncode != 0:
            words = " ".join(arguments)
            raise ClientFailed(f"{self.program.name} {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def environ(self) -> Mapping[str, str]:
        """Return the variables it is started with, beside PATH."""
        return {
            "HOME": str(self.home),
            "DOCKER_CONFIG": str(self.home),
            "REGISTRY_AUTH_FILE": str(self.home / "config.json"),
            "XDG_RUNTIME_DIR": str(self.home),
            "TMPDIR": str(self.home),
        }


class Oras(Client):
    """oras: artifacts and referrers."""

    def login(self, host: str, user: str, password: str) -> None:
        self.run("login", host, "--plain-http", "-u", user, "--password-stdin", given=password)

    def push(self, reference: str, *files: str, cwd: Path, kind: str = "text/x-note") -> str:
        """Push files as an artifact of type `kind`; return its digest."""
        words = ("push", "--plain-http", "--artifact-type", kind, "--format", "json", reference)
        digest: str = json.loads(self.run(*words, *files, cwd=cwd))["digest"]
        return digest

    def pull(self, reference: str, into: Path) -> None:
        self.run("pull", "--plain-http", reference, "-o", str(into))

    def tags(self, repository: str) -> list[str]:
        return self.run("repo", "tags", "--plain-http", repository).split()

    def manifest(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("manifest", "fetch", "--plain-http", reference))
        return found

    def attach(self, reference: str, file: str, *, kind: str, cwd: Path) -> str:
        """Attach a file to a manifest as its referrer; return the referrer's digest."""
        words = ("attach", "--plain-http", "--artifact-type", kind, "--format", "json")
        digest: str = json.loads(self.run(*words, reference, file, cwd=cwd))["digest"]
        return digest

    def referrers(self, reference: str, kind: str | None = None) -> list[dict[str, Any]]:
        words = ("--artifact-type", kind) if kind else ()
        text = self.run("discover", "--plain-http", "--format", "json", *words, reference)
        found: list[dict[str, Any]] = json.loads(text)["referrers"] or []
        return found

    def copy(self, source: str, target: str, *options: str) -> None:
        plain = ("--from-plain-http", "--to-plain-http")
        self.run("cp", *plain, *options, source, target)


class Crane(Client):
    """crane: images."""

    def login(self, host: str, user: str, password: str) -> None:
        self.run("auth", "login", host, "-u", user, "--password-stdin", given=password)

    def append(self, reference: str, layer: Path) -> str:
        """Push an image of one layer; return its digest."""
        words = ("append", "--insecure", "--oci-empty-base", "-f", str(layer), "-t", reference)
        return self.run(*words).strip().rpartition("@")[2]

    def tags(self, repository: str) -> list[str]:
        return self.run("ls", "--insecure", repository).split()

    def digest(self, reference: str) -> str:
        return self.run("digest", "--insecure", reference).strip()

    def copy(self, source: str, target: str) -> None:
        self.run("copy", "--insecure", source, target)

    def tag(self, reference: str, tag: str) -> None:
        self.run("tag", "--insecure", reference, tag)

    def delete(self, reference: str) -> None:
        self.run("delete", "--insecure", reference)


class Skopeo(Client):
    """skopeo: copies between registries, folders and OCI layouts."""

    def login(self, host: str, user: str, password: str) -> None:
        words = ("login", "--tls-verify=false", "-u", user, "--password-stdin", host)
        self.run(*words, given=password)

    def inspect(self, reference: str) -> dict[str, Any]:
        text = self.run("inspect", "--tls-verify=false", f"docker://{reference}")
        found: dict[str, Any] = json.loads(text)
        return found

    def tags(self, repository: str) -> list[str]:
        text = self.run("list-tags", "--tls-verify=false", f"docker://{repository}")
        found: list[str] = json.loads(text)["Tags"]
        return found

    def copy(self, source: str, target: str, *options: str) -> None:
        """Copy; both are with their transport, as `docker://HOST/NAME:TAG` or `oci:FOLDER:TAG`."""
        # Debian's package reads /etc/containers/policy.json, which a laptop may not have
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
        self.run("--insecure-policy", "copy", *plain, *options, source, target)


class Regctl(Client):
    """regctl: images, artifacts, and each part of them by itself."""

    def environ(self) -> Mapping[str, str]:
        return {**super().environ(), "REGCTL_CONFIG": str(self.home / "regctl.json")}

    def login(self, host: str, user: str, password: str) -> None:
        self.run("registry", "set", "--tls", "disabled", "--skip-check", host)
        self.run("registry", "login", "-u", user, "--pass-stdin", host, given=password)

    def tags(self, repository: str) -> list[str]:
        return self.run("tag", "ls", repository).split()

    def digest(self, reference: str) -> str:
        return self.run("image", "digest", reference).strip()

    def put(self, reference: str, content: str, *options: str, kind: str = "text/x-note") -> None:
        """Push an artifact of type `kind` with one file."""
        self.run("artifact", "put", "--artifact-type", kind, *options, reference, given=content)

    def attach(self, reference: str, content: str, *options: str, kind: str) -> None:
        """Attach an artifact of type `kind` with one file to a manifest."""
        words = ("artifact", "put", "--artifact-type", kind, "--subject", reference)
        self.run(*words, *options, given=content)

    def referrers(self, reference: str, *options: str) -> list[dict[str, Any]]:
        format_ = "{{json .Descriptors}}"
        text = self.run("artifact", "list", reference, *options, "--format", format_)
        found: list[dict[str, Any]] = json.loads(text) or []
        return found


class Cosign(Client):
    """cosign: keys, signatures, attestations; without the public transparency log."""

    PLAIN = ("--allow-http-registry",)
    UNLOGGED = ("--tlog-upload=false", "--use-signing-config=false", "--yes")
    # in tags `sha256-...sig` and `.att` instead of referrers, as all versions before 3 do
    IN_TAGS = ("--new-bundle-format=false",)

    def environ(self) -> Mapping[str, str]:
        return {**super().environ(), "COSIGN_PASSWORD": "a pass phrase"}

    def login(self, host: str, user: str, password: str) -> None:
        self.run("login", host, "-u", user, "--password-stdin", given=password)

    def new_key(self, name: str) -> None:
        """Write NAME.key and NAME.pub into the home."""
        self.run("generate-key-pair", "--output-key-prefix", name)

    def sign(self, reference: str, key: str, *options: str) -> None:
        self.run("sign", "--key", f"{key}.key", *self.PLAIN, *self.UNLOGGED, *options, reference)

    def attest(self, reference: str, key: str, predicate: Path, *options: str) -> None:
        words = ("attest", "--key", f"{key}.key", "--predicate", str(predicate))
        self.run(*words, *self.PLAIN, *self.UNLOGGED, *options, reference)

    def verify(self, reference: str, key: str, *options: str) -> list[dict[str, Any]]:
        """Return the payloads of the signatures by `key`."""
        words = ("verify", "--key", f"{key}.pub", "--insecure-ignore-tlog")
        found: list[dict[str, Any]] = json.loads(self.run(*words, *self.PLAIN, *options, reference))
        return found

    def verify_attestation(self, reference: str, key: str, kind: str, *options: str) -> Any:
        """Return the in-toto statement of an attestation of type `kind` by `key`."""
        words = ("verify-attestation", "--key", f"{key}.pub", "--insecure-ignore-tlog")
        text = self.run(*words, "--type", kind, *self.PLAIN, *options, reference)
        return json.loads(base64.b64decode(json.loads(text)["payload"]))


class Helm(Client):
    """helm: charts."""

    def login(self, host: str, user: str, password: str) -> None:
        words = ("registry", "login", host, "--plain-http", "-u", user, "--password-stdin")
        self.run(*words, given=password)

    def push(self, chart: Path, repository: str) -> None:
        """Push a packaged chart into `HOST/NAMESPACE[/...]`; its name and version are its own."""
        self.run("push", "--plain-http", str(chart), f"oci://{repository}")


@dataclass(frozen=True)
class Docker:
    """docker's command line with an engine, as the user whose login is kept in `home`."""

    engine: Engine
    home: Path

    def run(self, *arguments: str, given: str = "") -> str:
        """Run it; return its standard output.

        Raises:
            ClientFailed: it said no.
        """
        try:
            return self.engine.run(*arguments, home=self.home, given=given.encode())
        except DockerFailed as error:
            raise ClientFailed(str(error)) from error

    def login(self, host: str, user: str, password: str) -> None:
        self.run("login", host, "-u", user, "--password-stdin", given=password)


def regctl(home: Path) -> Regctl:
    """Return regctl with its login kept in `home`; skip where it isn't here."""
    return Regctl(parts.regctl(), _made(home))


def cosign(home: Path) -> Cosign:
    """Return cosign with its login and keys kept in `home`; skip where it isn't here."""
    return Cosign(parts.cosign(), _made(home))


def helm(home: Path) -> Helm:
    """Return helm with its login kept in `home`; skip where it isn't here."""
    return Helm(parts.helm(), _made(home))


def docker(engine: Engine, home: Path) -> Docker:
    """Return docker with its login kept in `home`."""
    return Docker(engine, _made(home))


def oras(home: Path) -> Oras:
    """Return oras with its login kept in `home`; skip where it isn't here."""
    return Oras(parts.oras(), _made(home))


def crane(home: Path) -> Crane:
    """Return crane with its login kept in `home`; skip where it isn't here."""
    return Crane(parts.crane(), _made(home))


def skopeo(home: Path) -> Skopeo:
    """Return skopeo with its login kept in `home`; skip where it isn't here."""
    return Skopeo(parts.skopeo(), _made(home))


def layer(path: Path, files: dict[str, bytes]) -> Path:
    """Write a tar for an image's layer; return its path."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return path


def _made(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return home
