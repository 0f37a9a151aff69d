"""Killed at any failpoint, nothing is half listed, and doing all of it again succeeds."""

import io
import os
import signal

import pytest

from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.errors import NotFound, RegistryError
from registry.leases import LIFETIME
from registry.sweep import Pace
from resolver.source import parse_index
from storage.failpoints import VARIABLE, Failpoint
from tests.builders import PROMOTER, PUBLISHER, READER, Given, Package, an_image, an_index
from tests.keys import SIGNER

APP = PackageName("team", "app")
COPY = RepositoryName("team/copy")
IMAGE = RepositoryName("team/app/image")
BOTH = an_index(an_image(), an_image(architecture="arm64"))


def tell_all(given: Given, package: Package) -> None:
    """Publish by a chunked upload, bundle with an image, sign and promote, mount, delete and sweep.

    Every step may have been done.
    """
    registry = given.registry
    upload = registry.uploads.start(PUBLISHER, package.repository)
    with_layer = registry.uploads.append(
        PUBLISHER, package.repository, upload.id, io.BytesIO(package.layers[0])
    )
    registry.uploads.finish(
        PUBLISHER, package.repository, with_layer.id, Digest.of(package.layers[0])
    )
    given.publish(package)
    bundle = given.bundle(APP, package, images=[given.image(IMAGE, BOTH)])
    held = registry.channels.application(PROMOTER, APP).channels[0].bundle
    given.promote(bundle, "dev", held)
    mounted = Digest.of(package.layers[0])
    registry.uploads.mount(PUBLISHER, COPY, mounted, package.repository)
    registry.manifests.delete(PUBLISHER, COPY, given.artifact(COPY, b"short-lived"))
    given.clock.advance(given.config.sweep_grace)
    registry.sweep.run(Pace(wait=lambda _: None))


def killed_at(point: Failpoint, given: Given, package: Package) -> int:
    """Do it in a child that dies at `point`; return the signal that ended it."""
    package.signed_by(SIGNER)  # once, for both: another signature is another statement
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = point.value
        try:
            tell_all(given, package)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def check_whole(given: Given, package: Package) -> None:
    """What is listed, tagged or pointed at is there with every byte, and is all of it visible."""
    registry = given.registry
    try:
        index = parse_index(registry.index.package_index(READER, package.name).body)
    except NotFound:
        with pytest.raises(RegistryError):
            registry.manifests.stat(READER, package.repository, package.digest)
        return
    (release,) = index.releases
    assert release.digest == package.digest
    stored = registry.manifests.get(READER, package.repository, package.tag)
    assert stored.data == package.manifest
    page = registry.catalog.package(READER, package.name)
    receipt = registry.manifests.get(READER, package.repository, page.latest.receipt)
    assert receipt.info.subject == package.digest
    for data in (package.config, *package.layers):
        info = registry.blobs.stat(READER, package.repository, Digest.of(data))
        with registry.blobs.open(info) as stream:
            Digest.of(data).check("blob", stream.read())


@pytest.mark.parametrize("point", Failpoint)
def test_killed_at_any_point_nothing_is_half_and_again_succeeds(
    point: Failpoint, given: Given, package: Package
) -> None:
    assert killed_at(point, given, package) == signal.SIGKILL
    given = Given(given.data, clock=given.clock)
    check_whole(given, package)
    given.clock.advance(2 * LIFETIME)  # who was killed in a sweep is succeeded then
    tell_all(given, package)
    check_whole(given, package)
    channel = given.registry.channels.application(READER, APP).channels[0]
    assert channel.bundle is not None
    held = given.registry.bundles.get(READER, APP, channel.bundle)
    assert [each.digest for each in held.images] == [BOTH.digest]
    for repository, reference in ((APP.repository, BOTH.digest), (IMAGE, Tag("dev"))):
        stored = given.registry.manifests.get(READER, repository, reference)
        assert stored.data == BOTH.manifest
    history = given.registry.promotions.history(READER, APP, "dev")
    assert [each.bundle for each in history] == [channel.bundle]
    assert given.registry.index.revision() == 1
    assert given.registry.tokens.create_first() is None
    assert list(given.registry.checker.run(lambda _stage, _seen: None)) == []
