"""How long a pull takes among slow clients: `python -m benchmarks.slow_clients`.

Behind the shipped nginx, a manifest and a blob of 1 MB are pulled, with a new TLS connection each
time, first alone and then while a third of the slow clients send heads, a third bodies, and a third
read a blob of 32 MiB.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from artifacts.digest import Digest
from tests.tools.proxy import BEHIND, RunningProxy, running_nginx
from tests.tools.server import RunningServer, running_server
from tests.tools.slow_clients import Target, slow_clients
from web.serving import raise_file_limit

MEGABYTE = 1_000_000
BIG = 32 * 1024 * 1024
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "slow/app"


@dataclass(frozen=True)
class Site:
    """The server, the proxy, and how they are asked."""

    server: RunningServer
    proxy: RunningProxy

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> requests.Response:
        """Send one request through the proxy, over a connection of its own."""
        sent = {"Authorization": f"Bearer {self.server.token}", **(headers or {})}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.proxy.url}{path}",
                headers=sent,
                verify=str(self.proxy.authority),
                timeout=60,
                **rest,
            )
            answer.raise_for_status()
            return answer

    def push(self, data: bytes) -> str:
        """Push a blob; return its path."""
        digest = Digest.of(data)
        self.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest}", data=data)
        return f"/v2/{REPOSITORY}/blobs/{digest}"

    def pull(self, manifest: str, blob: str) -> float:
        """Pull a manifest and a blob; return the seconds of both."""
        begun = time.perf_counter()
        self.ask("GET", manifest, headers={"Accept": MANIFEST_TYPE})
        assert len(self.ask("GET", blob).content) == MEGABYTE
        return time.perf_counter() - begun


def fill(site: Site) -> tuple[str, str, Target]:
    """Push what is pulled; return the paths of a manifest and a blob, and the slow ones' target."""
    site.ask("POST", "/api/v1/namespaces", json={"name": "slow", "public": False})
    data = os.urandom(MEGABYTE)
    blob = site.push(data)
    big = site.push(os.urandom(BIG))
    config = site.push(b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config, 2),
        "layers": [descriptor("application/octet-stream", blob, MEGABYTE)],
    }
    tag = f"/v2/{REPOSITORY}/manifests/v1"
    site.ask("PUT", tag, data=json.dumps(manifest), headers={"Content-Type": MANIFEST_TYPE})
    upload = site.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    target = Target(
        port=site.proxy.port,
        authority=site.proxy.authority,
        token=site.server.token,
        upload=urlsplit(upload).path,
        blob=big,
    )
    return tag, blob, target


def descriptor(media_type: str, path: str, size: int) -> dict[str, object]:
    """Return a descriptor of what was pushed to `path`."""
    return {"mediaType": media_type, "digest": path.rpartition("/")[2], "size": size}


async def measure(site: Site, count: int, pulls: int) -> None:
    """Print the figures."""
    manifest, blob, target = fill(site)
    show("alone", [site.pull(manifest, blob) for _ in range(pulls)])
    begun = time.perf_counter()
    async with slow_clients(target, count) as crowd:
        print(f"{crowd.size} slow clients after {time.perf_counter() - begun:.1f} s", end="")
        print(f" {dict(crowd.connected)}, refused {dict(crowd.refused)}")
        taken = [await asyncio.to_thread(site.pull, manifest, blob) for _ in range(pulls)]
        show(f"among {crowd.size} slow clients", taken)


def show(what: str, seconds: list[float]) -> None:
    """Print the median and the longest of some pulls."""
    middle, longest = statistics.median(seconds), max(seconds)
    print(f"{what}: median {middle * 1000:.0f} ms, longest {longest * 1000:.0f} ms a pull")


def main() -> None:
    """Start both, measure, stop both."""
    parser = argparse.ArgumentParser(description="Pull among slow clients.")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--pulls", type=int, default=20)
    parser.add_argument("--server", choices=("gunicorn", "granian"), default="gunicorn")
    given = parser.parse_args()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        options = {"workers": 2, "threads": 16, "server": given.server, **BEHIND}
        with (
            running_server(data, **options) as server,
            running_nginx(Path(folder, "nginx"), server.url, data / "blobs") as proxy,
        ):
            asyncio.run(measure(Site(server, proxy), given.clients, given.pulls))


if __name__ == "__main__":
    main()
