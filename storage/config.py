"""Which blob store there is, and how it is opened."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from storage.blobs import ListedStore
from storage.filesystem import FilesystemStore


class Sdk(StrEnum):
    """Which library talks to a bucket's server."""

    BOTO3 = "s3"
    MINIO = "minio"


@dataclass(frozen=True, slots=True)
class BucketConfig:
    """A bucket, how it is reached, and how long that is tried."""

    name: str

    sdk: Sdk = Sdk.BOTO3

    endpoint: str | None = None
    """The server's URL, without a path; None: AWS's own of the region."""

    public_endpoint: str | None = None
    """The URL of the same server for those who get presigned URLs; None: `endpoint`."""

    prefix: str = ""
    """What every key begins with, such as `recipebox/`; the bucket may have other things too."""

    region: str = "us-east-1"

    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    """None, both: what the SDK finds by itself (AWS's variables, files, and roles)."""

    is_path_style: bool = True
    """Whether the bucket is named in the path, and not in the host."""

    connect_timeout: float = 5.0
    """Seconds until a server that doesn't take a connection is away."""

    read_timeout: float = 60.0
    """Seconds until one that doesn't answer is; completing 10,000 parts takes some."""

    attempts: int = 4
    """How often a request is made in all, with growing pauses, before its failure is told."""

    connections: int = 64
    """Connections that a process keeps: one a thread, so that none has to wait."""

    @property
    def place(self) -> str:
        """What errors call it."""
        return f"bucket {self.name!r} at {self.endpoint or f'AWS, {self.region}'}"


def open_store(bucket: BucketConfig | None, data: Path) -> ListedStore:
    """Return the store in a bucket, or (None) in the data folder `data`.

    Nothing is asked of the bucket yet, and nothing is written; without a key in the configuration
    boto3 looks for one already now, where AWS keeps them.
    """
    if bucket is None:
        return FilesystemStore(data)
    from storage.object_store import ObjectStore

    prefix = bucket.prefix.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    if bucket.sdk is Sdk.MINIO:
        from storage.minio import MinioBucket

        return ObjectStore(MinioBucket(bucket), prefix)
    from storage.s3 import S3Bucket

    return ObjectStore(S3Bucket(bucket), prefix)
