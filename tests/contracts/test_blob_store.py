"""The contract of blob stores, over those that need no server.

Those in a bucket are over a twin of a server here, and over real ones in tests/storage.
"""

from pathlib import Path

import pytest

from storage.config import Sdk
from storage.filesystem import FilesystemStore
from storage.memory import MemoryStore
from tests.contracts.blob_store import BlobStoreContract, Stores
from tests.s3_twin import S3Twin, a_store


class TestFilesystem(BlobStoreContract):
    @pytest.fixture
    def stores(self, tmp_path: Path) -> Stores:
        return lambda: FilesystemStore(tmp_path / "data")


class TestMemory(BlobStoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        store = MemoryStore()
        return lambda: store


class TestObjects(BlobStoreContract):
    @pytest.fixture(params=Sdk)
    def stores(self, request: pytest.FixtureRequest) -> Stores:
        twin = S3Twin()
        return lambda: a_store(twin, request.param)
