"""S3 servers of one's own, MinIO and SeaweedFS: each in a folder, on free loopback ports.

::

    with running_minio(tmp_path / "minio") as server:
        server.create_bucket("blobs")
        server.stop(signal.SIGKILL)     # away ...
        server.start()                  # ... and back, on the same port with what it held
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

from tests.tools import parts
from tests.tools.server import LIMIT, wait_until

ACCESS_KEY = "recipebox"
SECRET_KEY = "recipebox-secret"
REGION = "us-east-1"
TRIES = 5  # of finding ports that nobody takes before we do


class StoreFailed(AssertionError):
    """The server ended before it was ready; the text is its log."""


@dataclass
class ObjectServer:
    """A server that speaks S3: its folder, ports and process."""

    name: str
    folder: Path
    words: Callable[["ObjectServer"], list[str]]
    count: int  # of ports, of which the first answers S3
    environ: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def client(self) -> Any:
        """Return a client of boto3's of a test's own, that tries once."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=botocore.config.Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=LIMIT,
                read_timeout=LIMIT,
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Make a bucket, unless it is there.

        A few of them: SeaweedFS gives each some volumes, and takes no bytes when it has no more.
        """
        client = self.client()
        if name not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)
        client.close()

    def environ_of(self, bucket: str, store: str = "s3") -> dict[str, str]:
        """Return the settings, as variables, of a server of ours that keeps its blobs here."""
        return {
            "RECIPEBOX_STORE": store,
            "RECIPEBOX_S3_BUCKET": bucket,
            "RECIPEBOX_S3_ENDPOINT": self.url,
            "RECIPEBOX_S3_REGION": self.region,
            "RECIPEBOX_S3_ACCESS_KEY": self.access_key,
            "RECIPEBOX_S3_SECRET_KEY": self.secret_key,
        }

    def log_text(self) -> str:
        """Return what was logged so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, on the ports that it had before if it had any.

        Raises:
            StoreFailed: it ended before it was ready.
            AssertionError: it isn't ready in time.
        """
        if self.ports:
            # what a killed one left may hold on to its ports for a moment
            wait_until(self._started)
            return
        for _ in range(TRIES):
            self.ports = _free_ports(self.count)
            if self._started():
                return
        raise StoreFailed(self.log_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; what it answered for stays."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LIMIT)

    def _started(self) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.words(self),
                cwd=self.folder,
                env=dict(os.environ) | self.environ,
                stdout=log,
                stderr=log,
            )
        process = self.process
        wait_until(lambda: process.poll() is not None or self._answers())
        return process.poll() is None

    def _answers(self) -> bool:
        client = self.client()
        try:
            client.list_buckets()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return False
        finally:
            client.close()
        return True


@contextlib.contextmanager
def running_minio(folder: Path) -> Iterator[ObjectServer]:
    """Start a MinIO whose data is in `folder`, and stop it at the end."""
    program = parts.minio()
    environ = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    server = ObjectServer("minio", folder, lambda each: _minio(program, each), 1, environ)
    with _running(server):
        yield server


@contextlib.contextmanager
def running_seaweed(folder: Path) -> Iterator[ObjectServer]:
    """Start a SeaweedFS whose data is in `folder`, and stop it at the end."""
    program = parts.weed()
    server = ObjectServer("seaweedfs", folder, lambda each: _seaweed(program, each), 8)
    with _running(server):
        yield server


STARTERS = {"minio": running_minio, "seaweedfs": running_seaweed}
"""How each S3 server is started, by its name."""


@contextlib.contextmanager
def _running(server: ObjectServer) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop(signal.SIGKILL)  # nobody needs what it has, and SeaweedFS says long farewells


def _minio(program: Path, server: ObjectServer) -> list[str]:
    address = f"127.0.0.1:{server.ports[0]}"
    return [str(program), "server", str(server.folder / "data"), "--address", address, "--quiet"]


def _seaweed(program: Path, server: ObjectServer) -> list[str]:
    credentials = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    identity = {
        "name": "test",
        "credentials": [credentials],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = server.folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("s3", "s3.port.grpc", "master", "master.port.grpc", "volume", "volume.port.grpc")
    names += ("filer", "filer.port.grpc")
    flags = [
        f"-{name if name.endswith('grpc') else name + '.port'}={port}"
        for name, port in zip(names, server.ports, strict=True)
    ]
    return [
        *(str(program), "-logtostderr=true", "server", f"-dir={server.folder / 'data'}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={config}", *flags),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
        *("-master.volumeSizeLimitMB=1024", "-volume.max=50", "-master.electionTimeout=1s"),
    ]


def _free_ports(count: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
