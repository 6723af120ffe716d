"""Makes the secrets that compose.yaml needs: `python -m deploy.new_secrets FOLDER [HOST...]`.

The secrets are random passwords and a self-signed certificate for the hosts (localhost if there are
none). A real certificate can replace it under the same names. Existing files are kept.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORDS = ("milvus_password", "mysql_password", "mysql_root_password", "object_store_password")
CERTIFICATE, KEY = "tls.crt", "tls.key"
LOCAL = ("localhost", "127.0.0.1")
VALID = dt.timedelta(days=365)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def certificate(hosts: Sequence[str]) -> tuple[bytes, bytes]:
    """Returns a certificate for `hosts` (names or addresses) and its private key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = dt.datetime.now(dt.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return signed.public_bytes(serialization.Encoding.PEM), private


def _keep(path: Path, content: bytes) -> None:
    """Writes a file if it is missing. Containers may read it; the folder is closed to others."""
    if not path.exists():
        path.write_bytes(content)
        path.chmod(0o444)


def write(folder: Path, hosts: Sequence[str] = LOCAL) -> None:
    """Writes all missing secrets into `folder`, which only its owner may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in PASSWORDS:
        _keep(folder / name, secrets.token_urlsafe(24).encode())
    if not ((folder / CERTIFICATE).exists() and (folder / KEY).exists()):
        signed, private = certificate(hosts)
        _keep(folder / CERTIFICATE, signed)
        _keep(folder / KEY, private)


if __name__ == "__main__":
    if len(sys.argv) == 1 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    write(Path(sys.argv[1]), sys.argv[2:] or LOCAL)
    sys.stdout.write(f"secrets are in {sys.argv[1]}: keep it out of version control\n")
