"""Promoting a lock's bundle: what the server made is compared, signed, and pointed to."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_index, image_manifest
from artifacts.reference import PackageName
from recipebox.errors import ClientError, Missing, Misuse, Tampered, UnknownSigner
from recipebox.promotion import Promoter
from recipebox.publishing import make_signer
from recipebox.releases import Releases
from signing.statement import Kind, bundle_statement, statement_manifest
from tests.keys import OTHER, SIGNER
from tests.stories.conftest import Place
from tests.stories.machines import Machine, signing
from tests.stories.test_fetching import meddle

APPLICATION = PackageName("team", "shop")
Publish = Callable[..., Path]


@pytest.fixture
def lock(publish: Publish, author: Machine, tmp_path: Path) -> Path:
    """A lock of one package that requires another."""
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    path = tmp_path / "recipebox.lock"
    author.rb("lock", "team/etl", "-o", path)
    return path


def test_the_first_promotion_creates_the_application(author: Machine, lock: Path) -> None:
    done = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", "--json").json

    assert done["previous"] is None
    assert done["packages"] == {"team/clean": "1.0.0", "team/etl": "1.0.0"}
    info = author.rb("info", "team/etl", "--json").json
    assert info["channels"] == [{"application": "team/shop", "channel": "dev", "version": "1.0.0"}]
    assert "in team/shop dev: 1.0.0" in author.rb("info", "team/etl").out


def test_the_same_bytes_go_on_by_the_bundles_digest(author: Machine, lock: Path) -> None:
    first = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", "--json").json

    said = author.rb("promote", "team/shop", "--bundle", first["bundle"], "--to", "staging")

    assert f"team/shop staging is now {first['bundle']}" in said.out
    assert "record: sha256:" in said.err


def test_a_lock_with_an_extra_on_is_promoted(
    publish: Publish, author: Machine, tmp_path: Path
) -> None:
    publish("team/send", "2.0.0")
    publish("team/etl", "1.0.0", extras={"mail": {"team/send": "^2"}})
    path = tmp_path / "recipebox.lock"
    author.rb("lock", "team/etl[mail]", "-o", path)

    done = author.rb("promote", "team/shop", "--lock", path, "--to", "dev", "--json").json

    assert done["packages"] == {"team/etl": "1.0.0", "team/send": "2.0.0"}
    path.write_text(
        path.read_text().replace('[\n    "team/send ^2",\n]', '[\n    "team/send ^2.0",\n]')
    )
    refused = author.rb("promote", "team/shop", "--lock", path, "--to", "dev", code=4)
    assert "team/etl 1.0.0 requires team/send ^2, not team/send ^2.0" in refused.err


def test_a_lock_from_standard_input(author: Machine, lock: Path) -> None:
    author.rb("promote", "team/shop", "--lock", "-", "--to", "dev", stdin=lock.read_text())


def test_a_gate_that_refuses_is_exit_code_4(author: Machine, lock: Path) -> None:
    first = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", "--json").json

    said = author.rb(
        "promote", "team/shop", "--bundle", first["bundle"], "--to", "production", code=4
    )

    assert "staging" in said.err


def test_an_unknown_channel_lists_those_there_are(author: Machine, lock: Path) -> None:
    said = author.rb("promote", "team/shop", "--lock", lock, "--to", "prod", code=3)

    assert "its channels are dev, staging, production" in said.err


@pytest.mark.parametrize("words", [[], ["--lock", "a", "--bundle", "b"]])
def test_either_a_lock_or_a_bundle(words: list[str], author: Machine) -> None:
    author.rb("promote", "team/shop", "--to", "dev", *words, code=2)
    with pytest.raises(Misuse):
        author.client().promote("team/shop", "dev")


def test_a_key_of_nobody_is_refused_by_the_gate(author: Machine, lock: Path) -> None:
    author.variables |= signing(OTHER)

    said = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", code=4)

    assert OTHER.fingerprint in said.err


def test_a_key_may_be_chosen(author: Machine, lock: Path) -> None:
    del author.variables["RECIPEBOX_SIGNING_KEY"]

    said = author.rb(
        "promote", "team/shop", "--lock", lock, "--to", "dev", "--key", "F" * 40, code=3
    )

    assert "F" * 40 in said.err


def test_a_lock_with_a_part_that_is_not_listed_is_refused(author: Machine, lock: Path) -> None:
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0000", 1)[: -0 or None])
    broken = "\n".join(
        line[: line.index("sha256:") + 71] + '"' if "0000" in line else line
        for line in lock.read_text().splitlines()
    )
    lock.write_text(broken + "\n")

    said = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", code=None)

    assert said.code in {1, 4}
    assert "team/clean" in said.err


# A server that made another bundle than the lock says


class Forger:
    """Makes bundles by hand, in the application's repository, and hands one out as the server's."""

    def __init__(self, author: Machine, lock: Path) -> None:
        self.client = author.client()
        self.transport = self.client.transport
        self.repository = APPLICATION.repository
        self.promoter = Promoter(APPLICATION, self.transport, self.client.releases)
        self.text = lock.read_text()
        self.digest, self.lock = self.promoter.make_bundle(self.text)
        data = self.transport.pull_manifest(self.repository, self.digest)
        self.drawn: dict[str, Any] = json.loads(data)

    def read(self, **changes: Any) -> None:
        """Read a bundle that differs from the server's in `changes`."""
        data = json.dumps(self.drawn | changes).encode()
        digest = self.client.cache.put(data)
        self.promoter.read_bundle(digest)

    def keep(self, data: bytes, media_type: str = media.MANIFEST) -> dict[str, Any]:
        """Keep a manifest in the cache, and return its entry."""
        self.client.cache.put(data)
        return Descriptor.of(data, media_type).to_json()


