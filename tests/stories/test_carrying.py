"""Over an air gap: one file out of a registry, into another one or a folder, and nothing half."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_manifest
from recipebox.archive import Contents, read_archive
from recipebox.cache import Cache
from recipebox.errors import InvalidArchive, Untrusted
from tests.fakes import Stream, WsgiAdapter
from tests.keys import CASES, OTHER, SIGNER
from tests.stories.machines import URL, Machine, a_wheel
from tests.tools.parts import oras, skopeo
from web.app import create_app
from web.config import ServerConfig
from web.preparing import prepare
from web.services import build_services

Publish = Callable[..., Path]

CODE = """
class A:
    def run(self, context, args):
        import tiny
        context.set("answer", tiny.x)
"""


_MADE: dict[str, bytes] = {}
"""The file of the first test that asked for it: signing anew for each takes seconds."""


@pytest.fixture
def source(publish: Publish) -> None:
    """Publish `team/etl`, with a wheel, and `team/clean`, which it requires."""
    publish("team/clean", "1.1.0")
    wheels = [a_wheel("tiny", {"tiny.py": "x = 42\n"})]
    publish("team/etl", requires={"team/clean": "^1"}, wheels=wheels, code=CODE)


@pytest.fixture
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file of both."""
    path = tmp_path / "etl.tar"
    if "file" not in _MADE:
        request.getfixturevalue("source")
        request.getfixturevalue("other").rb("export", "team/etl", "-o", path)
        _MADE["file"] = path.read_bytes()
    path.write_bytes(_MADE["file"])
    return path


