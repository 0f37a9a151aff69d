"""No secret goes in: detect-secrets over what is packed, as text, before anything else is done.

It is asked line by line, and only about lines that can hold something. Its own rules are regular
expressions and words, which are looked for in a whole block of text at once; the 212,000 lines of
a large checkout take about a second so, where its own scan takes half a minute. Two of its rules
are left out: public IP addresses, which are no secrets, and random hexadecimal digits, which in
this kind of code are checksums. Random base64 is looked for in code and configuration alone, since
data are full of it.

A file is read in blocks, never as a whole, and only as text: what has a zero byte in its beginning
is none. Of a file larger than `MOST` bytes the beginning is looked at, and that is said.

Random base64 has digits, and no words: a value without any digit, or mostly of words (a path, a
name of a class), is taken for what it looks like.

A finding is allowed by detect-secrets' own comment in the line (`pragma: allowlist secret`), or in
recipebox.toml::

    [[allowed]]                     # or [[recipes.etl_daily.allowed]]
    file = "tests/data/key.pem"     # with the kind; or `hash` = what detect-secrets calls the hash
    kind = "Private Key"
    reason = "made for the tests, and opens nothing"
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from recipes.errors import Finding, SecretsFound, UnsafePath
from recipes.paths import open_plain
from recipes.project import Allowed

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

MOST: Final = 16 << 20
"""Bytes of a file that are looked at; some two seconds."""

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 16
_STRIDE = _LONGEST_LINE // 2  # from one piece of a longer line to the next; they overlap
_PROBE = 8192  # bytes in which git, too, looks for a zero
_LEFT_OUT: Final = frozenset({"IPPublicDetector", "HexHighEntropyString"})
_ENTROPY: Final = "Base64HighEntropyString"
_WORDY: Final = frozenset({"KeywordDetector", _ENTROPY})
_CODE: Final = frozenset({
    ".py", ".sh", ".bash", ".toml", ".ini", ".cfg", ".conf", ".env", ".properties", ".yaml", ".yml",
    ".sql", ".js", ".ps1", "",
})  # fmt: skip
# the rules for IBM's services are slow, and each wants a word, a sign and a long value
_ASSIGNED = re.compile(
    r"(?:key|pwd|pw|password|pass|token)[\"']?\]? {0,9}[=: ][^\n]{0,12}?[a-z0-9_\-]{24}"
)
_SLOW: Final = frozenset({
    "CloudantDetector", "IbmCloudIamDetector", "IbmCosHmacDetector", "SoftlayerDetector",
})  # fmt: skip
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "ArtifactoryDetector": ("AKC", "AP"),
    "MailchimpDetector": ("-us",),
}
_WORD_IN = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_JOINT = re.compile(r"[A-Z/_-]")
_WORDS_OF_TEXT = 0.6  # of a value's letters in words; random base64 has a fifth
_QUOTED = re.compile(r"""["'][A-Za-z0-9+/\\\-_=]{23,}["']""")  # fewer letters have less entropy


Source: TypeAlias = Path | bytes | tuple[bytes, ...]
"""Where a file is, or its bytes; or several texts whose lines have the numbers of the file's."""


def check_secrets(files: Mapping[str, Source], allowed: Sequence[Allowed]) -> tuple[str, ...]:
    """Look through files, by what to call them.

    Returns what people should know: files of which only the beginning was looked at, and what is
    allowed and isn't there.

    Raises:
        SecretsFound: with each finding that isn't allowed; never the secret itself.
        UnsafePath: a file can't be read.
    """
    findings: list[Finding] = []
    notes: list[str] = []
    used: set[Allowed] = set()
    for name in sorted(files):
        source = files[name]
        parts = source if isinstance(source, tuple) else (source,)
        found = [finding for part in parts for finding in find_secrets(name, part)]
        for finding in dict.fromkeys(found):
            pardons = [each for each in allowed if each.covers(finding)]
            used.update(pardons)
            if not pardons:
                findings.append(finding)
        if isinstance(source, Path) and source.stat().st_size > MOST and _is_text(_probe(source)):
            size = f"{MOST >> 20} MiB"
            notes.append(f"{name}: only its first {size} were looked through for secrets")
    if findings:
        raise SecretsFound(findings)
    notes += [
        f"recipebox.toml allows a finding that isn't there: {each}"
        for each in allowed
        if each not in used and each.of_recipe
    ]
    return tuple(notes)


def find_secrets(name: str, source: Path | bytes) -> Iterator[Finding]:
    """Yield what looks like a secret in a file; nothing of one that is no text.

    Raises:
        UnsafePath: it can't be read.
    """
    before = 0
    for text in _blocks(name, source):
        yield from _search(name, text, before)
        before += text.count("\n")


def _probe(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read(_PROBE)


def _is_text(beginning: bytes) -> bool:
    return beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in beginning


def _blocks(name: str, source: Path | bytes) -> Iterator[str]:
    """Yield a file's text in blocks of whole lines, as far as it is looked at."""
    if isinstance(source, bytes):
        if _is_text(source[:_PROBE]):
            yield source.decode(errors="replace")
        return
    try:
        with open_plain(source) as raw:
            probe = raw.read(_PROBE)
            if not _is_text(probe):
                return
            raw.seek(0)
            encoding = "utf-16" if probe[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
            file = TextIOWrapper(raw, encoding, errors="replace", newline="\n")
            left = MOST
            while left > 0 and (text := file.read(_BLOCK)):
                text += file.readline(_LONGEST_LINE)
                left -= len(text)
                yield text
    except OSError as error:
        raise UnsafePath(name, f"it can't be read: {error.strerror}") from error


def _search(name: str, text: str, before: int) -> Iterator[Finding]:
    """Find what may be something in a block of text, and ask the rules about these lines."""
    is_code = Path(name).suffix.lower() in _CODE
    at = sorted(set(_candidates(text, is_code=is_code)))
    if not at:
        return
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    asked: set[tuple[int, int]] = set()
    for place in at:
        index = bisect_right(starts, place) - 1
        inside = place - starts[index] if len(lines[index]) > _LONGEST_LINE else 0
        asked.add((index, max(0, inside // _STRIDE * _STRIDE - _PROBE)))
    for index, start in sorted(asked):
        line = lines[index][start : start + _LONGEST_LINE].rstrip()
        above = lines[index - 1] if index and not start else ""
        yield from _ask(name, line, above, before + index + 1, is_code=is_code)


def _candidates(text: str, *, is_code: bool) -> Iterator[int]:
    low = text.lower()
    if len(low) == len(text):
        for pattern in (_rules().words, _ASSIGNED):
            yield from (match.start() for match in pattern.finditer(low))
    else:  # a letter whose lower case is two: places would be others
        for pattern in (_rules().words, _ASSIGNED):
            slow = re.compile(pattern.pattern, re.IGNORECASE)
            yield from (match.start() for match in slow.finditer(text))
    if is_code:
        yield from (match.start() for match in _QUOTED.finditer(text))
    for needed, patterns in _rules().patterns:
        if not needed or any(each in text for each in needed):
            for pattern in patterns:
                # a match may begin with the end of the line before its own
                yield from (
                    match.start() + (match[0][:1] == "\n") for match in pattern.finditer(text)
                )


def _ask(name: str, line: str, above: str, number: int, *, is_code: bool) -> Iterator[Finding]:
    """Ask each rule about a line; `above` is the one before it, where a comment may allow it."""
    from detect_secrets.filters import heuristic
    from detect_secrets.filters.allowlist import is_line_allowlisted
    from detect_secrets.util.code_snippet import get_code_snippet

    context = get_code_snippet([above, line], 2)
    if is_line_allowlisted(name, line, context):
        return
    found: set[tuple[str, str]] = set()
    for plugin in _rules().plugins:
        rule = type(plugin).__name__
        if rule in _WORDY and (heuristic.is_indirect_reference(line) or _is_prose(name, rule)):
            continue
        if rule == _ENTROPY and not is_code:
            continue
        for secret in plugin.analyze_line(filename=name, line=line, line_number=number):
            value = secret.secret_value or ""
            if any(is_harmless(value) for is_harmless in _rules().harmless):
                continue
            if heuristic.is_likely_id_string(value, line, plugin):
                continue
            if rule == _ENTROPY and _is_of_words(value):
                continue
            found.add((secret.type, secret.secret_hash))
    yield from (Finding(name, number, kind, hashed) for kind, hashed in sorted(found))


def _is_of_words(value: str) -> bool:
    """Whether a value has no digit, or is words that are joined: random base64 is neither."""
    if not any(map(str.isdigit, value)):
        return True
    letters = sum(len(each) for each in _WORD_IN.findall(value))
    return _JOINT.search(value) is not None and letters >= _WORDS_OF_TEXT * len(value)


def _is_prose(name: str, rule: str) -> bool:
    """Whether it is documentation, in which the word 'password' is followed by anything."""
    return rule == "KeywordDetector" and Path(name).suffix.lower() in {".md", ".rst"}


@dataclass(frozen=True, slots=True)
class _Rules:
    """Detect-secrets' rules, and what must be in a text for one of them to find something."""

    plugins: tuple["BasePlugin", ...]
    words: re.Pattern[str]
    patterns: tuple[tuple[tuple[str, ...], tuple[re.Pattern[str], ...]], ...]
    harmless: tuple[Callable[[str], bool], ...]


@cache
def _rules() -> _Rules:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.filters import heuristic
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.keyword import DENYLIST

    kinds: Iterable[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
    plugins = tuple(kind() for kind in kinds if kind.__name__ not in _LEFT_OUT)
    return _Rules(
        plugins,
        re.compile("|".join(DENYLIST)),
        tuple(
            (_NEEDED.get(type(each).__name__, ()), tuple(each.denylist))
            for each in plugins
            if isinstance(each, RegexBasedDetector) and type(each).__name__ not in _SLOW
        ),
        (
            heuristic.is_sequential_string,
            heuristic.is_potential_uuid,
            heuristic.is_templated_secret,
            heuristic.is_prefixed_with_dollar_sign,
            heuristic.is_not_alphanumeric_string,
        ),
    )
