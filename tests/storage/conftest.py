"""Real S3 servers, each started once for all tests of this suite, and stores over them."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from storage.blobs import ListedStore
from storage.config import BucketConfig, Sdk, open_store
from tests.tools.stores import STARTERS, ObjectServer

KINDS = {
    "minio by boto3": ("minio", Sdk.BOTO3),
    "minio by its SDK": ("minio", Sdk.MINIO),
    "seaweedfs by boto3": ("seaweedfs", Sdk.BOTO3),
    "seaweedfs by MinIO's SDK": ("seaweedfs", Sdk.MINIO),
}
"""A server, and the SDK that talks to it."""

BUCKET = "recipebox-tests"


@dataclass(frozen=True)
class Place:
    """A prefix of a test's own in a bucket on a server, and how a store is told of it.

    All tests share a bucket: SeaweedFS keeps each in volumes of its own, of which it has few.
    """

    server: ObjectServer
    config: BucketConfig

    def store(self, **changes: Any) -> ListedStore:
        """Return a store object of its own, as each process has one."""
        return open_store(replace(self.config, **changes), Path("nowhere"))

    def keys(self) -> list[str]:
        """Return the keys of all that is there: objects and, where the server tells, uploads."""
        client = self.server.client()
        mine: Any = {"Bucket": self.config.name, "Prefix": self.config.prefix}
        objects = client.list_objects_v2(**mine).get("Contents", [])
        begun = client.list_multipart_uploads(**mine).get("Uploads", [])
        client.close()
        return sorted(each["Key"] for each in [*objects, *begun])

    def begun(self, upload_id: str) -> list[str]:
        """Return the ids of the multipart uploads to the key of an upload's blob."""
        key = f"{self.config.prefix}blobs/{upload_id[:2]}/{upload_id}"
        client = self.server.client()
        begun = client.list_multipart_uploads(Bucket=self.config.name, Prefix=key).get(
            "Uploads", []
        )
        client.close()
        return [each["UploadId"] for each in begun if each["Key"] == key]


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], ObjectServer]]:
    """Give a server by its name; each is started when it is first asked for."""
    servers: dict[str, ObjectServer] = {}
    with contextlib.ExitStack() as stack:

        def run(name: str) -> ObjectServer:
            if name not in servers:
                folder = tmp_path_factory.mktemp(name)
                servers[name] = stack.enter_context(STARTERS[name](folder))
            return servers[name]

        yield run


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, running: Callable[[str], ObjectServer]) -> Place:
    name, sdk = KINDS[request.param]
    return new_place(running(name), sdk)


def new_place(server: ObjectServer, sdk: Sdk) -> Place:
    server.create_bucket(BUCKET)
    config = BucketConfig(
        name=BUCKET,
        sdk=sdk,
        endpoint=server.url,
        prefix=f"some/{uuid.uuid4().hex}/",
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
    )
    return Place(server, config)
