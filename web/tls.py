"""TLS from files: the server's certificate and key, and whose clients' certificates it asks for.

The files are read before the server forks, and again on SIGHUP. TLS 1.2 is the oldest that is
spoken. Where a client CA is named, every client must show a certificate of it.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from settings.errors import SettingsError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are; a key may stand in the certificate's own file."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class UnusableTls(SettingsError):
    """The file at `path`, of the setting `setting`, can't be used, for `reason`."""

    def __init__(self, setting: str, path: Path, reason: str, hint: str) -> None:
        self.setting = setting
        self.path = path
        self.reason = reason
        self.hint = hint
        super().__init__(f"{setting}: {path}: {reason}")


def open_tls(files: TlsFiles) -> ssl.SSLContext:
    """Return the server's side of TLS with these files.

    Raises:
        UnusableTls: one of them can't be read, isn't what it should be, or doesn't fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _check_readable("tls_certificate", files.certificate)
    _check_readable("tls_key", files.key)
    _check_certificates("tls_certificate", files.certificate)
    _check_dates(files.certificate)
    try:
        context.load_cert_chain(files.certificate, files.key, _refuse_passphrase)
    except _PassphraseAsked:
        hint = "write it without one, for its owner only: openssl pkey -in OLD -out NEW"
        raise UnusableTls("tls_key", files.key, "it has a passphrase", hint) from None
    except ssl.SSLError as error:
        raise _explain(files, error) from error
    if files.client_ca is not None:
        _check_readable("tls_client_ca", files.client_ca)
        _check_certificates("tls_client_ca", files.client_ca)
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def check_tls(files: TlsFiles | None) -> None:
    """Try the files, if there are any, before anything else is done.

    Raises:
        UnusableTls: as `open_tls`.
    """
    if files is not None:
        open_tls(files)


class _PassphraseAsked(Exception):
    """OpenSSL wanted a passphrase: there is nobody to ask."""


def _refuse_passphrase() -> str:
    raise _PassphraseAsked


def _check_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "name a PEM file that the user who runs the server may read"
        raise UnusableTls(setting, path, reason, hint) from error


def _check_certificates(setting: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError as error:
        hint = (
            "it begins with -----BEGIN CERTIFICATE-----; the server's own first, then its issuers"
        )
        raise UnusableTls(setting, path, "no certificate in PEM form", hint) from error


def _check_dates(path: Path) -> None:
    """See that the first certificate, the server's own, is valid still."""
    end = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    if end < datetime.now(UTC):
        reason = f"it expired on {end:%Y-%m-%d}"
        raise UnusableTls("tls_certificate", path, reason, "have it renewed by who issued it")


def _explain(files: TlsFiles, error: ssl.SSLError) -> UnusableTls:
    if error.reason == "KEY_VALUES_MISMATCH":
        reason = f"it isn't the key of the certificate in {files.certificate}"
        return UnusableTls("tls_key", files.key, reason, "name the key that belongs to it")
    if error.reason in {"EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_CERT_TOO_WEAK"}:
        hint = "have one made with RSA of 2048 bits or more, or ECDSA, and SHA-256"
        return UnusableTls("tls_certificate", files.certificate, "it is too weak", hint)
    hint = "it begins with -----BEGIN PRIVATE KEY----- or the like"
    return UnusableTls("tls_key", files.key, "no private key in PEM form", hint)
