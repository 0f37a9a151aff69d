"""The contract of blob stores over real servers."""

import pytest

from storage.object_store import ObjectStore
from tests.contracts.blob_store import BlobStoreContract, Stores

pytestmark = pytest.mark.real


class TestObjects(BlobStoreContract):
    @pytest.fixture
    def stores(self, place) -> Stores:
        first = place.store()  # boto3 takes a while to make a client
        return lambda: ObjectStore(first._bucket, first._prefix)