@pytest.fixture
def forger(author: Machine, lock: Path) -> Forger:
    return Forger(author, lock)


def test_what_the_server_made_is_read_as_it_is(forger: Forger) -> None:
    forger.read()


def test_a_bundle_that_is_none(forger: Forger) -> None:
    with pytest.raises(Tampered, match="expected application/vnd"):
        forger.read(artifactType="application/vnd.example")


def test_a_bundle_without_entries(forger: Forger) -> None:
    with pytest.raises(Tampered, match="no entries"):
        forger.read(manifests=[])


def test_a_bundle_that_lacks_what_its_lock_pins(forger: Forger) -> None:
    pinned = str(forger.lock.packages[0].digest)
    left = [entry for entry in forger.drawn["manifests"] if entry["digest"] != pinned]

    with pytest.raises(Tampered, match=f"expected {pinned}"):
        forger.read(manifests=left)


def test_a_bundle_with_something_else_in_it(forger: Forger) -> None:
    stray = forger.keep(
        image_manifest(artifact_type="application/x", config=EMPTY_CONFIG, layers=[])
    )

    with pytest.raises(Tampered, match="a statement about what its lock pins"):
        forger.read(manifests=[*forger.drawn["manifests"], stray])


def test_a_bundle_whose_first_entry_is_no_lock(forger: Forger) -> None:
    with pytest.raises(Tampered, match="its first entry"):
        forger.read(manifests=forger.drawn["manifests"][1:])


def test_a_bundle_whose_lock_is_not_one_file(forger: Forger) -> None:
    empty = forger.keep(image_manifest(artifact_type=media.LOCK, config=EMPTY_CONFIG, layers=[]))

    with pytest.raises(ClientError, match="isn't one file"):
        forger.read(manifests=[empty, *forger.drawn["manifests"][1:]])


def test_a_bundle_that_is_not_signed_is_signed_when_it_is_promoted(
    forger: Forger, author: Machine
) -> None:
    assert not forger.promoter.is_signed(forger.digest)

    author.rb("promote", "team/shop", "--bundle", forger.digest, "--to", "dev")

    assert forger.promoter.is_signed(forger.digest)


