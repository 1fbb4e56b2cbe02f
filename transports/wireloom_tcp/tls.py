"""TLS on both ends, and who a certificate says somebody is."""

import asyncio
import ssl
from typing import Any

from wireloom.errors import ConfigurationError
from wireloom_tcp.options import TcpOptions

__all__ = ["dialling_context", "listening_context", "principal_of"]


def listening_context(options: TcpOptions) -> ssl.SSLContext | None:
    """Return what a listener needs; None for plain TCP.

    :raises ConfigurationError: if a file cannot be used, or there is no certificate.
    """
    if not options.tls:
        return None
    if not options.tls_certificate:
        raise ConfigurationError("TcpOptions(tls=True): to listen takes tls_certificate, tls_key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, options)
    if options.tls_client_certificates:
        context.verify_mode = ssl.CERT_REQUIRED
        _load_ca(context, options)
    return context


def dialling_context(options: TcpOptions) -> ssl.SSLContext | None:
    """Return what a dialler needs: certificates and host names are verified, always.

    :raises ConfigurationError: if a file cannot be used.
    """
    if not options.tls:
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.tls_ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_ca(context, options)
    _load(context, options)
    return context


def principal_of(transport: asyncio.BaseTransport) -> str | None:
    """Return the first subject alternative name of the peer's verified certificate."""
    certificate: dict[str, Any] | None = transport.get_extra_info("peercert")
    for _, name in (certificate or {}).get("subjectAltName", ()):
        return str(name)
    return None


def _load(context: ssl.SSLContext, options: TcpOptions) -> None:
    if not options.tls_certificate:
        return
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key, options.tls_key_password)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"TcpOptions(tls_certificate={options.tls_certificate!r}, "
            f"tls_key={options.tls_key!r}): {error}"
        ) from None


def _load_ca(context: ssl.SSLContext, options: TcpOptions) -> None:
    try:
        context.load_verify_locations(options.tls_ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"TcpOptions(tls_ca={options.tls_ca!r}): {error}") from None
