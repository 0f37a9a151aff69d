"""The single seam to the network: one requests session, under oras-py's `Registry`.

What oras-py 0.2.43 does and this mends (docs/architecture.md has the measurements): it sends each
body twice with Basic (here `session.auth` is set once), loads uploads into memory (here they are
read as they are sent), checks no digest of a download (here while it streams, and a transfer that
broke off resumes by Range), takes a namespace with a dot for a host, and lists no referrers.

Retries: connections that fail, 429, 502, 503 and 504 are tried again with growing pauses and
jitter, or after what Retry-After asks for; a POST only when the server can't have acted on it.
"""

import io
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Never
from urllib.parse import urlencode, urljoin, urlsplit

import oras.container
import oras.provider
import requests
import requests.adapters
from requests.auth import AuthBase, HTTPBasicAuth

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.manifest import ImageIndex, parse_manifest
from artifacts.reference import RepositoryName, Tag
from recipebox import __version__
from recipebox.config import check_url
from recipebox.errors import (
    ClientError,
    Conflicting,
    Denied,
    Interrupted,
    Missing,
    Tampered,
    Unreachable,
)

_CHUNK = 1 << 16  # what a broken transfer loses at most
_RANDOM = random.SystemRandom()  # not the global one: others may have set its seed
_LONGEST_PAUSE = 60.0
_LARGEST_DOCUMENT = 16 << 20
_MOST_REFERRERS = 50_000
_MOST_PAGES = 1_000
_BUSY = frozenset({429, 502, 503, 504})
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_DROPPED = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_ACCEPT = ", ".join(sorted(media.MANIFEST_TYPES | media.INDEX_TYPES))

Count = Callable[[int], None]


def _ignore(_size: int) -> None:
    """Count nothing."""


class Anonymous(AuthBase):
    """No credentials, and none from a .netrc either."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request as it is."""
        return request


class _Body:
    """A file as a request's body: its length is told, and its reading counted."""

    def __init__(self, file: BinaryIO, size: int, count: Count) -> None:
        self._file = file
        self._size = size
        self._count = count

    def __len__(self) -> int:
        """Return the size in bytes, for Content-Length."""
        return self._size

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        data = self._file.read(size)
        self._count(len(data))
        return data


