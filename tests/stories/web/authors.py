"""Authors, who publish over HTTP what they packed and signed: through a test client or a server."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipes.layers import ReleaseArtifact, build_release
from recipes.package import DeploymentConfig, Entry, PackageMetadata, PythonStep
from resolver.candidate import Environment
from resolver.lock import Lock
from resolver.requirement import Requirement
from resolver.solve import solve
from resolver.source import MemorySource, parse_index
from signing.sign import sign_with_key
from signing.statement import Kind, bundle_statement, release_statement, statement_manifest
from tests.fakes import Stream
from tests.keys import SIGNER, TestKey


@dataclass(frozen=True)
class Reply:
    """An answer: its status, headers (by lower-case name) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Unread(Stream):
    """A body that must not be read: whoever sends it is refused anyway."""

    def read(self, _size: int = -1, /) -> bytes:
        """Fail."""
        raise AssertionError("it was read")


UNREAD = {"wsgi.input": Unread(), "CONTENT_LENGTH": str(1 << 40)}
"""What a request's environment has of such a body."""


Send = Callable[[str, str, bytes | None, dict[str, str]], Reply]
"""Takes method, path, body and headers."""


@dataclass
class Author:
    """Somebody with a token, a key, and a folder to pack in."""

    send: Send
    token: str
    folder: Path
    key: TestKey = SIGNER

    def ask(self, method: str, path: str, value: object = None, **headers: str) -> Reply:
        """Send JSON, bytes or nothing, with the token."""
        data = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
        own = {"Authorization": f"Bearer {self.token}"}
        if data is not None and not isinstance(value, bytes):
            own["Content-Type"] = "application/json"
        return self.send(
            method, path, data, own | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def must(self, method: str, path: str, value: object = None, **headers: str) -> Reply:
        """Send, and fail the test unless it went well."""
        reply = self.ask(method, path, value, **headers)
        assert reply.status < 400, (method, path, reply.status, reply.body)
        return reply

    def own(self, namespace: str, *, public: bool = False) -> None:
        """Create a namespace, with this author's key."""
        self.must("POST", "/api/v1/namespaces", {"name": namespace, "public": public})
        self.must("POST", f"/api/v1/namespaces/{namespace}/keys", {"armored": self.key.public})

    def push_blob(self, repository: str, data: bytes) -> Digest:
        """Push a blob in one request."""
        digest = Digest.of(data)
        self.must("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        return digest

    def push_manifest(self, repository: str, data: bytes, reference: str | None = None) -> Digest:
        """Push a manifest by its digest, or under a tag."""
        digest = Digest.of(data)
        self.must(
            "PUT",
            f"/v2/{repository}/manifests/{reference or digest}",
            data,
            Content_Type=json.loads(data)["mediaType"],
        )
        return digest

    def push_image(self, repository: str, tag: str, layer: bytes = b"a layer") -> Digest:
        """Push a small image that is nothing of ours."""
        self.push_blob(repository, layer)
        self.push_blob(repository, b"{}")
        drawn = {
            "schemaVersion": 2,
            "mediaType": media.MANIFEST,
            "config": Descriptor.of(b"{}", media.IMAGE_CONFIG).to_json(),
            "layers": [Descriptor.of(layer, media.LAYER_TAR).to_json()],
        }
        return self.push_manifest(repository, json.dumps(drawn).encode(), tag)

    def pack(self, name: str, version: str, **members: Any) -> ReleaseArtifact:
        """Pack a small recipe; `members` are those of package.json."""
        metadata = PackageMetadata(
            name=name,
            version=version,
            entry=Entry(runner="bundled"),
            steps=[PythonStep(idx=1, name="a", type="python", module="steps", function="run")],
            **{"summary": f"The recipe {name}", **members},
        )
        tree = self.folder / name.replace("/", "_") / f"{name}-{version}"
        (tree / "metadata").mkdir(parents=True, exist_ok=True)
        (tree / "recipe").mkdir(exist_ok=True)
        (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
        (tree / "metadata" / "deployment_config.yaml").write_bytes(DeploymentConfig().to_bytes())
        (tree / "recipe" / "recipe.yaml").write_text("steps: []\n")
        (tree / "recipe" / "run_recipe.py").write_text("raise SystemExit(0)\n")
        (tree / "recipe" / "steps.py").write_text("def run(context, args):\n    return 0\n")
        return build_release(tree, self.folder)

    def stage(self, release: ReleaseArtifact, *, signed: bool = True) -> Digest:
        """Push a release and its signature; it isn't listed yet."""
        repository = release.metadata.name
        for layer in release.layers:
            self.push_blob(repository, layer.path.read_bytes())
        self.push_blob(repository, release.config)
        self.push_manifest(repository, release.manifest)
        if signed:
            name = PackageName.parse(repository)
            statement = release_statement(
                name, release.metadata.version, release.descriptor.digest, release.files
            ).to_bytes()
            self.attach(repository, release.descriptor, Kind.RELEASE, statement)
        return release.descriptor.digest

    def attach(self, repository: str, subject: Descriptor, kind: Kind, statement: bytes) -> None:
        """Sign a statement, and hang it on what it is about."""
        signature = _sign(statement, self.key.secret)
        for blob in (statement, signature, media.EMPTY_JSON):
            self.push_blob(repository, blob)
        self.push_manifest(repository, statement_manifest(subject, kind, statement, signature))

    def publish(self, name: str, version: str, **members: Any) -> Digest:
        """Pack, sign, push and list a release."""
        digest = self.stage(self.pack(name, version, **members))
        self.must("POST", f"/api/v1/packages/{name}/releases", {"digest": str(digest)})
        return digest

    def lock(self, *requirements: str) -> str:
        """Solve over the server's index, and return the lock's text."""
        indexes = {}
        pending = [Requirement.parse(text).package for text in requirements]
        while pending:
            name = pending.pop()
            if name not in indexes:
                index = parse_index(self.must("GET", f"/index/{name}.json").body)
                indexes[name] = index
                for release in index.releases:
                    pending += [required.package for required in release.requires]
        revision = self.must("GET", "/index/revision.json").json["revision"]
        source = MemorySource(indexes.values(), revision)
        asked = [Requirement.parse(text) for text in requirements]
        return Lock.from_solution(solve(asked, source, Environment("3.11", "linux/amd64"))).dumps()

    def bundle(self, application: str, *requirements: str, images: Sequence[str] = ()) -> str:
        """Make a bundle, sign it, and return its digest; images are `REPOSITORY@DIGEST`."""
        named = [
            dict(zip(("repository", "digest"), each.split("@"), strict=True)) for each in images
        ]
        made = self.must(
            "POST",
            f"/api/v1/applications/{application}/bundles",
            {"lock": self.lock(*requirements), "images": named},
        ).json
        digest = Digest.parse(made["digest"])
        statement = bundle_statement(
            PackageName.parse(application), digest, made["packages"]
        ).to_bytes()
        self.attach(
            application, Descriptor(media.INDEX, digest, made["size"]), Kind.BUNDLE, statement
        )
        return str(digest)

    def promote(self, application: str, channel: str, bundle: str, previous: str | None) -> Reply:
        """Ask for a promotion."""
        return self.ask(
            "POST",
            f"/api/v1/applications/{application}/channels/{channel}/promotions",
            {"bundle": bundle, "expected_previous": previous},
        )


@cache
def _sign(statement: bytes, secret: str) -> bytes:
    """Sign; the same statement once a process, since gpg takes its time."""
    return sign_with_key(statement, secret).encode("ascii")
