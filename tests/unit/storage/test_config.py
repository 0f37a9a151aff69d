"""Which store is opened for which configuration."""

from datetime import timedelta
from pathlib import Path

import pytest

from storage.config import BucketConfig, Sdk, open_store
from storage.filesystem import FilesystemStore
from storage.minio import MinioBucket
from storage.object_store import ObjectStore
from storage.s3 import S3Bucket


def test_without_a_bucket_it_is_the_data_folder(tmp_path: Path) -> None:
    assert isinstance(open_store(None, tmp_path), FilesystemStore)


@pytest.mark.parametrize(("sdk", "kind"), [(Sdk.BOTO3, S3Bucket), (Sdk.MINIO, MinioBucket)])
@pytest.mark.parametrize(("prefix", "begin"), [("", ""), ("a/b", "a/b/"), ("/a/b/", "a/b/")])
def test_with_one_it_is_below_its_prefix(
    tmp_path: Path, sdk: Sdk, kind: type, prefix: str, begin: str
) -> None:
    config = BucketConfig("blobs", sdk, prefix=prefix, access_key="id", secret_key="secret-key")
    store = open_store(config, tmp_path)
    assert isinstance(store, ObjectStore)
    assert isinstance(store._bucket, kind)
    assert store._prefix == begin
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_not_shown() -> None:
    config = BucketConfig("blobs", access_key="id", secret_key="very-secret")
    assert "very-secret" not in repr(config)
    assert config.place == "bucket 'blobs' at AWS, us-east-1"


def test_minios_sdk_finds_a_key_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ACCESS_KEY", "from-the-environment")
    monkeypatch.setenv("MINIO_SECRET_KEY", "secret-key")
    bucket = MinioBucket(BucketConfig("blobs", Sdk.MINIO, endpoint="http://minio.test:9000"))
    assert "from-the-environment" in bucket.presign("a/key", timedelta(minutes=5))