class Transport(oras.provider.Registry):  # type: ignore[misc]
    """Requests to one registry at `url`: the distribution protocol, and the JSON API.

    `auth` is for a registry that isn't the client's own, nor needs to be Recipebox's.
    """

    session: requests.Session

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        insecure: bool = False,
        timeout: float = 30,
        retries: int = 4,
        verify: bool | str = True,
        sleep: Callable[[float], None] = time.sleep,
        auth: AuthBase | None = None,
    ) -> None:
        self.url = check_url(url, insecure=insecure)
        parts = urlsplit(self.url)
        super().__init__(
            hostname=parts.netloc,
            insecure=parts.scheme == "http",
            tls_verify=verify,
            auth_backend="basic",
        )
        basic = HTTPBasicAuth("recipebox", token) if token else Anonymous()
        self.session.auth = auth or basic
        self.session.headers["User-Agent"] = f"recipebox/{__version__}"
        self.has_token = bool(token)
        self.is_foreign = auth is not None
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep

    def close(self) -> None:
        """Close the session's connections."""
        self.session.close()

    def mount(self, adapter: requests.adapters.BaseAdapter) -> None:
        """Send this registry's requests through `adapter`."""
        self.session.mount(self.url, adapter)

    # What oras-py calls

    def get_container(self, name: object) -> oras.container.Container:
        """Return a repository as oras-py has it; a dot in its namespace doesn't make it a host."""
        if isinstance(name, oras.container.Container):
            return name
        repository = RepositoryName(str(name))
        container = oras.container.Container("placeholder", registry=self.hostname)
        namespace, _, last = repository.text.rpartition("/")
        container.namespace, container.repository = namespace or None, last
        return container

    def do_request(  # noqa: PLR0917 - oras-py's signature
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        stream: bool = False,  # noqa: FBT001, FBT002
        *,
        repeatable: bool | None = None,
    ) -> requests.Response:
        """Send a request, again where that is safe; return the answer, whatever its status.

        Raises:
            Unreachable: no answer, after every retry.
        """
        may_repeat = method in _SAFE if repeatable is None else repeatable
        attempt = 0
        while True:
            last_try = attempt >= self._retries
            try:
                response = self.session.request(
                    method,
                    url,
                    data=data,
                    json=json,
                    headers=dict(headers or {}),
                    stream=stream,
                    timeout=self._timeout,
                    verify=self._tls_verify,
                )
            except requests.exceptions.SSLError as error:
                raise Unreachable(
                    f"{self.url}: TLS failed: {error}",
                    hint="SSL_CERT_FILE names the authorities to trust",
                    url=self.url,
                ) from error
            except _DROPPED as error:
                sent_nothing = isinstance(error, requests.exceptions.ConnectTimeout) or (
                    "NewConnectionError" in repr(error)
                )
                if last_try or not (may_repeat or sent_nothing):
                    raise self._no_answer(error, attempt + 1) from error
                self._sleep(_pause(attempt))
            except requests.exceptions.RequestException as error:
                raise self._no_answer(error, attempt + 1) from error
            else:
                asked = _retry_after(response.headers.get("Retry-After"))
                refused_unread = response.status_code in {429, 503}
                if (
                    last_try
                    or response.status_code not in _BUSY
                    or not (may_repeat or refused_unread)
                    or (data is not None and not isinstance(data, bytes | str))
                ):
                    return response
                response.close()
                self._sleep(_pause(attempt) if asked is None else asked)
            attempt += 1

    # The distribution protocol

    def has_blob(self, repository: RepositoryName, digest: Digest) -> bool:
        """Whether the repository has a blob."""
        container = self.get_container(repository)
        response = self.do_request(self._at(container.get_blob_url(str(digest))), "HEAD")
        if response.status_code not in {200, 404}:
            self._refuse(response, f"blob {digest} of {repository}")
        return bool(response.status_code == requests.codes.ok)

    def push_blob(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        open_file: Callable[[], BinaryIO],
        count: Count = _ignore,
        mount_from: RepositoryName | None = None,
    ) -> bool:
        """Upload a blob as it is read; return False where the repository had it already.

        A transfer that breaks off starts again, in a new upload session. Where another repository
        of the registry has it (`mount_from`), nothing is read, if the server mounts it.

        Raises:
            Unreachable: after every retry.
            ClientError: what the server refused.
        """
        if self.has_blob(repository, descriptor.digest):
            return False
        attempt = 0
        while True:
            moved = [0]

            def counted(size: int, moved: list[int] = moved) -> None:
                moved[0] += size
                count(size)

            try:
                response = self._put(repository, descriptor, open_file, counted, mount_from)
            except Unreachable:
                if attempt >= self._retries:
                    raise
                asked = None
            else:
                if response.status_code == requests.codes.created:
                    return True
                # a token of docker's protocol may end while a large blob is on its way
                has_expired = (
                    self.is_foreign and response.status_code == requests.codes.unauthorized
                )
                retried = has_expired or response.status_code in _BUSY | {404}
                if attempt >= self._retries or not retried:
                    self._refuse(response, f"blob {descriptor.digest} of {repository}")
                asked = _retry_after(response.headers.get("Retry-After"))
            count(-moved[0])
            self._sleep(_pause(attempt) if asked is None else asked)
            attempt += 1

    def push_bytes(self, repository: RepositoryName, data: bytes, media_type: str) -> Descriptor:
        """Upload a small blob, and return its descriptor.

        Raises:
            ClientError: as `push_blob`.
        """
        descriptor = Descriptor.of(data, media_type)
        self.push_blob(repository, descriptor, lambda: io.BytesIO(data))
        return descriptor

    def _put(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        open_file: Callable[[], BinaryIO],
        count: Count,
        mount_from: RepositoryName | None,
    ) -> requests.Response:
        container = self.get_container(repository)
        query = ""
        if mount_from is not None:
            query = f"?{urlencode({'mount': str(descriptor.digest), 'from': str(mount_from)})}"
        upload = self._at(container.upload_blob_url()) + query
        start = self.do_request(upload, "POST", repeatable=True)
        if mount_from is not None and start.status_code == requests.codes.created:
            return start
        if start.status_code != requests.codes.accepted:
            self._refuse(start, f"an upload to {repository}")
        location = self._get_location(start, container)
        separator = "&" if "?" in location else "?"
        address = f"{location}{separator}{urlencode({'digest': str(descriptor.digest)})}"
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(descriptor.size),
        }
        with open_file() as file:
            body = _Body(file, descriptor.size, count) if descriptor.size else b""
            return self.do_request(address, "PUT", data=body, headers=headers, repeatable=False)

    def _get_location(self, r: requests.Response, container: oras.container.Container) -> str:
        """Return an upload's address, on the host that was asked, whatever the answer says."""
        location = r.headers.get("Location")
        if not location:
            raise Unreachable(
                f"{self.url}: began an upload to {container.api_prefix}, but gave no Location",
                url=self.url,
            )
        resolved = urlsplit(urljoin(f"{self.url}/", location))
        query = f"?{resolved.query}" if resolved.query else ""
        return f"{self.url}{resolved.path}{query}"

    def pull_blob(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        file: BinaryIO,
        count: Count = _ignore,
    ) -> None:
        """Write a blob into `file` (seekable, empty), checked while it streams.

        A transfer that breaks off goes on by Range, where the server answers that.

        Raises:
            Tampered: other bytes than the digest says, or more of them than the size says.
            Interrupted: it broke off, and every retry too.
        """
        container = self.get_container(repository)
        address = self._at(container.get_blob_url(str(descriptor.digest)))
        download = _Download(f"blob {descriptor.digest} of {repository}", descriptor, file, count)
        farthest = attempt = 0
        while True:
            response = self.do_request(address, headers=download.headers, stream=True)
            with response:
                if not download.begin(response):
                    self._refuse(response, download.what)
                failure = download.take(response)
            if download.done == descriptor.size:
                break
            if download.done > farthest:
                farthest, attempt = download.done, 0
            if attempt >= self._retries:
                raise Interrupted(
                    f"{download.what}: broke off after {download.done} of {descriptor.size} bytes",
                    hint="nothing of it was laid out; run the same command again",
                    done=download.done,
                    size=descriptor.size,
                ) from failure
            self._sleep(_pause(attempt))
            attempt += 1
        download.finish()

    def pull_manifest(self, repository: RepositoryName, digest: Digest) -> bytes:
        """Return a manifest's bytes, checked against its digest.

        Raises:
            Missing: there is none (or none for this token).
            Tampered: other bytes.
        """
        what = f"manifest {digest} of {repository}"
        container = self.get_container(repository)
        address = self._at(container.manifest_url(str(digest)))
        data = self._document(address, what, {"Accept": _ACCEPT})
        found = Digest.of(data, digest.algorithm)
        if found != digest:
            raise Tampered(what, expected=digest, found=found)
        return data

    def find_tagged(self, repository: RepositoryName, tag: Tag) -> bytes | None:
        """Return the bytes of the manifest that a tag names; None where there is no such tag.

        Raises:
            Denied: the login may not read there.
        """
        container = self.get_container(repository)
        address = self._at(container.manifest_url(str(tag)))
        try:
            return self._document(address, f"tag {tag} of {repository}", {"Accept": _ACCEPT})
        except Missing:
            return None

    def has_manifest(self, repository: RepositoryName, digest: Digest) -> bool:
        """Whether the repository has a manifest."""
        container = self.get_container(repository)
        address = self._at(container.manifest_url(str(digest)))
        response = self.do_request(address, "HEAD", headers={"Accept": _ACCEPT})
        if response.status_code not in {200, 404}:
            self._refuse(response, f"manifest {digest} of {repository}")
        return bool(response.status_code == requests.codes.ok)

    def push_manifest(self, repository: RepositoryName, data: bytes, media_type: str) -> Digest:
        """Put a manifest by its digest, and return that.

        Raises:
            ClientError: what the server refused.
        """
        digest = Digest.of(data)
        self.put_manifest(repository, digest, data, media_type)
        return digest

    def put_manifest(
        self, repository: RepositoryName, reference: Tag | Digest, data: bytes, media_type: str
    ) -> bool:
        """Put a manifest; return whether the server says that it lists it as a referrer.

        (distribution-spec 1.1, "Pushing Manifests with Subject".)

        Raises:
            ClientError: what the server refused.
        """
        container = self.get_container(repository)
        address = self._at(container.manifest_url(str(reference)))
        response = self.do_request(address, "PUT", data=data, headers={"Content-Type": media_type})
        if response.status_code != requests.codes.created:
            self._refuse(response, f"manifest {reference} of {repository}")
        return "OCI-Subject" in response.headers

    def referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> list[Descriptor]:
        """List what refers to `subject`, of one artifact type or all, over every page.

        (distribution-spec 1.1, "Listing Referrers"; a server may ignore the filter.)
        """
        what = f"referrers of {subject} in {repository}"
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        address: str | None = f"{self.url}/v2/{repository}/referrers/{subject}{query}"
        found: list[Descriptor] = []
        pages = 0
        while address:
            response = self.do_request(address, headers={"Accept": media.INDEX}, stream=True)
            data = self._bounded(response, what)
            try:
                listed = parse_manifest(data, media.INDEX)
            except ArtifactError as error:
                raise Tampered(what, expected="an image index", found=error) from error
            found.extend(listed.manifests if isinstance(listed, ImageIndex) else ())
            pages += 1
            if len(found) > _MOST_REFERRERS or pages > _MOST_PAGES:
                limit = f"at most {_MOST_REFERRERS}, on {_MOST_PAGES} pages"
                raise Tampered(what, expected=limit, found="more")
            following = response.links.get("next", {}).get("url")
            address = self._on_this_host(following) if following else None
        return [entry for entry in found if artifact_type in {None, entry.artifact_type}]

    # The JSON API

    def api(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int] | None = None,
        repeatable: bool | None = None,
    ) -> dict[str, Any]:
        """Call the JSON API at `path`; return the answer's object.

        Raises:
            ClientError: of the class that the answer's status means, with the server's own words.
        """
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        response = self.do_request(address, method, json=body, repeatable=repeatable)
        if response.status_code >= requests.codes.bad_request:
            self._refuse(response, None)
        return self._object(response, f"{method} {path}")

    def conditional(
        self, path: str, etag: str | None, query: Mapping[str, str | int] | None = None
    ) -> tuple[bytes, str] | None:
        """Get a document and its ETag; None where it is still the one of `etag`."""
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"If-None-Match": etag} if etag else {}
        response = self.do_request(address, headers=headers)
        if etag and response.status_code == requests.codes.not_modified:
            return None
        if response.status_code != requests.codes.ok:
            self._refuse(response, path)
        return response.content, response.headers.get("ETag", "")

    def text(self, path: str) -> str:
        """Get a text document, such as a namespace's keys."""
        return self._document(f"{self.url}{path}", path, {}).decode("utf-8", "replace")

    def server_time(self) -> datetime | None:
        """Return the server's clock, by the Date of `/healthz`; None where it sends none."""
        response = self.do_request(f"{self.url}/healthz")
        if response.status_code != requests.codes.ok:
            self._refuse(response, "/healthz")
        stamp = response.headers.get("Date")
        return parsedate_to_datetime(stamp) if stamp else None

    def _at(self, address: str) -> str:
        return f"{self.prefix}://{address}"

    def _on_this_host(self, link: str) -> str:
        resolved = urlsplit(urljoin(f"{self.url}/", link))
        return f"{self.url}{resolved.path}" + (f"?{resolved.query}" if resolved.query else "")

    def _document(self, address: str, what: str, headers: Mapping[str, str]) -> bytes:
        return self._bounded(self.do_request(address, headers=headers, stream=True), what)

    def _bounded(self, response: requests.Response, what: str) -> bytes:
        """Read an answer that is held in memory: at most 16 MiB of it."""
        with response:
            if response.status_code != requests.codes.ok:
                self._refuse(response, what)
            try:
                return b"".join(_at_most(response, _LARGEST_DOCUMENT, what))
            except _DROPPED as error:
                raise Interrupted(f"{what}: broke off: {error}", hint="try again") from error

    def _object(self, response: requests.Response, what: str) -> dict[str, Any]:
        try:
            drawn = response.json()
        except ValueError:
            drawn = None
        if not isinstance(drawn, dict):
            raise Unreachable(
                f"{self.url}: {what}: the answer isn't a JSON object",
                hint=f"is {self.url} a Recipebox registry?",
                url=self.url,
            )
        return drawn

    def _no_answer(self, error: Exception, tries: int) -> Unreachable:
        reason = str(error)
        for known, said in (
            ("Connection refused", "connection refused"),
            ("Name or service not known", "no such host"),
            ("timed out", "timed out"),
            ("reset by peer", "connection reset"),
            ("closed connection without response", "closed without an answer"),
        ):
            if known.lower() in reason.lower():
                reason = said
                break
        return Unreachable(
            f"{self.url}: {reason} ({tries} {'tries' if tries > 1 else 'try'})",
            hint=f"is {self.url} right, and the server up?"
            if self.is_foreign
            else "is the server up, and RECIPEBOX_URL right? `recipebox doctor` looks",
            url=self.url,
        )

    def _refuse(self, response: requests.Response, what: str | None) -> Never:
        """Raise what an answer's status means, with the server's words (RFC 9457 or OCI's).

        `what` is None where the server's own sentence says what it is about.
        """
        with response:
            problem = _problem(response)
        status = response.status_code
        said = problem.pop("detail", None) or problem.pop("title", None) or response.reason
        detail = said if status >= requests.codes.bad_request else f"unexpected answer {status}"
        hint = problem.pop("hint", None)
        values = {key: value for key, value in problem.items() if key not in _OWN_WORDS}
        values |= {"status": status, "server_code": problem.get("code")}
        request_id = problem.get("request_id") or response.headers.get("X-Request-ID")
        if request_id:
            values["request_id"] = request_id
        kind = _kind(status, problem.get("code"))
        if status == requests.codes.unauthorized and not (self.has_token and hint):
            hint = "set RECIPEBOX_TOKEN, or `recipebox login`"
            if self.is_foreign:
                hint = f"log in to it: docker login {urlsplit(self.url).netloc}"
            elif self.has_token:
                hint = "the token is wrong, expired or revoked: `recipebox login` keeps a new one"
        values["asked"] = f"{response.request.method} {response.request.path_url}"
        raise kind(f"{what}: {detail}" if what else str(detail), hint=hint, **values)


