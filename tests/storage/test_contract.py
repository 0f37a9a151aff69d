"""The contract of blob stores over real servers."""

import pytest

from tests.contracts.blob_store import BlobStoreContract, Stores

pytestmark = pytest.mark.real


class TestObjects(BlobStoreContract):
    @pytest.fixture
    def stores(self, place) -> Stores:
        return place.store
