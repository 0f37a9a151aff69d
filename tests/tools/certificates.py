"""An authority of a test's own, which issues certificates for servers and clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Authority:
    """A key that signs certificates; `certificate` is its own, in PEM form."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    certificate: Path

    def issue(
        self,
        name: str,
        *,
        until: datetime | None = None,
        passphrase: bytes | None = None,
        rsa_bits: int | None = None,
    ) -> tuple[Path, Path]:
        """Return the files of a new certificate (also for 127.0.0.1) and its key."""
        key: _Key = ec.generate_private_key(ec.SECP256R1())
        if rsa_bits is not None:
            key = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
        end = until or datetime.now(UTC) + _DAY
        names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        built = (
            _builder(_named(name), self.name, end)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        number = sum(1 for _ in self.folder.glob("*.crt"))
        certificate = self.folder / f"{name}.{number}.crt"
        certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        file = certificate.with_suffix(".key")
        locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            locked = serialization.BestAvailableEncryption(passphrase)
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        )
        return certificate, file


def make_authority(folder: Path) -> Authority:
    """Return a new authority, which keeps its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("Tests")
    built = (
        _builder(name, name, datetime.now(UTC) + _DAY)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = folder / "authority.crt"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, key, name, certificate)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 30 * _DAY)
        .not_valid_after(end)
    )