class _Download:
    """A blob on its way into `file`: `done` bytes of it are there, and hashed."""

    def __init__(self, what: str, descriptor: Descriptor, file: BinaryIO, count: Count) -> None:
        self.what = what
        self.done = 0
        self._descriptor = descriptor
        self._file = file
        self._count = count
        self._hasher = descriptor.digest.hasher()

    @property
    def headers(self) -> dict[str, str]:
        """What to ask for: the rest, once there is a beginning."""
        headers = {"Accept-Encoding": "identity"}
        return headers | {"Range": f"bytes={self.done}-"} if self.done else headers

    def begin(self, response: requests.Response) -> bool:
        """Take in an answer's status; return False where it isn't (the rest of) the blob."""
        if not self.done:
            return bool(response.status_code == requests.codes.ok)
        if response.status_code == requests.codes.ok:  # a server that answers no ranges
            self._count(-self.done)
            self._hasher, self.done = self._descriptor.digest.hasher(), 0
            self._file.seek(0)
            self._file.truncate()
            return True
        told = response.headers.get("Content-Range", "")
        is_rest = response.status_code == requests.codes.partial_content
        return is_rest and told.startswith(f"bytes {self.done}-")

    def take(self, response: requests.Response) -> Exception | None:
        """Write and hash what comes; return what broke it off, if anything did.

        Raises:
            Tampered: more bytes than the blob has.
        """
        size = self._descriptor.size
        try:
            for chunk in response.iter_content(_CHUNK):
                if self.done + len(chunk) > size:
                    found = f"{self.done + len(chunk)} bytes or more"
                    raise Tampered(self.what, expected=f"{size} bytes", found=found)
                self._hasher.update(chunk)
                self._file.write(chunk)
                self._count(len(chunk))
                self.done += len(chunk)
        except _DROPPED as error:
            return error
        return None

    def finish(self) -> None:
        """Compare the digest.

        Raises:
            Tampered: it is another.
        """
        found = f"{self._descriptor.digest.algorithm}:{self._hasher.hexdigest()}"
        if found != str(self._descriptor.digest):
            raise Tampered(self.what, expected=self._descriptor.digest, found=found)


