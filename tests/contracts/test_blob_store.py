"""The contract of blob stores, over those that need no server."""

from pathlib import Path

import pytest

from storage.filesystem import FilesystemStore
from storage.memory import MemoryStore
from tests.contracts.blob_store import BlobStoreContract, Stores


class TestFilesystem(BlobStoreContract):
    @pytest.fixture
    def stores(self, tmp_path: Path) -> Stores:
        return lambda: FilesystemStore(tmp_path / "data")


class TestMemory(BlobStoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        store = MemoryStore()
        return lambda: store
