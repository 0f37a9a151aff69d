"""The settings of the blob store: which, and how its bucket is reached."""

from urllib.parse import urlsplit

from settings.errors import InvalidSetting
from settings.load import Settings
from storage.config import BucketConfig, Sdk


def read_bucket(settings: Settings) -> BucketConfig | None:
    """Return the bucket of the blobs, or None where they are in the data folder.

    Raises:
        InvalidSetting: (settings) a value that can't be, or not together with the others.
    """
    kind = settings.text("store")
    if kind not in set(Sdk):
        return None
    name = settings.text("s3_bucket")
    if name is None:
        raise InvalidSetting(
            "store", _origin(settings, "store"), kind, "s3_bucket beside it: the bucket's name"
        )
    access_key, secret_key = settings.text("s3_access_key"), settings.text("s3_secret_key")
    if (access_key is None) != (secret_key is None):
        given, other = "s3_access_key", "s3_secret_key"
        if access_key is None:
            given, other = other, given
        raise InvalidSetting(
            given, _origin(settings, given), "(hidden)", f"{other} beside it, or neither"
        )
    return BucketConfig(
        name=name,
        sdk=Sdk(kind),
        endpoint=_url(settings, "s3_endpoint"),
        public_endpoint=_url(settings, "s3_public_endpoint"),
        prefix=settings.text("s3_prefix") or "",
        region=settings.text("s3_region") or "us-east-1",
        access_key=access_key,
        secret_key=secret_key,
        is_path_style=settings.switch("s3_path_style"),
        # a thread talks to the store on at most two connections: it reads one blob and asks another
        connections=2 * settings.whole("threads"),
    )


def _url(settings: Settings, name: str) -> str | None:
    text = settings.text(name)
    if text is None:
        return None
    is_good = False
    try:
        parts = urlsplit(text)
        is_bare = parts.path in {"", "/"} and not parts.query and "@" not in parts.netloc
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is none
        is_bare = False
    if not (is_good and is_bare):
        expected = "http://HOST[:PORT] or https://HOST[:PORT], without a path"
        raise InvalidSetting(name, _origin(settings, name), text, expected)
    return text.rstrip("/")


def _origin(settings: Settings, name: str) -> str:
    return f"the {settings.origins[name]}"