def test_a_server_that_answers_with_another_lock_is_found_out(
    author: Machine, lock: Path, publish: Publish, tmp_path: Path
) -> None:
    first = author.client().promote("team/shop", "dev", lock=lock.read_text())
    publish("team/clean", "1.1.0")
    author.rb("lock", "team/etl", "-o", tmp_path / "newer.lock")

    promoter = Promoter(APPLICATION, author.client().transport, author.client().releases)
    made, _ = promoter.make_bundle((tmp_path / "newer.lock").read_text())
    assert made != first.bundle

    class Lying:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

        def api(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"digest": str(first.bundle)}

    liar = Promoter(
        APPLICATION,
        Lying(author.client().transport),  # type: ignore[arg-type]
        author.client().releases,
    )
    with pytest.raises(Tampered, match="the lock in it"):
        liar.make_bundle((tmp_path / "newer.lock").read_text())


def test_a_signature_about_another_bundle_is_found_out(forger: Forger) -> None:
    statement = bundle_statement(APPLICATION, Digest.of(b"another"), {}).to_bytes()
    _, signature = make_signer(SIGNER.secret, None, None)(statement)
    for blob in (media.EMPTY_JSON, statement, signature.encode()):
        forger.transport.push_bytes(forger.repository, blob, "application/octet-stream")
    size = len(forger.transport.pull_manifest(forger.repository, forger.digest))
    subject = Descriptor(media.INDEX, forger.digest, size)
    manifest = statement_manifest(subject, Kind.BUNDLE, statement, signature.encode())
    forger.transport.push_manifest(forger.repository, manifest, media.MANIFEST)

    with pytest.raises(Tampered, match="a statement on bundle"):
        forger.promoter.is_signed(forger.digest)


def test_a_record_by_another_key_than_the_registrys_is_refused(author: Machine, lock: Path) -> None:
    author.rb("trust", "add", "_server", SIGNER.fingerprint)

    with pytest.raises(UnknownSigner, match="the record"):
        author.client().promote("team/shop", "dev", lock=lock.read_text())


def test_a_record_of_another_channel_is_refused(author: Machine, lock: Path) -> None:
    dev = author.client().promote("team/shop", "dev", lock=lock.read_text())
    client = author.client()
    promoter = Promoter(APPLICATION, client.transport, client.releases)

    with pytest.raises(Tampered, match="expected team/shop staging"):
        promoter._check_record(dev.record, dev.bundle, "staging")


def test_two_promotions_at_once_one_wins(author: Machine, lock: Path, publish: Publish) -> None:
    text = lock.read_text()
    author.client().promote("team/shop", "dev", lock=text)
    publish("team/clean", "1.1.0")
    author.rb("lock", "team/etl", "-o", lock)
    seen: list[bytes] = []

    def stale(path: str, body: bytes) -> bytes:
        """Tell of the channels what was true before the first promotion."""
        if path != "/api/v1/applications/team/shop":
            return body
        drawn = json.loads(body)
        for channel in drawn["channels"]:
            channel["bundle"] = None
        seen.append(body)
        return json.dumps(drawn).encode()

    meddle(author, stale)
    said = author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", "--json", code=5)

    assert seen
    assert said.json["error"]["server_code"] == "pointer_moved"


def test_who_may_not_promote_is_told_so(place: Place, author: Machine, lock: Path) -> None:
    author.variables["RECIPEBOX_TOKEN"] = place.token("reader")

    author.rb("promote", "team/shop", "--lock", lock, "--to", "dev", code=4)


def test_an_application_that_is_not_there(author: Machine, forger: Forger) -> None:
    with pytest.raises(Missing):
        Promoter(
            PackageName("team", "none"), author.client().transport, author.client().releases
        ).channels()


def test_an_index_as_a_release_is_refused(forger: Forger, tmp_path: Path) -> None:
    releases: Releases = forger.client.releases
    index = image_index(artifact_type=media.PACKAGE, manifests=[])
    digest = forger.client.cache.put(index)
    locked = forger.lock.packages[0]
    with pytest.raises(Tampered, match="team/clean"):
        releases.get(replace(locked, digest=digest), "linux/amd64")
