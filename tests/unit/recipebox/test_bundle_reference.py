"""Where a bundle is, as a text says it."""

from pathlib import Path

import pytest

from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.reference import RepositoryName, Tag
from recipebox.bundle_reference import (
    LayoutReference,
    RegistryReference,
    parse_bundle_reference,
)
from recipebox.errors import InsecureURL, Misuse

DIGEST = Digest.of(b"a bundle")


@pytest.mark.parametrize(
    ("text", "url", "name", "reference"),
    [
        (f"team/shop@{DIGEST}", None, "team/shop", DIGEST),
        ("team/shop:production", None, "team/shop", Tag("production")),
        ("team/shop", None, "team/shop", None),
        ("team/mirror/shop:1", None, "team/mirror/shop", Tag("1")),
        (f"team/shop:dev@{DIGEST}", None, "team/shop", DIGEST),
        ("registry.example.org/a/b:1", "https://registry.example.org", "a/b", Tag("1")),
        (f"registry:5000/shop@{DIGEST}", "https://registry:5000", "shop", DIGEST),
        ("localhost/shop:1", "http://localhost", "shop", Tag("1")),
        ("localhost:5000/shop", "http://localhost:5000", "shop", None),
        ("127.0.0.1:5000/a/b:1", "http://127.0.0.1:5000", "a/b", Tag("1")),
        ("https://127.0.0.1:5000/a/b:1", "https://127.0.0.1:5000", "a/b", Tag("1")),
        ("https://registry/a/b:1", "https://registry", "a/b", Tag("1")),
        ("127.evil.example/a:1", "https://127.evil.example", "a", Tag("1")),
    ],
)
def test_a_registry(text: str, url: str | None, name: str, reference: Tag | Digest | None) -> None:
    found = parse_bundle_reference(text)

    assert found == RegistryReference(url, RepositoryName(name), reference)
    assert parse_bundle_reference(str(found)) == found


@pytest.mark.parametrize(
    ("text", "path", "reference", "is_archive"),
    [
        ("./layout", "layout", None, False),
        ("../layout:first", "../layout", Tag("first"), False),
        (f"/mnt/layout@{DIGEST}", "/mnt/layout", DIGEST, False),
        (f"/mnt/layout:first@{DIGEST}", "/mnt/layout", DIGEST, False),
        ("/mnt/with:colon/layout", "/mnt/with:colon/layout", None, False),
        ("oci:layout", "layout", None, False),
        ("oci:layout:first", "layout", Tag("first"), False),
        ("shop.tar", "shop.tar", None, True),
        (f"shop.tar@{DIGEST}", "shop.tar", DIGEST, True),
    ],
)
def test_a_layout(text: str, path: str, reference: Tag | Digest | None, is_archive: bool) -> None:  # noqa: FBT001
    found = parse_bundle_reference(text)

    assert found == LayoutReference(Path(path), reference)
    assert isinstance(found, LayoutReference)
    assert found.is_archive == is_archive


def test_a_path_may_begin_at_home() -> None:
    found = parse_bundle_reference("~/layout")

    assert isinstance(found, LayoutReference)
    assert found.path == Path("~/layout").expanduser()
    assert str(found).endswith("/layout")


@pytest.mark.parametrize("text", ["", "a\0b", "oci:", "https://registry.example.org", "host.x/"])
def test_what_can_not_be_meant(text: str) -> None:
    with pytest.raises((Misuse, ArtifactError)):
        parse_bundle_reference(text)


@pytest.mark.parametrize("text", ["team/shop@sha256:0", "Team/shop", "team/shop:", "team/../x"])
def test_what_is_no_name_or_digest(text: str) -> None:
    with pytest.raises(ArtifactError):
        parse_bundle_reference(text)


def test_plain_http_to_another_machine_is_for_those_who_mean_it() -> None:
    with pytest.raises(InsecureURL):
        parse_bundle_reference("http://registry.example.org/a/b:1")

    found = parse_bundle_reference("http://registry.example.org/a/b:1", insecure=True)

    assert isinstance(found, RegistryReference)
    assert found.url == "http://registry.example.org"
