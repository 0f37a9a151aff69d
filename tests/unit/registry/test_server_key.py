"""The server's own key: made once, kept to its owner, or given."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.server_key import ServerKey
from signing.errors import SigningError
from signing.verify import verify
from tests.keys import OTHER, SIGNER


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    fingerprint = ServerKey(tmp_path / "keys").prepare()

    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert ServerKey(tmp_path / "keys").prepare() == fingerprint


def test_what_it_signs_is_verified_by_its_public_key(tmp_path: Path) -> None:
    key = ServerKey(tmp_path / "keys")
    key.prepare()
    verified = verify(b"a receipt", key.sign(b"a receipt"), [key.public_key()])
    assert verified.fingerprint == key.fingerprint


def test_several_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ServerKey(tmp_path / "keys").prepare(), range(4)))
    assert len(set(made)) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_key_that_configuration_gives_is_used_and_none_is_made(tmp_path: Path) -> None:
    given = tmp_path / "given.asc"
    given.write_text(SIGNER.secret)
    key = ServerKey(tmp_path / "keys", given)
    assert key.prepare() == SIGNER.fingerprint
    assert not (tmp_path / "keys").exists()
    assert "PRIVATE" not in key.public_key()


@pytest.mark.parametrize("text", ["", "nonsense", OTHER.public], ids=["empty", "other", "public"])
def test_a_file_that_is_no_secret_key_stops_the_start(tmp_path: Path, text: str) -> None:
    given = tmp_path / "given.asc"
    given.write_text(text)
    with pytest.raises(SigningError):
        ServerKey(tmp_path / "keys", given).prepare()


def test_a_given_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ServerKey(tmp_path / "keys", tmp_path / "no-such.asc").prepare()
