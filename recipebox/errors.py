"""What can go wrong for the client, and the one table of exit codes.

::

    ClientError                     1
    ├── Misuse                      2   what was asked for can't be meant
    ├── Missing                     3   a name, version, file or cached blob that isn't there
    │   └── NotCached               3   asked for offline, and not in the cache
    ├── Untrusted                   4
    │   ├── UnknownSigner           4   a good signature by a key that isn't pinned
    │   ├── Unsigned                4   no signature at all
    │   ├── Tampered                4   bytes or statements that contradict each other
    │   └── Denied                  4   the server refused the token, or by policy
    ├── Conflicting                 5   other bytes, or a pointer that moved meanwhile
    ├── Unreachable                 6   no connection, broken off, or the server failed
    │   └── Interrupted             6   a transfer that ended before its end
    └── InsecureURL                 2   plain http to another machine
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, ClassVar

from resolver.errors import Unread


class ExitCode(IntEnum):
    """What the process ends with; `run` passes the recipe's own code through."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNTRUSTED = 4
    CONFLICT = 5
    NETWORK = 6
    RUN_FAILED = 125
    INTERRUPTED = 130


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed: the message says what and where",
    ExitCode.USAGE: "the command was not understood: a wrong option, name or value",
    ExitCode.NOT_FOUND: "a package, version, key or file isn't there",
    ExitCode.UNTRUSTED: "refused by trust or policy: signature, digest, signer, token or rights",
    ExitCode.CONFLICT: "conflict: other bytes under the same name, or a channel that moved",
    ExitCode.NETWORK: "the network or the server failed; trying again may help",
    ExitCode.RUN_FAILED: "`run` only: Recipebox failed before or around the recipe",
    ExitCode.INTERRUPTED: "interrupted",
}


class ClientError(Exception):
    """What happened, where, and what to do; `values` are for machines (`--json`)."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, hint: str | None = None, **values: Any) -> None:
        self.message = message
        self.hint = hint
        self.values = values
        super().__init__(message)

    def __str__(self) -> str:
        """Return the message, and what to do on a line of its own."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class Misuse(ClientError):
    """What was asked for can't be meant."""

    exit_code = ExitCode.USAGE
    code = "usage"


class InsecureURL(ClientError):
    """A registry on another machine by plain http."""

    exit_code = ExitCode.USAGE
    code = "insecure_url"


class Missing(ClientError):
    """A name, version, file or cached blob that isn't there."""

    exit_code = ExitCode.NOT_FOUND
    code = "not_found"


class NotCached(Missing, Unread):
    """Something that was asked for offline, and isn't in the cache."""

    code = "not_cached"


class Untrusted(ClientError):
    """Refused by trust or policy."""

    exit_code = ExitCode.UNTRUSTED
    code = "untrusted"


class UnknownSigner(Untrusted):
    """A good signature, by a key that isn't pinned for the namespace.

    `url` is the registry whose pins they are, where it isn't the client's own.
    """

    code = "unknown_signer"

    def __init__(
        self,
        namespace: str,
        what: str,
        expected: list[str],
        found: list[str],
        url: str | None = None,
    ) -> None:
        hint = (
            "if the new key is known to be right (asked of its owner, not of the server): "
            f"recipebox trust add {namespace} {found[0]}" + (f" --url {url}" if url else "")
            if found
            else None
        )
        super().__init__(
            f"{what}: signed by {', '.join(found) or 'nobody'}, but {namespace} is pinned to "
            f"{', '.join(expected)}",
            hint=hint,
            namespace=namespace,
            expected=expected,
            found=found,
        )


class Unsigned(Untrusted):
    """No signature where one is required."""

    code = "unsigned"


NOT_LAID_OUT = "nothing of it was laid out; tell the registry's operator"


class Tampered(Untrusted):
    """Bytes or statements that contradict each other: `expected` and `found`."""

    code = "tampered"

    def __init__(
        self,
        what: str,
        *,
        expected: object,
        found: object,
        hint: str = NOT_LAID_OUT,
    ) -> None:
        super().__init__(
            f"{what}: expected {expected}, found {found}",
            hint=hint,
            what=what,
            expected=str(expected),
            found=str(found),
        )


