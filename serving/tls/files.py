"""TLS of servers and channels from PEM files, which are checked at start."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from typing_extensions import Self

CERT, KEY, CA = "AUDIOSEARCH_TLS_CERT", "AUDIOSEARCH_TLS_KEY", "AUDIOSEARCH_TLS_CA"

_SOON = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
"""Pauses between tries to connect. By default they grow to two minutes while a server starts."""


@dataclass(frozen=True)
class Tls:
    """The TLS files of one process. Without any file there is no TLS."""

    cert: Path | None = None
    """The certificate of the process, followed by those between it and the authority."""
    key: Path | None = None
    """The private key of `cert`."""
    ca: Path | None = None
    """The trusted authorities."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The files that the three variables name."""
        named = (environment.get(variable) for variable in (CERT, KEY, CA))
        return cls(*(Path(path) if path else None for path in named))

    def check(self) -> None:
        """Raises ValueError, which names the variable, if a file is unusable."""
        if (self.cert is None) != (self.key is None):
            raise ValueError(f"{CERT} and {KEY} go together: set both or neither")
        if self.ca:
            _check_authorities(self.ca)
        if self.cert and self.key:
            own = _certificate(self.cert)
            if problem := _expiry(own.not_valid_before_utc, own.not_valid_after_utc):
                raise ValueError(f"{CERT}: {self.cert}: {problem}")
            _check_key(self.key, own)

    def open(self, target: str, options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
        """An asynchronous channel to `target`."""
        if credentials := self.channel():
            return grpc.aio.secure_channel(target, credentials, options)
        return grpc.aio.insecure_channel(target, options)

    def connect(self, target: str, options: Sequence[tuple[str, Any]] = ()) -> grpc.Channel:
        """A blocking channel to `target`."""
        if credentials := self.channel():
            return grpc.secure_channel(target, credentials, options)
        return grpc.insecure_channel(target, options)

    def connect_to_own(self, target: str) -> grpc.Channel:
        """A blocking channel to a server with these files at an address of this machine.

        It accepts any name in the certificate, because a probe calls the server by a local address.
        One that is still starting is found within a second of its start.
        """
        if not (self.cert and self.key):
            return grpc.insecure_channel(target, _SOON)
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        roots = pair[1] + (self.ca.read_bytes() if self.ca else b"")
        names = [("grpc.ssl_target_name_override", name) for name in _names(pair[1])[:1]]
        credentials = grpc.ssl_channel_credentials(roots, *pair)
        return grpc.secure_channel(target, credentials, [*_SOON, *names])

    def context_of_own(self) -> ssl.SSLContext | None:
        """The TLS context of `connect_to_own` for HTTP; None without TLS."""
        if not self.cert:
            return None
        context = ssl.create_default_context(cafile=self.cert)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        return context

    def channel(self) -> grpc.ChannelCredentials | None:
        """The channel's credentials; None without TLS. With `cert` it has a certificate too."""
        if not self.ca:
            return None
        key, cert = (path.read_bytes() if path else None for path in (self.key, self.cert))
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), key, cert)


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{variable}: can't read {path}: {error.strerror}") from None


def _check_authorities(path: Path) -> None:
    """Python's own ssl reads them, because clients come without cryptography."""
    text = _read(CA, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text.decode())
    except (ssl.SSLError, ValueError):
        raise ValueError(f"{CA}: {path} holds no certificate in PEM") from None
    found = context.get_ca_certs()
    problems = [_expiry(_time(each["notBefore"]), _time(each["notAfter"])) for each in found]
    # Certificates that are no authorities are counted, but not listed.
    if all(problems) and len(problems) == context.cert_store_stats()["x509"]:
        raise ValueError(f"{CA}: {path}: {problems[0]}")


def _time(text: object) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(text)), timezone.utc)


def _certificate(path: Path) -> Certificate:
    """The first one of a file, which is the server's own."""
    from cryptography import x509  # noqa: PLC0415  only servers have it

    text = _read(CERT, path)
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        raise ValueError(f"{CERT}: {path} holds no certificate in PEM") from None


def _names(pem: bytes) -> list[str]:
    """Host names of the first certificate."""
    from cryptography import x509  # noqa: PLC0415  the same

    extensions = x509.load_pem_x509_certificates(pem)[0].extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.replace("*", "any") for name in names.get_values_for_type(x509.DNSName)]


def _expiry(start: datetime, end: datetime) -> str | None:
    """The reason why a certificate is not valid today; None if it is valid."""
    now = datetime.now(timezone.utc)
    if now > end:
        return f"the certificate expired on {end:%Y-%m-%d}; renew it"
    if now < start:
        return f"the certificate is not valid before {start:%Y-%m-%d}"
    return None


def _check_key(path: Path, certificate: Certificate) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  the same
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    text = _read(KEY, path)
    try:
        key = load_pem_private_key(text, None)
    except TypeError:
        raise ValueError(f"{KEY}: {path} has a pass phrase; take it off") from None
    except ValueError:
        raise ValueError(f"{KEY}: {path} holds no private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise ValueError(f"{KEY}: {path} is not the key of the certificate in {CERT}")
