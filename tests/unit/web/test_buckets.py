"""The settings of a bucket: what they come to, and which can't be."""

import pytest

from settings.errors import InvalidSetting
from settings.load import load_settings
from storage.config import BucketConfig, Sdk
from web.buckets import read_bucket


def read(**values: str) -> BucketConfig | None:
    return read_bucket(load_settings(values, {}, None))


def test_by_default_there_is_none() -> None:
    assert read() is None
    assert read(store="folder", s3_bucket="blobs") is None


def test_a_bucket_of_aws_needs_a_name_alone() -> None:
    assert read(store="s3", s3_bucket="blobs") == BucketConfig("blobs", connections=32)


def test_every_setting_has_its_place() -> None:
    assert read(
        store="minio",
        s3_bucket="blobs",
        s3_prefix="recipebox/",
        s3_endpoint="http://minio:9000",
        s3_public_endpoint="https://blobs.example.org/",
        s3_region="eu-west-1",
        s3_access_key="key",
        s3_secret_key="secret",
        s3_path_style="false",
        threads="8",
    ) == BucketConfig(
        "blobs",
        Sdk.MINIO,
        endpoint="http://minio:9000",
        public_endpoint="https://blobs.example.org",
        prefix="recipebox/",
        region="eu-west-1",
        access_key="key",
        secret_key="secret",
        is_path_style=False,
        connections=16,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s3_endpoint", "minio:9000"),
        ("s3_endpoint", "ftp://minio"),
        ("s3_endpoint", "http://minio:9000/a/path"),
        ("s3_endpoint", "http://key:secret@minio:9000"),
        ("s3_endpoint", "http://minio:0"),
        ("s3_endpoint", "http://minio:port"),
        ("s3_public_endpoint", "http://"),
        ("s3_public_endpoint", "https://minio?a=b"),
    ],
)
def test_an_endpoint_is_a_url_without_a_path(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"expected http://HOST\[:PORT\]") as refused:
        read(store="s3", s3_bucket="blobs", **{name: value})
    assert refused.value.name == name


@pytest.mark.parametrize("store", ["s3", "minio"])
def test_a_store_in_a_bucket_needs_its_name(store: str) -> None:
    with pytest.raises(InvalidSetting, match="s3_bucket beside it"):
        read(store=store)


@pytest.mark.parametrize(
    ("given", "other"), [("s3_access_key", "s3_secret_key"), ("s3_secret_key", "s3_access_key")]
)
def test_half_a_key_is_refused_and_not_shown(given: str, other: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{other} beside it") as refused:
        read(store="s3", s3_bucket="blobs", **{given: "abcdef"})
    assert "abcdef" not in str(refused.value)
