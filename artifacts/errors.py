"""What can be wrong with an OCI value.

::

    ArtifactError
    ├── InvalidDigest       not `algorithm:hex`, or of an algorithm that isn't known
    ├── DigestMismatch      bytes that don't have the digest that was asked for
    ├── InvalidName         a repository, package or tag outside of the grammar
    └── InvalidManifest     bytes that aren't the manifest that they say they are
"""


class ArtifactError(ValueError):
    """Base of everything that `artifacts` raises."""


class InvalidDigest(ArtifactError):
    """A text that is not a digest: `text` is what was given."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"not a digest: {text[:100]!r} (expected 'sha256:' and 64 lower-case hex digits, "
            "or 'sha512:' and 128)"
        )


class DigestMismatch(ArtifactError):
    """Bytes whose digest is `found` where `expected` was asked for; `what` names them."""

    def __init__(self, what: str, *, expected: object, found: object) -> None:
        self.what = what
        self.expected = str(expected)
        self.found = str(found)
        super().__init__(
            f"{what}: expected {expected}, found {found}; the bytes were changed or cut short"
        )


class InvalidName(ArtifactError):
    """A name outside of its grammar: `kind` is what it should be, `text` what was given."""

    def __init__(self, kind: str, text: str, expected: str) -> None:
        self.kind = kind
        self.text = text
        self.expected = expected
        super().__init__(f"not a {kind}: {text[:300]!r} (expected {expected})")


class InvalidManifest(ArtifactError):
    """Bytes that are not an OCI manifest: `reason` says which rule they break."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a valid manifest: {reason}")
