"""Certificates for tests: authorities, and certificates that they sign."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.tls.files import Tls

LOCAL = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


class Signed(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Signs certificates, all below a folder."""

    def __init__(self, folder: Path, days: int = 30) -> None:
        """Makes its own certificate, `ca.pem`, which ends in `days`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own: Signed | None = None
        self._own = self._sign(f"authority of {folder}"[-64:], days)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._own.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        days: int = 30,
        hosts: tuple[x509.GeneralName, ...] = LOCAL,
        password: bytes | None = None,
    ) -> Tls:
        """Files of a certificate that ends in `days`, which may be past, with its authority."""
        signed = self._sign(name, days, hosts)
        cert, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert.write_bytes(signed.certificate.public_bytes(serialization.Encoding.PEM))
        secret = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        key.write_bytes(signed.key.private_bytes(*form, secret))
        return Tls(cert, key, self.ca)

    def _sign(self, name: str, days: int, hosts: tuple[x509.GeneralName, ...] = ()) -> Signed:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = self._own or Signed(None, key)
        end = datetime.now(timezone.utc) + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer.certificate else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=60))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=not self._own, path_length=None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return Signed(builder.sign(issuer.key, hashes.SHA256()), key)


def variables(tls: Tls) -> dict[str, str]:
    """The environment that names these files."""
    named = {"CERT": tls.cert, "KEY": tls.key, "CA": tls.ca}
    return {f"AUDIOSEARCH_TLS_{name}": str(path) for name, path in named.items() if path}