@pytest.fixture
def gap(make_machine: Callable[..., Machine]) -> Machine:
    """Return a machine that no registry is named to, and that reaches none."""

    def nowhere(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        raise ConnectionResetError("there is no network here")

    machine = make_machine("gap", RECIPEBOX_URL="")
    machine.adapter = WsgiAdapter(nowhere)
    return machine


def trusting(machine: Machine, url: str = URL) -> Machine:
    machine.rb("trust", "add", "team", SIGNER.fingerprint, "--url", url)
    machine.rb("trust", "add", "_server", OTHER.fingerprint, "--url", url)
    return machine


def nothing_is_left(machine: Machine) -> bool:
    return not [path for path in machine.places.cache.rglob("*") if path.is_file()]


def test_a_file_is_laid_out_where_there_is_no_network_and_runs(
    exported: Path, gap: Machine, tmp_path: Path
) -> None:
    out = tmp_path / "here"

    said = trusting(gap).rb("import", exported, "--to", out, "--json").json
    ran = gap.rb("run", out, "--json", "--url", URL).json

    assert [each["path"] for each in said["packages"]] == [
        str(out / "team/clean-1.1.0"),
        str(out / "team/etl-1.0.0"),
    ]
    assert said["registry"] == URL
    assert ran["context"] == {"answer": 42}
    assert ran["package"]["signers"] == [SIGNER.fingerprint]
    assert gap.rb("verify", out, "--offline", "--url", URL).out.count("verified") == 2
    assert gap.adapter.requests == []


def test_the_keys_that_came_along_are_not_trusted_for_it(
    exported: Path, gap: Machine, tmp_path: Path
) -> None:
    said = gap.rb("import", exported, "--to", tmp_path / "here", code=4)

    assert "isn't trusted here yet" in said.err
    assert f"recipebox trust add _server {OTHER.fingerprint} --url {URL}" in said.err
    assert gap.rb("trust", "list", "--url", URL, "--json").json["pins"] == []
    assert not (tmp_path / "here").exists()
    assert nothing_is_left(gap)


@pytest.mark.usefixtures("source")
def test_the_same_lock_gives_the_same_bytes_and_import_lays_out_what_fetch_does(
    other: Machine, author: Machine, gap: Machine, tmp_path: Path
) -> None:
    lock, path, again = (tmp_path / each for each in ("recipebox.lock", "a.tar", "b.tar"))
    other.rb("lock", "team/etl", "-o", lock)
    other.rb("export", "team/etl", "-o", path)
    said = author.rb("export", "--lock", lock, "-o", again, "--json").json
    refused = other.rb("export", "team/etl", "-o", path, code=5)
    trusting(gap).rb("import", path, "--to", tmp_path / "here")
    other.rb("fetch", "team/etl", "--out", tmp_path / "there")

    def files(folder: Path) -> dict[str, bytes]:
        found = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

    assert again.read_bytes() == path.read_bytes()
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert said["size"] == path.stat().st_size
    assert "--replace" in refused.err
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_it_is_an_oci_layout_in_a_tar(exported: Path) -> None:
    with tarfile.open(exported) as tar:
        names = tar.getnames()
        drawn = {name: (tar.extractfile(name) or io.BytesIO()).read() for name in names}
        assert {member.mtime for member in tar} == {315619200}
    index = json.loads(drawn["index.json"])

    assert json.loads(drawn["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert index["artifactType"] == media.EXPORT
    assert index["annotations"] == {media.REGISTRY: URL}
    kinds = [entry["artifactType"] for entry in index["manifests"]]
    assert sorted(set(kinds)) == sorted(
        [media.LOCK, media.KEYS, media.PACKAGE, media.STATEMENT, media.WHEEL_SET]
    )
    named = [entry.get("annotations", {}).get(media.REF_NAME) for entry in index["manifests"]]
    assert [each for each in named if each] == ["team/clean-1.1.0", "team/etl-1.0.0"]
    for name, data in drawn.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]


def test_oras_and_skopeo_read_it(exported: Path, tmp_path: Path) -> None:
    for words in (
        [oras(), "pull", "--oci-layout", f"{exported}:team/etl-1.0.0", "-o", tmp_path / "pulled"],
        [skopeo(), "copy", f"oci-archive:{exported}:team/etl-1.0.0", f"dir:{tmp_path / 'copied'}"],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    tree = tmp_path / "pulled" / "team/etl-1.0.0"
    assert (tree / "recipe/steps/a.py").read_text() == CODE
    assert json.loads((tree / "metadata/package.json").read_text())["version"] == "1.0.0"
    copied = json.loads((tmp_path / "copied" / "manifest.json").read_text())
    assert copied["artifactType"] == media.PACKAGE


# Into another registry


@pytest.fixture
def second(make_machine: Callable[..., Machine], tmp_path: Path) -> Machine:
    """Return the machine of another registry's administrator; its server's key is another one."""
    config = ServerConfig(data=tmp_path / "second", server_key=CASES / "signer.secret.asc")
    token = prepare(config)
    services = build_services(config)
    app = create_app(services, config)
    app.testing = True
    machine = make_machine("second", token)
    machine.adapter = WsgiAdapter(app)
    return machine


def test_a_registry_takes_it_in_byte_for_byte_by_its_own_keys(
    exported: Path, second: Machine, gap: Machine, tmp_path: Path
) -> None:
    second.rb("namespace", "create", "team", "--public")
    refused = second.rb("import", exported, code=4)
    second.rb("namespace", "key", "add", "team", "-", stdin=SIGNER.public)

    said = second.rb("import", exported, "--json").json
    again = second.rb("import", exported, "--json").json
    fetched = second.rb("fetch", "team/etl", "--out", tmp_path / "second-out")
    trusting(gap).rb("import", exported, "--to", tmp_path / "first-out")

    assert "team/clean 1.1.0" in refused.err
    assert [each["name"] for each in said["packages"]] == ["team/clean", "team/etl"]
    assert {each["sent_blobs"] for each in again["packages"]} == {0}
    assert "ignored a signature" not in fetched.err
    statement = "team/etl-1.0.0/metadata/release.json"
    digests = {(tmp_path / each / statement).read_bytes() for each in ("first-out", "second-out")}
    assert len(digests) == 1
    assert second.rb("run", "team/etl", "--json").json["context"] == {"answer": 42}


# What is refused


def _cut(data: bytes) -> bytes:
    return data[: len(data) - 10240 - 700]


def _cut_in_the_end(data: bytes) -> bytes:
    return data[:-512]


def _cut_at_a_header(data: bytes) -> bytes:
    return data[: data.rindex(b"blobs/sha256/")]


def _change(data: bytes) -> bytes:
    return data.replace(b"x = 42", b"x = 43")


def _append(data: bytes) -> bytes:
    return data + b"more".ljust(10240, b"\0")


def _spoil_a_header(data: bytes) -> bytes:
    at = data.rindex(b"blobs/sha256/")
    return data[:at] + b"X" + data[at + 1 :]


def _retarred(change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> Any:
    def apply(data: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found = [(m.name, (tar.extractfile(m) or io.BytesIO()).read()) for m in tar]
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in change(found):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return made.getvalue()

    return apply


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (_cut, "ends in the middle"),
    "cut in its end": (_cut_in_the_end, "ends in the middle"),
    "cut at a header": (_cut_at_a_header, "ends in the middle"),
    "changed": (_change, "expected sha256:"),
    "longer": (_append, "something after the end"),
    "a broken header": (_spoil_a_header, "no header of a plain file"),
    "one blob less": (_retarred(lambda found: found[:-1]), "1 of its blobs are missing"),
    "one blob more": (
        _retarred(lambda found: [*found, (f"blobs/sha256/{'a' * 64}", b"x")]),
        "belongs to nothing",
    ),
    "a blob twice": (_retarred(lambda found: [*found, found[-1]]), "belongs to nothing"),
    "a blob's other size": (
        _retarred(lambda found: [*found[:-1], (found[-1][0], b"x")]),
        "has 1 bytes, expected",
    ),
    "a name outside": (
        _retarred(lambda found: [*found, ("../../etc/passwd", b"x")]),
        "belongs to nothing",
    ),
    "no layout": (lambda _: b"\0" * 10240, "expected oci-layout"),
    "another layout": (
        _retarred(lambda found: [("oci-layout", b"{}"), *found[1:]]),
        "has the version None",
    ),
    "another program's": (
        _retarred(
            lambda found: [
                found[0],
                ("index.json", b'{"schemaVersion":2,"manifests":[]}'),
            ]
        ),
        "another program wrote it",
    ),
    "compressed": (gzip.compress, "it is compressed"),
    "no tar": (lambda _: b"hello\n" * 1000, "no header of a plain file"),
    "nothing": (lambda _: b"", "ends in the middle"),
}


def test_what_is_broken_or_foreign_is_refused_with_its_place_and_nothing_is_left(
    exported: Path, gap: Machine, tmp_path: Path
) -> None:
    trusting(gap)
    data, path, out = exported.read_bytes(), tmp_path / "broken.tar", tmp_path / "here"
    client = gap.client(url=URL)
    for name, (change, reason) in BROKEN.items():
        path.write_bytes(change(data))

        with pytest.raises(InvalidArchive) as refused:
            client.import_archive(str(path), to=out)

        assert reason in str(refused.value), name
        assert str(refused.value).startswith("byte "), name
        assert not out.exists(), name
        assert nothing_is_left(gap), name
    assert gap.rb("import", path, "--to", out, code=4).code == 4


def test_signatures_count_though_all_digests_are_right(
    exported: Path, gap: Machine, tmp_path: Path
) -> None:
    trusting(gap).rb("trust", "remove", "team", SIGNER.fingerprint, "-y", "--url", URL)
    gap.rb("trust", "add", "team", OTHER.fingerprint, "--url", URL)

    with pytest.raises(Untrusted, match=f"signed by {SIGNER.fingerprint}"):
        gap.client(url=URL).import_archive(str(exported), to=tmp_path / "here")


def test_a_dry_run_says_what_is_in_it_and_changes_nothing(
    exported: Path, gap: Machine, tmp_path: Path
) -> None:
    into_registry = gap.rb("import", exported, "--dry-run", "--url", URL)
    into_folder = trusting(gap).rb("import", exported, "--to", tmp_path / "a", "--dry-run")

    for said in (into_registry, into_folder):
        assert said.out.count("would import") == 2
    assert not (tmp_path / "a").exists()
    assert nothing_is_left(gap)


def test_it_passes_through_a_pipe(
    exported: Path, gap: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pipe:
        buffer = io.BytesIO(exported.read_bytes())

    monkeypatch.setattr("sys.stdin", Pipe())
    done = trusting(gap).client(url=URL).import_archive("-", to=tmp_path / "here")

    assert len(done.packages) == 2


class Zeros(Stream):
    """A file of zeros, which is nowhere."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, count: int = -1, /) -> bytes:
        given = min(count, self.left)
        self.left -= given
        return bytes(given)


def test_memory_does_not_grow_with_what_is_carried(tmp_path: Path) -> None:
    size = 64 << 20
    hasher = hashlib.sha256()
    for _ in range(64):
        hasher.update(bytes(1 << 20))
    blob = Descriptor("application/octet-stream", Digest("sha256", hasher.hexdigest()), size)
    data = image_manifest(artifact_type="application/x", config=EMPTY_CONFIG, layers=[blob])
    contents = Contents(URL)
    contents.add_manifest(Descriptor.of(data, media.MANIFEST), data, None)
    contents.add_blob(EMPTY_CONFIG, lambda: io.BytesIO(media.EMPTY_JSON))
    contents.add_blob(blob, lambda: io.BufferedReader(Zeros(size)))

    tracemalloc.start()
    with (tmp_path / "file.tar").open("wb") as file:
        contents.write(file)
    with (tmp_path / "file.tar").open("rb") as file, pytest.raises(InvalidArchive, match="about"):
        read_archive(file, Cache(tmp_path / "cache"))  # every byte of it, and then what it is about
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 10 << 20
