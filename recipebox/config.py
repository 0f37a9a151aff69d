"""Where the client keeps what it remembers, and what it finds there.

::

    <platform's configuration folder>/recipebox/
    ├── config.toml         settings, by the names of settings/table.py (the user writes it)
    ├── credentials.json    mode 600: the registry of the last login, and tokens by registry
    ├── trust.json          which fingerprints are pinned, by registry (recipebox/trust.py)
    └── keys/<FPR>.asc      the public keys of those

A token is looked for in RECIPEBOX_TOKEN, the system's keyring (where the `keyring` library is
installed and has one), credentials.json, and docker's configuration with its credential helpers.
"""

import base64
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recipebox.errors import ClientError, InsecureURL, Misuse

APPLICATION = "recipebox"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that the client may write to: `config` for what it remembers, `cache`."""

    config: Path
    cache: Path

    @classmethod
    def of_platform(cls, cache: Path | None = None) -> "Places":
        """Return the platform's folders (XDG on Linux); `cache` overrides that one."""
        import platformdirs

        return cls(
            Path(platformdirs.user_config_dir(APPLICATION, appauthor=False)),
            cache or Path(platformdirs.user_cache_dir(APPLICATION, appauthor=False)),
        )


def check_url(url: str, *, insecure: bool = False) -> str:
    """Return a registry's URL as scheme and host only.

    Raises:
        Misuse: not http or https, without a host, or with a path.
        InsecureURL: plain http to another machine than this, and not `insecure`.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/") or parts.query:
        raise Misuse(
            f"not a registry's URL: {url!r}",
            hint="expected https://host or https://host:port, without a path",
        )
    if parts.username is not None:
        raise Misuse(
            "the registry's URL holds a user name or password",
            hint="keep the token with `recipebox login`, or in RECIPEBOX_TOKEN",
        )
    if parts.scheme == "http" and not insecure and not is_loopback(parts.netloc):
        raise InsecureURL(
            f"{url}: plain http to another machine would send the token in the clear",
            hint="use https, or --insecure where the network is trusted",
        )
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(netloc: str) -> bool:
    """Return whether `HOST` or `HOST:PORT` is this machine."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return host in _LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())


def write_atomically(
    path: Path, data: bytes, mode: int = 0o600, *, is_durable: bool = True
) -> None:
    """Write a file so that a reader sees the old bytes or the new ones; it is never more open.

    What isn't `is_durable` may be damaged by a machine that stops: for what can be made again.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of ours; an absent file is an empty one.

    Raises:
        ClientError: not JSON, or of a schema version that isn't understood.
    """
    try:
        drawn = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClientError(f"{path}: not JSON: {error}", hint="mend it or remove it") from error
    found = drawn.get("schema_version") if isinstance(drawn, dict) else None
    if found != _SCHEMA_VERSION:
        raise ClientError(
            f"{path}: schema_version is {found!r}, this program understands {_SCHEMA_VERSION}",
            hint="a newer Recipebox wrote it: use that, or remove the file",
        )
    return dict(drawn)


class Credentials:
    """Tokens by registry: in the keyring where there is one, else in credentials.json."""

    def __init__(self, places: Places) -> None:
        self.path = places.config / "credentials.json"

    def default_url(self) -> str | None:
        """Return the registry of the last login; None before any."""
        found = read_json(self.path).get("default")
        return str(found) if found else None

    def find_token(self, url: str) -> str | None:
        """Return the token kept for the registry at `url`, from wherever it is kept."""
        login = self.find_login(url)
        return login and login[1]

    def find_login(self, url: str) -> tuple[str, str] | None:
        """Return the user and password for the registry at `url`: a token, or docker's login.

        Of a token the user's name doesn't matter.
        """
        kept = read_json(self.path).get("tokens", {}).get(url) or _from_keyring(url)
        return (APPLICATION, kept) if kept else _from_docker(urlsplit(url).netloc)

    def keep(self, url: str, token: str, *, as_default: bool = True) -> str:
        """Keep `token` for `url`, make `url` the default if asked; return where it was kept."""
        drawn = self._read()
        if as_default:
            drawn["default"] = url
        where = "the system's keyring"
        if _with_keyring(lambda ring: ring.set_password(APPLICATION, url, token)) is _FAILED:
            drawn["tokens"][url] = token
            where = str(self.path)
        else:
            drawn["tokens"].pop(url, None)
        self._write(drawn)
        return where

    def forget(self, url: str) -> bool:
        """Forget the token for `url`; return whether there was one."""
        drawn = self._read()
        had_file = drawn["tokens"].pop(url, None) is not None
        had_ring = _from_keyring(url) is not None
        if had_ring:
            _with_keyring(lambda ring: ring.delete_password(APPLICATION, url))
        if drawn.get("default") == url:
            drawn["default"] = None
        self._write(drawn)
        return had_file or had_ring

    def _read(self) -> dict[str, Any]:
        drawn: dict[str, Any] = {"schema_version": _SCHEMA_VERSION, "default": None, "tokens": {}}
        return drawn | read_json(self.path)

    def _write(self, drawn: Mapping[str, Any]) -> None:
        write_atomically(self.path, json.dumps(drawn, indent=2).encode() + b"\n")


_FAILED = object()


def _with_keyring(act: Callable[[Any], object]) -> object:
    """Return what `act` does with the system's keyring, or `_FAILED` where none can be used."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return _FAILED
    ring = keyring.get_keyring()
    if ring.priority <= 0:
        return _FAILED
    try:
        return act(ring)
    except keyring.errors.KeyringError:
        return _FAILED


def _from_keyring(url: str) -> str | None:
    found = _with_keyring(lambda ring: ring.get_password(APPLICATION, url))
    return found if isinstance(found, str) and found else None


def _from_docker(host: str) -> tuple[str, str] | None:
    """Return what `docker login` kept for `host`, also in a credential helper."""
    import oras.auth.utils
    import oras.utils
    from oras.auth.basic import BasicAuth

    if not oras.utils.find_docker_config():
        return None
    backend = BasicAuth()
    backend._auth_config = oras.auth.utils.load_configs()  # noqa: SLF001 - oras's own seam
    if not backend._load_auth(host):  # noqa: SLF001
        return None
    user, _, password = base64.b64decode(backend._basic_auth).decode().partition(":")  # noqa: SLF001
    return (user, password) if password else None
