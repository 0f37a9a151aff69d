"""The seam to gpg: what is missing is named, nothing is left, nothing is logged."""

import logging
import shutil
import tempfile
from pathlib import Path

import pytest

from signing.errors import GpgFailed, GpgMissing, HomeTooLong
from signing.gpg import Gpg, Report, carry, land, throwaway_home
from signing.sign import sign_with_key
from tests.keys import SIGNER


def test_a_missing_gpg_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GpgMissing, match="apt install gnupg") as refused:
        Gpg(None)
    assert refused.value.program == "gpg"


@pytest.mark.parametrize("content", [b"\x7fELF nonsense", b"#!/bin/sh\nexit 2\n"])
def test_a_gpg_that_does_not_start_says_so(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gpg"
    program.write_bytes(content)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GpgFailed, match="could not start"):
        Gpg(None)


def test_a_missing_gpgconf_is_named_and_the_home_goes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (  # noqa: PT012 - the error comes when the home is left
        pytest.raises(GpgMissing, match="gpgconf"),
        throwaway_home() as home,
    ):
        (home / "S.gpg-agent").touch()
        monkeypatch.setenv("PATH", "/nonexistent")
    assert not home.exists()


def test_sockets_that_are_kept_elsewhere_are_forgotten_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system with /run/user/UID/gnupg, gpg keeps every home's sockets there."""
    calls = tmp_path / "calls"
    program = tmp_path / "gpgconf"
    program.write_text(f'#!/bin/sh\necho "$3 $4" >> {calls}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("signing.gpg._run_folder", lambda: tmp_path)
    with throwaway_home():
        pass
    assert calls.read_text() == "--kill gpg-agent\n--remove-socketdir \n"


def test_a_long_temporary_folder_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 90)
    with throwaway_home() as home:
        assert home.parent in {Path("/tmp"), Path("/var/tmp")}


def test_without_any_short_folder_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * 90)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(HomeTooLong), throwaway_home():
        pass


def test_a_listing_that_fails_is_an_error_and_not_an_empty_keyring() -> None:
    with throwaway_home() as home:
        gpg = Gpg(home)
        (home / "pubring.kbx").mkdir()
        with pytest.raises(GpgFailed, match="list keys"):
            gpg.list_keys(with_secret=False)


def test_every_text_comes_through_python_gnupg_unharmed() -> None:
    text = "".join(map(chr, (*range(1, 0x300), 0x2028, 0x1F511)))
    assert land(carry(text)) == text
    assert len(carry(text[0x20:]).splitlines()) == 1


def test_a_report_without_words_has_no_detail() -> None:
    assert Report((), b"", "[GNUPG:] FAILURE sign 1\n", 2).detail == ""
    assert str(GpgFailed("sign", "")) == "gpg could not sign: it gave no reason"


def test_secrets_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        sign_with_key(b"data", SIGNER.secret)
    assert caplog.text == ""


def test_a_home_that_can_not_be_removed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.rmtree

    def keeps(path: Path, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            real(path)
            raise PermissionError(path)

    monkeypatch.setattr("shutil.rmtree", keeps)
    with pytest.raises(PermissionError), throwaway_home():
        pass
