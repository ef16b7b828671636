"""TLS for what this process serves, for deployments without a proxy in front."""

import ssl

from tidings.errors import Misconfigured
from tidings.settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """None without TLS. Raises Misconfigured for a certificate and a key that do not fit together."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a passphrase would be asked for on the terminal; without one it is refused.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"TIDINGS_TLS_CERTIFICATE={settings.tls_certificate} and TIDINGS_TLS_KEY={settings.tls_key} are no certificate (PEM, with its "
            f"chain) and its key (PEM, without a passphrase): {error}."
        ) from error
    return context
