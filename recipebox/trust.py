"""What this machine trusts: fingerprints pinned by registry and namespace.

The first signer of a namespace is pinned when it is first seen, and shown; after that another one
is refused until a person adds it, whatever the server says. The registry's own key, which signs
receipts and promotions, is pinned likewise, under the name `_server`.

::

    trust.json
    {"schema_version": 1,
     "registries": {"https://recipes.example.org": {
        "team": [{"fingerprint": "9F2C…", "added": "2026-11-23T19:00:00Z", "how": "first use"}],
        "_server": [...]}}}
    keys/<FPR>.asc      the public key of each pin that was seen, so that verifying needs no network
"""

import fcntl
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recipebox.config import Places, read_json, write_atomically
from recipebox.errors import Missing, Misuse, UnknownSigner, Unsigned

SERVER = "_server"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pin:
    """A fingerprint that is trusted to sign for `namespace`; `how` it came here, and when."""

    namespace: str
    fingerprint: str
    added: str
    how: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Which `signers` are trusted; `is_first_use` where they are to be pinned now."""

    signers: tuple[str, ...]
    is_first_use: bool


def read_fingerprint(text: str) -> str:
    """Return a fingerprint as 40 or 64 upper-case hex digits; spaces, colons and `0x` may be in it.

    Raises:
        Misuse: it isn't one; a short key id is not enough.
    """
    found = re.sub(r"[\s:]", "", text).upper().removeprefix("0X")
    if not _FINGERPRINT.fullmatch(found):
        raise Misuse(
            f"not a fingerprint: {text!r}",
            hint="expected all 40 (or 64) hex digits, as `gpg --fingerprint` prints them",
        )
    return found


def decide(
    namespace: str,
    what: str,
    pinned: Sequence[str],
    signers: Sequence[str],
    url: str | None = None,
) -> Decision:
    """Decide whether `what` is trusted, given who is pinned and who signed it well. No IO.

    `url` is the registry whose pins they are, where it isn't the client's own.

    Raises:
        Unsigned: nobody signed it.
        UnknownSigner: somebody is pinned, and nobody of those signed it.
    """
    found = tuple(sorted(set(signers)))
    if not found:
        raise Unsigned(
            f"{what}: no good signature on it",
            hint="ask its publisher to sign it: recipebox sign, then recipebox publish",
            what=what,
            namespace=namespace,
        )
    if not pinned:
        return Decision(found, is_first_use=True)
    trusted = tuple(signer for signer in found if signer in set(pinned))
    if not trusted:
        raise UnknownSigner(namespace, what, sorted(pinned), list(found), url)
    return Decision(trusted, is_first_use=False)


class TrustStore:
    """The pins for one registry, in trust.json, and their keys."""

    def __init__(self, places: Places, registry: str) -> None:
        self.registry = registry
        self._path = places.config / "trust.json"
        self._keys = places.config / "keys"

    def pins(self, namespace: str | None = None) -> list[Pin]:
        """Return the pins of `namespace`, or of all."""
        kept = read_json(self._path).get("registries", {}).get(self.registry, {})
        return [
            Pin(name, entry["fingerprint"], entry["added"], entry["how"])
            for name in sorted(kept)
            if namespace in {None, name}
            for entry in kept[name]
        ]

    def fingerprints(self, namespace: str) -> list[str]:
        """Return the fingerprints that are pinned for `namespace`."""
        return [pin.fingerprint for pin in self.pins(namespace)]

    def add(self, namespace: str, fingerprint: str, how: str) -> bool:
        """Pin a fingerprint; return False where it was already."""
        fingerprint = read_fingerprint(fingerprint)
        with self._changing() as drawn:
            entries = drawn["registries"].setdefault(self.registry, {}).setdefault(namespace, [])
            if any(entry["fingerprint"] == fingerprint for entry in entries):
                return False
            added = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            entries.append({"fingerprint": fingerprint, "added": added, "how": how})
            entries.sort(key=lambda entry: str(entry["fingerprint"]))
        return True

    def remove(self, namespace: str, fingerprint: str) -> None:
        """Unpin a fingerprint.

        Raises:
            Missing: it isn't pinned.
        """
        fingerprint = read_fingerprint(fingerprint)
        with self._changing() as drawn:
            kept = drawn["registries"].get(self.registry, {})
            left = [e for e in kept.get(namespace, []) if e["fingerprint"] != fingerprint]
            if len(left) == len(kept.get(namespace, [])):
                raise Missing(
                    f"{fingerprint} isn't pinned for {namespace} of {self.registry}",
                    hint="`recipebox trust list` shows what is",
                )
            if left:
                kept[namespace] = left
            else:
                del kept[namespace]

    def find_key(self, fingerprint: str) -> str | None:
        """Return the armoured public key of a pin, where it was seen."""
        try:
            return (self._keys / f"{fingerprint}.asc").read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def keep_key(self, fingerprint: str, armored: str) -> None:
        """Keep the armoured public key of a pin."""
        write_atomically(self._keys / f"{fingerprint}.asc", armored.encode("ascii"))

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._path.parent / ".trust.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            empty = {"schema_version": _SCHEMA_VERSION, "registries": {}}
            drawn: dict[str, Any] = empty | read_json(self._path)
            yield drawn
            write_atomically(self._path, json.dumps(drawn, indent=2).encode() + b"\n")
