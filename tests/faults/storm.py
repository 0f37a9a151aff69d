"""What a storm is made of: clients with a ledger, a sweeper, and a killer of workers.

Each client keeps a ledger of its own tags, and of what it was told of them: after 201 a tag is that
manifest, after 202 it is gone, and after a connection that broke it is one of the two. So whatever
the others do, an answer that isn't in the ledger is a fault of the server's. Blobs are shared: all
clients choose from one pool, so that one's garbage is what another is about to push.
"""

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.tools.server import ROOT, RunningServer, clean_environ

ADMIN = "from web.commands.admin import command; command(prog_name='recipebox admin')"
REPOSITORIES = tuple(f"{space}/{name}" for space in ("ash", "elm") for name in ("a", "b", "c"))
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ANY = f"{MANIFEST}, {INDEX}"
REMOVED = ("manifests", "links", "blobs")
POOL = 60
TIMEOUT = 60.0


class Fault(AssertionError):
    """The server said what it must not say."""


class Broken(Exception):
    """The connection broke: nobody knows whether the server did it."""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(json.loads(self.body)["errors"][0]["code"])


class Line:
    """A client's connection, which is opened again after it broke."""

    def __init__(self, url: str, token: str) -> None:
        place = urlsplit(url)
        self._place = (place.hostname or "", place.port or 80)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection: http.client.HTTPConnection | None = None
        self.requests = 0

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Ask the server something.

        Raises:
            Broken: the connection broke.
            Fault: it says that it is broken itself.
        """
        self.requests += 1
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self._place, timeout=TIMEOUT)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._connection.request(method, path, body, self._headers | named)
            answer = self._connection.getresponse()
            said = Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"{method} {path}: {error!r}") from error
        if said.status >= 500:
            raise Fault(f"{method} {path}: {said.status} {said.body.decode()}")
        return said

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Image:
    """What a client pushed under a tag: every manifest and blob that must be pullable with it."""

    digest: str
    manifests: dict[str, bytes]
    blobs: tuple[str, ...]
    referrers: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Client:
    """A client, its ledger, and what it has done."""

    number: int
    line: Line
    pool: "Pool"
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    # repository and tag to what it may be; None: nothing
    ledger: dict[tuple[str, str], list[Image | None]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    serial: int = 0

    def run(self, is_over: Callable[[], bool]) -> None:
        """Act until it is over; faults are noted."""
        acts: tuple[tuple[Callable[[], None], int], ...] = (
            (self.push, 20),
            (self.push_index, 6),
            (self.push_untagged, 6),
            (self.refer, 8),
            (self.pull, 26),
            (self.mount, 10),
            (self.delete_tag, 10),
            (self.delete_manifest, 6),
            (self.delete_blob, 6),
            (self.abandon, 2),
        )
        names, weights = zip(*acts, strict=True)
        while not is_over():
            (act,) = self.chance.choices(names, weights)
            try:
                act()
                self.done[act.__name__] += 1
            except Broken:
                self.done["broken"] += 1
            except Exception as error:  # noqa: BLE001 - told at the end, whatever it is
                self.faults.append(f"client {self.number}, {act.__name__}: {error!r}")
        self.line.close()

    # Acts

    def push(self) -> None:
        """Push an image under a tag, new or moved."""
        repository, tag = self.chance.choice(REPOSITORIES), f"c{self.number}-{self._number(6)}"
        blobs = self.pool.choose(self.chance, self.chance.randint(1, 4))
        data = self._manifest(blobs)
        image = Image(digest_of(data), {digest_of(data): data}, tuple(map(digest_of, blobs)))
        hold = partial(self._bring, repository, blobs)
        self._put_tag((repository, tag), image, MANIFEST, hold)

    def push_index(self) -> None:
        """Push an index of manifests of which some may be there, and may be about to go."""
        repository, tag = self.chance.choice(REPOSITORIES), f"i{self.number}-{self._number(3)}"
        parts: dict[str, bytes] = {}
        blobs: list[bytes] = []
        for _ in range(self.chance.randint(1, 3)):
            # of few: the same child is in several indexes, and untagged in between
            serial = self.chance.randrange(4)
            own = [self.pool.data(f"child {self.number} {serial}")]
            child = self._manifest(own, f"child {self.number}-{serial}")
            parts[digest_of(child)] = child
            blobs += own
        self.serial += 1
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [
                    {"mediaType": MANIFEST, "digest": digest, "size": len(data)}
                    for digest, data in parts.items()
                ],
                "annotations": {"of": f"{self.number}-{self.serial}"},
            }
        ).encode()

        hold = partial(self._bring, repository, blobs)

        def bring(*, sees: bool = True) -> None:
            for digest, data in parts.items():
                path = f"/v2/{repository}/manifests/{digest}"
                if sees and self.line.ask("HEAD", path, Accept=ANY).status == 200:
                    continue
                self._put(repository, digest, data, MANIFEST, hold)

        digest = digest_of(index)
        image = Image(digest, parts | {digest: index}, tuple(map(digest_of, blobs)))
        self._put_tag((repository, tag), image, INDEX, bring)

    def push_untagged(self) -> None:
        """Push what becomes garbage."""
        repository = self.chance.choice(REPOSITORIES)
        blobs = self.pool.choose(self.chance, 2)
        data = self._manifest(blobs)
        self._put(
            repository, digest_of(data), data, MANIFEST, partial(self._bring, repository, blobs)
        )

    def refer(self) -> None:
        """Push a signature of an image, which must stay as long as it."""
        place, images = self._any_of_mine()
        if len(images) != 1 or images[0] is None:
            return
        image, (repository, _) = images[0], place
        subject = {
            "mediaType": MANIFEST,
            "digest": image.digest,
            "size": len(image.manifests[image.digest]),
        }
        blobs = self.pool.choose(self.chance, 1)
        data = self._manifest(blobs, subject=subject)
        self._put(
            repository, digest_of(data), data, MANIFEST, partial(self._bring, repository, blobs)
        )
        image.referrers[digest_of(data)] = data

    def pull(self) -> None:
        """Pull an image of one's own, which must be there, and then one of another's."""
        place, images = self._any_of_mine()
        if images:
            self.check(place, images)
        other = self.chance.randrange(16)
        self.line.ask(
            "GET",
            f"/v2/{self.chance.choice(REPOSITORIES)}/manifests/c{other}-{self._number(6)}",
            Accept=ANY,
        )

    def mount(self) -> None:
        """Mount a blob and need it for nothing."""
        (blob,) = self.pool.choose(self.chance, 1)
        source, target = self.chance.sample(REPOSITORIES, 2)
        self._mount(source, target, digest_of(blob))

    def delete_tag(self) -> None:
        """Delete a tag of one's own."""
        place, images = self._any_of_mine()
        if not images:
            return
        repository, tag = place
        images.append(None)
        answer = self.line.ask("DELETE", f"/v2/{repository}/manifests/{tag}")
        self._expect(answer, {202} if None not in images[:-1] else {202, 404}, f"DELETE {place}")
        self._count_deleted(answer)
        del self.ledger[place]

    def delete_manifest(self) -> None:
        """Delete a manifest of one's own, with its tag."""
        place, images = self._any_of_mine()
        image = self.chance.choice(images) if images else None
        if image is None:
            return
        images.append(None)
        answer = self.line.ask("DELETE", f"/v2/{place[0]}/manifests/{image.digest}")
        self._expect(answer, {202} if len(images) == 2 else {202, 404}, f"DELETE {place}")
        self._count_deleted(answer)
        if len(images) == 2:
            del self.ledger[place]

    def delete_blob(self) -> None:
        """Delete a blob that others may need, and be refused then."""
        (blob,) = self.pool.choose(self.chance, 1)
        repository = self.chance.choice(REPOSITORIES)
        answer = self.line.ask("DELETE", f"/v2/{repository}/blobs/{digest_of(blob)}")
        self._expect(answer, {202, 403, 404, 405, 409}, "DELETE of a blob")
        self._count_deleted(answer)

    def abandon(self) -> None:
        """Begin an upload, and cancel it or just go away."""
        repository = self.chance.choice(REPOSITORIES)
        begun = self.line.ask("POST", f"/v2/{repository}/blobs/uploads/")
        self._expect(begun, {202}, "POST of an upload")
        path = _path(begun.headers["Location"])
        self.line.ask("PATCH", path, b"never finished", Content_Type="application/octet-stream")
        if self.chance.random() < 0.5:
            self._expect(self.line.ask("DELETE", path), {204}, "DELETE of an upload")

    # What must hold

    def check(self, place: tuple[str, str], images: Sequence[Image | None]) -> None:
        """Pull a tag and all that is of it; it must be one of `images`.

        Raises:
            Fault: it isn't.
        """
        repository, tag = place
        answer = self.line.ask("GET", f"/v2/{repository}/manifests/{tag}", Accept=ANY)
        wanted = {image.digest: image for image in images if image is not None}
        if answer.status == 404:
            if None not in images:
                raise Fault(f"{place} is gone: {answer.body.decode()}")
            return
        self._expect(answer, {200}, f"GET {place}")
        found = digest_of(answer.body)
        if found not in wanted:
            raise Fault(f"{place} is {found}, expected one of {sorted(wanted)}")
        image = wanted[found]
        for digest in (image.manifests | image.referrers).keys() - {found}:
            part = self.line.ask("GET", f"/v2/{repository}/manifests/{digest}", Accept=ANY)
            if part.status != 200 or digest_of(part.body) != digest:
                raise Fault(f"{place} lost the manifest {digest}: {part.status}")
        for digest in image.blobs:
            part = self.line.ask("GET", f"/v2/{repository}/blobs/{digest}")
            if part.status != 200 or digest_of(part.body) != digest:
                raise Fault(f"{place} lost the blob {digest}: {part.status}")

    # Steps

    def _bring(self, repository: str, blobs: Sequence[bytes], *, sees: bool = True) -> None:
        """Have a repository hold blobs; one that is there already isn't sent again."""
        for blob in blobs:
            digest = digest_of(blob)
            path = f"/v2/{repository}/blobs/{digest}"
            if sees and self.line.ask("HEAD", path).status == 200:
                self.done["skipped"] += 1
                continue
            way = self.chance.random()
            if way < 0.4:
                source = self.chance.choice([name for name in REPOSITORIES if name != repository])
                begun = self._mount(source, repository, digest)
                if begun.status == 201:
                    continue
            elif way < 0.6:
                begun = self.line.ask(
                    "POST",
                    f"/v2/{repository}/blobs/uploads/?digest={digest}",
                    blob,
                    Content_Type="application/octet-stream",
                )
                self._expect(begun, {201}, "POST of a blob")
                continue
            else:
                begun = self.line.ask("POST", f"/v2/{repository}/blobs/uploads/")
                self._expect(begun, {202}, "POST of an upload")
            self._upload(begun, blob, digest)

    def _upload(self, begun: Answer, blob: bytes, digest: str) -> None:
        path = _path(begun.headers["Location"])
        half = len(blob) // 2 if self.chance.random() < 0.5 else 0
        if half:
            sent = self.line.ask(
                "PATCH",
                path,
                blob[:half],
                Content_Type="application/octet-stream",
                Content_Range=f"0-{half - 1}",
            )
            self._expect(sent, {202}, "PATCH of an upload")
            path = _path(sent.headers["Location"])
        separator = "&" if "?" in path else "?"
        ended = self.line.ask(
            "PUT",
            f"{path}{separator}digest={digest}",
            blob[half:],
            Content_Type="application/octet-stream",
        )
        self._expect(ended, {201}, "PUT of an upload")

    def _mount(self, source: str, target: str, digest: str) -> Answer:
        answer = self.line.ask("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={source}")
        self._expect(answer, {201, 202}, "a mount")
        self.done["mounted" if answer.status == 201 else "not mounted"] += 1
        return answer

    def _put_tag(
        self, place: tuple[str, str], image: Image, media_type: str, bring: Callable[..., None]
    ) -> None:
        """Put a manifest under a tag, and note it."""
        before = self.ledger.get(place, [None])
        self.ledger[place] = [*before, image]  # until it is known: one of them
        repository, tag = place
        self._put(repository, tag, image.manifests[image.digest], media_type, bring)
        self.ledger[place] = [image]

    def _put(
        self,
        repository: str,
        reference: str,
        data: bytes,
        media_type: str,
        bring: Callable[..., None],
    ) -> None:
        """Put a manifest after its parts; where these went meanwhile, they are brought again."""
        bring()
        path = f"/v2/{repository}/manifests/{reference}"
        for _ in range(5):
            answer = self.line.ask("PUT", path, data, Content_Type=media_type)
            if answer.status == 201:
                return
            if answer.status != 404 or answer.code != "MANIFEST_BLOB_UNKNOWN":
                break
            self.done["brought again"] += 1  # this client was slower than the grace
            bring(sees=False)
        raise Fault(f"PUT {path}: {answer.status} {answer.body.decode()}")

    def _manifest(
        self, blobs: Sequence[bytes], name: str = "", subject: Mapping[str, Any] | None = None
    ) -> bytes:
        """Draw a manifest of one's own: nobody else pushes the same."""
        self.serial += 1
        layers = [
            {
                "mediaType": "application/octet-stream",
                "digest": digest_of(blob),
                "size": len(blob),
            }
            for blob in blobs
        ]
        drawn: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.storm",
            "config": layers[0],
            "layers": layers,
            "annotations": {"of": name or f"{self.number}-{self.serial}"},
        }
        if subject is not None:
            drawn["subject"] = dict(subject)
        return json.dumps(drawn).encode()

    def _any_of_mine(self) -> tuple[tuple[str, str], list[Image | None]]:
        if not self.ledger:
            return ("", ""), []
        place = self.chance.choice(list(self.ledger))
        return place, self.ledger[place]

    def _number(self, most: int) -> int:
        return self.chance.randrange(most)

    def _count_deleted(self, answer: Answer) -> None:
        if answer.status == 202:
            self.done["deleted"] += 1

    @staticmethod
    def _expect(answer: Answer, statuses: set[int], what: str) -> None:
        if answer.status not in statuses:
            raise Fault(f"{what}: {answer.status} {answer.body.decode()}")


