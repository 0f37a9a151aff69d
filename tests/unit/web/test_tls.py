"""The files of TLS: what is wrong with them is said at start, with where and what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from settings.errors import InvalidSetting
from settings.load import load_settings
from tests.tools.certificates import make_authority
from web.config import read_config
from web.tls import TlsFiles, UnusableTls, check_tls, open_tls


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    authority = make_authority(tmp_path)
    certificate, key = authority.issue("localhost")
    return TlsFiles(certificate, key, authority.certificate)


def test_files_that_fit_are_taken(files):
    import ssl

    context = open_tls(files)

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert open_tls(TlsFiles(files.certificate, files.key)).verify_mode == ssl.CERT_NONE
    check_tls(None)


def test_a_key_may_stand_beside_its_certificate(files, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())

    open_tls(TlsFiles(both, both))


def test_a_file_that_is_not_there(files, tmp_path):
    missing = tmp_path / "missing.pem"

    for setting, wrong in [
        ("tls_certificate", TlsFiles(missing, files.key)),
        ("tls_key", TlsFiles(files.certificate, missing)),
        ("tls_client_ca", TlsFiles(files.certificate, files.key, missing)),
    ]:
        with pytest.raises(UnusableTls, match=f"^{setting}: .*missing.pem: No such file") as caught:
            check_tls(wrong)
        assert "may read" in caught.value.hint


def test_a_file_of_something_else(files, tmp_path):
    other = tmp_path / "other.pem"
    other.write_text("hello")

    for setting, wrong in [
        ("tls_certificate", TlsFiles(other, files.key)),
        ("tls_key", TlsFiles(files.certificate, other)),
        ("tls_key", TlsFiles(files.certificate, files.certificate)),
        ("tls_client_ca", TlsFiles(files.certificate, files.key, other)),
    ]:
        with pytest.raises(UnusableTls, match="in PEM form") as caught:
            open_tls(wrong)
        assert caught.value.setting == setting
        assert "-----BEGIN" in caught.value.hint


def test_the_key_of_another_certificate(files, tmp_path):
    _, other = make_authority(tmp_path / "other").issue("localhost")

    with pytest.raises(UnusableTls, match="isn't the key of the certificate"):
        open_tls(TlsFiles(files.certificate, other))


def test_a_key_with_a_passphrase_asks_nobody(files, tmp_path):
    _, locked = make_authority(tmp_path / "locked").issue("localhost", passphrase=b"secret")

    with pytest.raises(UnusableTls, match="it has a passphrase") as caught:
        open_tls(TlsFiles(files.certificate, locked))
    assert "openssl pkey" in caught.value.hint


def test_a_key_that_is_too_weak(tmp_path):
    weak = make_authority(tmp_path / "weak").issue("localhost", rsa_bits=1024)

    with pytest.raises(UnusableTls, match="it is too weak") as caught:
        open_tls(TlsFiles(*weak))
    assert "2048 bits" in caught.value.hint


def test_a_certificate_that_has_expired(tmp_path):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = make_authority(tmp_path / "expired").issue("localhost", until=yesterday)

    with pytest.raises(UnusableTls, match="it expired on") as caught:
        open_tls(TlsFiles(*expired))
    assert "renew" in caught.value.hint


class TestConfiguration:
    def test_the_key_is_looked_for_in_the_certificates_file(self):
        config = read_config(load_settings({"tls_certificate": "/x.pem"}, {}), Path("/data"))

        assert config.tls == TlsFiles(Path("/x.pem"), Path("/x.pem"))
        assert config.scheme == "https"
        assert read_config(load_settings({}, {}), Path("/data")).scheme == "http"

    @pytest.mark.parametrize("name", ["tls_key", "tls_client_ca"])
    def test_neither_of_the_others_makes_tls_alone(self, name):
        settings = load_settings({name: "/x.pem"}, {})

        with pytest.raises(InvalidSetting, match=f"{name} in the flag: expected tls_certificate"):
            read_config(settings, Path("/data"))
