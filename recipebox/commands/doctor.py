"""Look for what is wrong: gpg, configuration, server, token, clocks."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from recipebox.errors import ExitCode, describe, is_expected
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

_MOST_SKEW = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    check: str
    is_good: bool
    said: str


@click.command("doctor")
@pass_invocation
def command(invocation: Invocation) -> int:
    """Look at everything that Recipebox needs, and say what is wrong and what to do.

    The exit code is 1 where something is.

    \b
    JSON: {checks: [{check, is_good, said}]}
    """  # noqa: D301 - \b is click's
    looks: list[tuple[str, Callable[[Invocation], str]]] = [
        ("gpg", _gpg),
        ("signing key", _key),
        ("configuration", _configuration),
        ("cache", _cache),
        ("server", _server),
        ("reserved", _reserved),
        ("clocks", _clocks),
        ("token", _token),
        ("trust", _trust),
    ]
    findings = [_look(name, look, invocation) for name, look in looks]
    invocation.output.result(
        {
            "checks": [
                {"check": each.check, "is_good": each.is_good, "said": each.said}
                for each in findings
            ]
        }
    )
    for each in findings:
        mark = "ok  " if each.is_good else "FAIL"
        style = "good" if each.is_good else "bad"
        invocation.output.say(f"{mark} {each.check}: {each.said}", style)
    return ExitCode.OK if all(each.is_good for each in findings) else ExitCode.FAILED


def _look(name: str, look: Callable[[Invocation], str], invocation: Invocation) -> Finding:
    try:
        return Finding(name, is_good=True, said=look(invocation))
    except Exception as error:
        if not is_expected(error):
            raise
        drawn = describe(error)
        hint = f"; {drawn['hint']}" if drawn["hint"] else ""
        return Finding(name, is_good=False, said=f"{drawn['message']}{hint}")


def _gpg(invocation: Invocation) -> str:
    del invocation
    from signing.errors import GpgMissing

    found = shutil.which("gpg")
    if found is None:
        raise GpgMissing("gpg")
    shown = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return f"{shown.stdout.partition(chr(10))[0]} at {found}"


def _key(invocation: Invocation) -> str:
    from recipebox.publishing import only_secret_key
    from signing.keyring import Keyring

    if invocation.settings.text("signing_key"):
        return "RECIPEBOX_SIGNING_KEY is set"
    chosen = invocation.settings.text("signing_fingerprint")
    keyring = Keyring()
    return keyring.get_key(chosen or only_secret_key(keyring), secret=True).fingerprint


def _configuration(invocation: Invocation) -> str:
    origins = sorted(
        f"{name} ({origin})"
        for name, origin in invocation.settings.origins.items()
        if origin != "default"
    )
    return f"{invocation.places.config}; set: {', '.join(origins) or 'nothing'}"


def _cache(invocation: Invocation) -> str:
    cache = invocation.client.cache
    digest = cache.put(b"recipebox doctor")
    found = cache.find(digest)
    if found is not None:
        found.unlink()
    return f"{cache.root} can be written"


def _server(invocation: Invocation) -> str:
    client = invocation.client
    client.transport.api("GET", "/index/revision.json")
    return f"{client.url} answers"


def _reserved(invocation: Invocation) -> str:
    client = invocation.client
    for each in client.registries.reserved:
        client.transport_at(each.url).api("GET", "/index/revision.json")
    answers = [
        f"{', '.join(each.prefixes)}: {each.url} answers" for each in client.registries.reserved
    ]
    return "; ".join(answers) or "no names are reserved for other registries"


def _clocks(invocation: Invocation) -> str:
    from recipebox.errors import ClientError

    theirs = invocation.client.server_time()
    if theirs is None:
        return "the server tells no time"
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew > _MOST_SKEW:
        raise ClientError(
            f"this clock and the server's differ by {skew:.0f} seconds",
            hint="signatures would look as if they came from the future: set the clock (NTP)",
        )
    return f"{skew:.0f} seconds apart"


def _token(invocation: Invocation) -> str:
    who = invocation.client.whoami()
    where = f" in {who['namespace']}" if who.get("namespace") else ""
    return f"{who['name']} ({who['role']}{where})"


def _trust(invocation: Invocation) -> str:
    return f"{len(invocation.client.trust.pins())} keys are pinned"