def _path(location: str) -> str:
    place = urlsplit(location)
    return place.path + (f"?{place.query}" if place.query else "")


class Pool:
    """Blobs that all clients choose from; it drifts, so that old ones die and come back."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def choose(self, chance: random.Random, count: int) -> list[bytes]:
        """Return some blobs of these seconds."""
        drift = int(time.monotonic() - self._begun) // 2 * 5
        numbers = chance.sample(range(drift, drift + POOL), count)
        return [self.data(f"pool {number % (3 * POOL)}") for number in numbers]

    @staticmethod
    def data(name: str) -> bytes:
        """Return a blob: a few hundred bytes, the same for a name."""
        return random.Random(name).randbytes(200 + len(name) * 7)


@dataclass
class Storm:
    """What came of a storm."""

    clients: list[Client]
    sweeps: list[dict[str, Any]]
    seconds: float = 0.0
    kills: int = 0
    sweepers_killed: int = 0

    @property
    def done(self) -> Counter[str]:
        """What all clients did."""
        return sum((client.done for client in self.clients), Counter())

    @property
    def operations(self) -> int:
        """How many acts were done to their end."""
        acts = ("push", "push_index", "push_untagged", "refer", "pull", "mount", "abandon")
        deletes = ("delete_tag", "delete_manifest", "delete_blob")
        return sum(self.done[name] for name in (*acts, *deletes))

    @property
    def faults(self) -> list[str]:
        """What went wrong."""
        return [fault for client in self.clients for fault in client.faults]

    @property
    def removing_sweeps(self) -> int:
        """How many sweeps removed something."""
        return sum(1 for done in self.sweeps if any(done.get(name) for name in REMOVED))

    @property
    def counted(self) -> dict[str, int]:
        """How much was done."""
        return {
            "operations": self.operations,
            "deletes": self.done["deleted"],
            "sweeps": self.removing_sweeps,
            "kills": self.kills,
        }

    def told(self) -> str:
        """Return the figures."""
        removed = {name: sum(done.get(name, 0) for done in self.sweeps) for name in REMOVED}
        requests = sum(client.line.requests for client in self.clients)
        return (
            f"{self.operations} operations in {requests} requests and {self.seconds:.0f} s, "
            f"{self.done['deleted']} deletes, "
            f"{self.removing_sweeps} of {len(self.sweeps)} sweeps removed something ({removed}), "
            f"{self.kills} workers and {self.sweepers_killed} sweepers killed; {dict(self.done)}"
        )


def rage(
    server: RunningServer,
    environ: Mapping[str, str],
    *,
    seconds: float,
    wanted: Mapping[str, int],
    clients: int = 16,
) -> Storm:
    """Let a storm rage over a server; return what came of it.

    It goes on for `seconds`, and until it has done what is `wanted` (`Storm.counted`), but no
    longer than five times as long.
    """
    pool = Pool()
    everybody = [
        Client(number, Line(server.url, server.token), pool, random.Random(number))
        for number in range(clients)
    ]
    storm = Storm(everybody, [])
    over = threading.Event()
    threads = [
        threading.Thread(target=client.run, args=(over.is_set,), name=f"client {client.number}")
        for client in everybody
    ]
    threads.append(threading.Thread(target=_sweep, args=(server, environ, storm, over)))
    threads.append(threading.Thread(target=_kill, args=(server, storm, over)))
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    while not over.wait(0.2):
        took = time.monotonic() - begun
        is_enough = all(storm.counted[name] >= count for name, count in wanted.items())
        if took > 5 * seconds or (took > seconds and is_enough) or storm.faults:
            over.set()
    storm.seconds = time.monotonic() - begun
    for thread in threads:
        thread.join(2 * TIMEOUT)
        assert not thread.is_alive(), thread.name
    return storm


def _sweep(
    server: RunningServer, environ: Mapping[str, str], storm: Storm, over: threading.Event
) -> None:
    """Sweep again and again; now and then the sweeper is killed."""
    chance = random.Random(1)
    while not over.is_set():
        words = [sys.executable, "-m", "tests.faults.sweeper", "--data", str(server.data)]
        process = _start(words, environ)
        reader = threading.Thread(target=_note_sweeps, args=(process, storm))
        reader.start()
        over.wait(chance.uniform(15, 40))
        process.kill()
        storm.sweepers_killed += 1
        reader.join(TIMEOUT)
        _, err = process.communicate(timeout=TIMEOUT)
        if err:
            storm.clients[0].faults.append(f"a sweeper: {err}")


def _note_sweeps(process: "subprocess.Popen[str]", storm: Storm) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # else it was killed as it wrote
            storm.sweeps.append(json.loads(line))


def _kill(server: RunningServer, storm: Storm, over: threading.Event) -> None:
    """Kill a worker every few seconds."""
    chance = random.Random(2)
    while not over.wait(chance.uniform(2, 4)):
        with contextlib.suppress(ProcessLookupError):
            workers = list(children_of(server.process.pid))
            if workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
                storm.kills += 1


def children_of(pid: int) -> Iterator[int]:
    """Yield the processes that `pid` started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    yield from map(int, listed.split())


def _start(words: list[str], environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=clean_environ(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_admin(data: Path, environ: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
    """Start `recipebox admin` over a data folder."""
    return _start([sys.executable, "-c", ADMIN, *words, "--data", str(data)], environ)


def run_admin(data: Path, environ: Mapping[str, str], *words: str) -> dict[str, Any]:
    """Run `recipebox admin ... --json`, and return what it printed."""
    process = start_admin(data, environ, *words, "--json")
    out, err = process.communicate(timeout=5 * TIMEOUT)
    assert out, err
    drawn: dict[str, Any] = json.loads(out)
    return drawn