class InvalidArchive(Untrusted):
    """A file that isn't what `export` writes, or not all of it; `offset` is where, in bytes."""

    code = "invalid_archive"

    def __init__(self, reason: str, *, offset: int, hint: str | None = None) -> None:
        super().__init__(
            f"byte {offset}: {reason}; nothing of it was taken",
            hint=hint or "copy it again, and compare its sha256 with what `export` told",
            offset=offset,
            reason=reason,
        )


class Denied(Untrusted):
    """The server refused the token, or what it may do."""

    code = "denied"


class Conflicting(ClientError):
    """Other bytes under the same name, or a pointer that moved meanwhile."""

    exit_code = ExitCode.CONFLICT
    code = "conflict"


class Unreachable(ClientError):
    """No connection, a connection that broke, or a server that failed."""

    exit_code = ExitCode.NETWORK
    code = "network"


class Interrupted(Unreachable):
    """A transfer that ended before its end, after every retry."""

    code = "interrupted"


FOREIGN: Mapping[str, ExitCode] = {
    "artifacts.errors.DigestMismatch": ExitCode.UNTRUSTED,
    "artifacts.errors.InvalidManifest": ExitCode.UNTRUSTED,
    "artifacts.errors.InvalidName": ExitCode.USAGE,
    "artifacts.errors.InvalidDigest": ExitCode.USAGE,
    "recipes.errors.InvalidEvidence": ExitCode.UNTRUSTED,
    "recipes.errors.NotAPackage": ExitCode.NOT_FOUND,
    "resolver.errors.InvalidDocument": ExitCode.FAILED,
    "resolver.errors.InvalidText": ExitCode.USAGE,
    "resolver.errors.PinChanged": ExitCode.UNTRUSTED,
    "settings.errors.SettingsError": ExitCode.USAGE,
    "signing.errors.AmbiguousKey": ExitCode.USAGE,
    "signing.errors.InvalidStatement": ExitCode.UNTRUSTED,
    "signing.errors.KeyNotFound": ExitCode.NOT_FOUND,
    "signing.errors.TrustRefused": ExitCode.UNTRUSTED,
    "signing.errors.VerificationFailed": ExitCode.UNTRUSTED,
    "builtins.FileNotFoundError": ExitCode.NOT_FOUND,
    "builtins.KeyboardInterrupt": ExitCode.INTERRUPTED,
}
"""Exit codes of errors raised below the client, by qualified name, so that none is imported."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return what the process ends with for `error`: its own, its nearest base's, else 1."""
    if isinstance(error, ClientError):
        return error.exit_code
    for kind in type(error).__mro__:
        found = FOREIGN.get(f"{kind.__module__}.{kind.__qualname__}")
        if found is not None:
            return found
    return ExitCode.FAILED


def is_expected(error: BaseException) -> bool:
    """Whether `error` says what happened by itself, so that a traceback would only be noise."""
    if isinstance(error, ClientError | OSError):
        return True
    roots = (
        "artifacts.errors",
        "settings.errors",
        "signing.errors",
        "resolver.errors",
        "recipes.errors",
        "sandbox.errors",
    )
    return any(kind.__module__ in roots for kind in type(error).__mro__)


def describe(error: BaseException) -> dict[str, Any]:
    """Return `error` as `--json` prints it: {code, message, hint, exit_code, ...values}."""
    drawn: dict[str, Any] = {
        "code": getattr(error, "code", None) or _snake(type(error).__name__),
        "message": getattr(error, "message", None) or str(error),
        "hint": getattr(error, "hint", None),
        "exit_code": int(exit_code_of(error)),
    }
    values = getattr(error, "values", None)
    if isinstance(values, Mapping):
        drawn |= {key: value for key, value in values.items() if key not in drawn}
    return drawn


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
