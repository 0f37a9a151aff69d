"""What an application's bundles refuse, as its registry says: by ETag, and kept in the cache.

One request a solve, which names nothing but the application, and decides on every package: the
answer has the private namespaces that its asker may read (resolver/acceptance.py). Offline it is
the answer of the last time.
"""

from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.errors import NotCached
from recipebox.source import Tell
from recipebox.transport import Transport
from resolver.acceptance import Acceptance, parse_acceptance
from resolver.errors import InvalidDocument


def read_acceptance(
    transport: Transport, cache: Cache, application: PackageName, tell: Tell
) -> Acceptance:
    """Ask the registry; what is kept with its ETag travels only when it changed.

    Raises:
        ClientError: no answer, the token was refused, or the name is something else.
        InvalidAcceptance, UnsupportedSchema: (resolver) the answer can't be kept to.
    """
    registry, name = transport.url, _entry(application)
    kept = cache.index_entry(registry, name, tell)
    etag, body = (None, "") if kept is None else (str(kept["etag"]), str(kept["body"]))
    found: Acceptance | None = None
    if kept is not None:
        try:
            found = parse_acceptance(body.encode())
        except InvalidDocument as error:
            etag = None
            tell(f"the cache's {name} can't be used ({error}); it is read again")
    answer = transport.conditional(f"/api/v1/applications/{name}", etag)
    if answer is None and found is not None:
        return found
    data, etag = answer or (b"", "")
    body = data.decode("utf-8", "replace")
    found = parse_acceptance(body.encode())
    cache.keep_index_entry(registry, name, etag=etag, as_of=0, body=body)
    return found


def kept_acceptance(
    registry: str, cache: Cache, application: PackageName, tell: Tell
) -> Acceptance:
    """Return what the registry said the last time.

    Raises:
        NotCached: it was never asked, or the cache is damaged.
        InvalidAcceptance, UnsupportedSchema: (resolver) another version of Recipebox kept it.
    """
    kept = cache.index_entry(registry, _entry(application), tell)
    if kept is None:
        raise NotCached(
            f"what bundles of {application} may hold: not in the cache for {registry}",
            hint="run it once without --offline",
            application=str(application),
        )
    return parse_acceptance(str(kept["body"]).encode())


def _entry(application: PackageName) -> str:
    """Return the name in the cache and in the path: no package has a name of three segments."""
    return f"{application}/acceptance"
