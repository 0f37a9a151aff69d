"""Immutable tags: which tags a namespace's patterns hold where they are.

A pattern is written as a shell's, and matches a whole tag, in upper and lower case as it is:

::

    *           every tag
    v*          v1, v1.2.3, vendor
    v[0-9]*     v1, v1.2.3
    [!d]??      any three characters of which the first isn't d

What a pattern holds can be pushed once, and again with the same bytes; it can't be moved or
deleted, and neither can the manifest that it names, by anybody, until the pattern is taken away.
The server's own tags (a package's versions, an application's channels) have rules of their own.
"""

import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from artifacts.reference import Tag
from registry import lookups
from registry.errors import InvalidValue, TagImmutable
from registry.schema import NamespaceRow, RepositoryRow, TagRow

MOST_PATTERNS = 50
"""Patterns of a namespace at most: each is tried for each tag that is pushed again."""

_FORM = re.compile(r"[a-zA-Z0-9._*?\[\]!-]{1,128}")


def draw_patterns(patterns: Sequence[str]) -> str:
    """Return patterns as `namespace.immutable_tags` has them, once each.

    Raises:
        InvalidValue: too many, or one that isn't made of a tag's characters and `* ? [ ] !`.
    """
    once = list(dict.fromkeys(patterns))
    if len(once) > MOST_PATTERNS:
        raise InvalidValue("immutable_tags", f"{len(once)} patterns", f"{MOST_PATTERNS} at most")
    for pattern in once:
        if not _FORM.fullmatch(pattern):
            rule = "up to 128 letters, digits, '_', '.', '-', or '*', '?', '[', ']', '!'"
            raise InvalidValue("immutable_tags", pattern, rule)
    return json.dumps(once)


def read_patterns(namespace: NamespaceRow) -> tuple[str, ...]:
    """Return a namespace's patterns."""
    return tuple(json.loads(namespace.immutable_tags))


def find_pattern(patterns: Sequence[str], tag: str) -> str | None:
    """Return the first pattern that holds `tag`, or None."""
    return next((pattern for pattern in patterns if fnmatchcase(tag, pattern)), None)


def refuse_change(repository: RepositoryRow, tag: Tag, digest: str | None) -> None:
    """Refuse that a tag names another manifest than now: `digest`, or None when it is to go.

    Called in a session of the caller's. A tag that isn't there yet may be anything.

    Raises:
        TagImmutable: a pattern of the namespace holds it.
    """
    row = lookups.tag(repository.id, tag.text)
    if row is not None and row.manifest.digest != digest:
        _refuse(repository, [row])


def refuse_deletion(repository: RepositoryRow, tags: Sequence[TagRow]) -> None:
    """Refuse that any of a repository's `tags` goes.

    Raises:
        TagImmutable: a pattern of the namespace holds it.
    """
    _refuse(repository, tags)


def _refuse(repository: RepositoryRow, tags: Sequence[TagRow]) -> None:
    patterns = read_patterns(repository.namespace) if tags else ()
    for row in tags:
        pattern = find_pattern(patterns, row.name)
        if pattern is not None and not row.is_server_owned:
            raise TagImmutable(
                repository.name, row.name, pattern=pattern, digest=row.manifest.digest
            )