_OWN_WORDS = frozenset({"type", "title", "status", "detail", "code", "hint", "message"})


_BY_CODE = {"gate_closed": Denied, "untrusted": Denied}
_BY_STATUS: Mapping[int, type[ClientError]] = {
    401: Denied,
    403: Denied,
    404: Missing,
    409: Conflicting,
    410: Missing,
    412: Conflicting,
    429: Unreachable,
}


def _kind(status: int, code: object) -> type[ClientError]:
    """Return the error that an answer's status means, or its code where that says more."""
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    failed = status < requests.codes.bad_request or status >= requests.codes.server_error
    return _BY_STATUS.get(status, Unreachable if failed else ClientError)


def _problem(response: requests.Response) -> dict[str, Any]:
    try:
        drawn = response.json()
    except (ValueError, *_DROPPED):
        return {}
    if not isinstance(drawn, dict):
        return {}
    errors = drawn.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        said = first.get("detail")
        values = said if isinstance(said, dict) else {}
        return {**values, "code": first.get("code"), "detail": first.get("message")}
    return drawn


def _at_most(response: requests.Response, limit: int, what: str) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise Tampered(what, expected=f"at most {limit} bytes", found=f"{size} or more")
        yield chunk


def _pause(attempt: int) -> float:
    return min(0.25 * 2.0**attempt, 8.0) * _RANDOM.uniform(0.5, 1.0)


def _retry_after(stamp: str | None) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3), at most a minute."""
    if not stamp:
        return None
    if stamp.isdigit():
        return min(float(stamp), _LONGEST_PAUSE)
    try:
        when = parsedate_to_datetime(stamp)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max((when - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_PAUSE)
