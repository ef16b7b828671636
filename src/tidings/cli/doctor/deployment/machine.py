"""The settings, and this machine: disk, descriptors, certificates. What is asked in files and system calls."""

import resource
import shutil
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from tidings.cli.doctor.deployment.finding import Finding, unknown, well
from tidings.errors import Misconfigured
from tidings.platform.descriptors import ENOUGH
from tidings.platform.tls import tls_context
from tidings.settings import Settings

DISK_LOW, DISK_FULL = 0.15, 0.05
CERTIFICATE_DAYS = 14
CONNECT_TIMEOUT_S = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_settings(settings: Settings) -> list[Finding]:
    """Those that are allowed and dangerous; the others do not let anything start."""
    found: list[Finding] = []
    is_open = settings.host not in LOOPBACK
    if settings.demo_project and is_open:
        found.append(
            Finding(
                "settings",
                "error",
                "Anybody may publish",
                "TIDINGS_DEMO_PROJECT is set, and the demo page can be reached from elsewhere: who finds it publishes in that project.",
                ("unset TIDINGS_DEMO_PROJECT, and start the API processes again",),
            )
        )
    if is_open and settings.public_url is None:
        found.append(
            Finding(
                "settings",
                "warning",
                "Links lead to this machine only",
                "TIDINGS_PUBLIC_URL is not set: links in mail, and to unsubscribe, name the address that is listened on.",
                ("export TIDINGS_PUBLIC_URL=https://…, the address that people use, for every process",),
            )
        )
    return found or [well("settings", "Settings are read and fit together")]


def check_disk(state: Path) -> list[Finding]:
    if not state.is_dir():
        return [unknown("disk", "There is no state folder here: look where PostgreSQL's data lies")]
    usage = shutil.disk_usage(state)
    share = usage.free / max(1, usage.total)
    if share >= DISK_LOW:
        return [well("disk", f"{share:.0%} of the disk are free")]
    return [
        Finding(
            "disk",
            "error" if share < DISK_FULL else "warning",
            f"{share:.1%} of the disk are free",
            f"{usage.free / 1e9:.1f} GB at {state}. PostgreSQL stops when it is full: publishing answers 503. What was accepted is safe.",
            (f"du -xh -d 2 {state} | sort -h | tail", "delete what is not PostgreSQL's, or make the disk larger"),
            "docs/runbooks/disk-full.md",
        )
    ]


def check_descriptors() -> list[Finding]:
    """What a process that is started from here may have. Ours raise the soft limit themselves."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= ENOUGH:
        return [well("descriptors", "Processes may have enough connections")]
    return [
        Finding(
            "descriptors",
            "warning",
            f"A process may have {most} files and connections",
            "Each stream takes one, each delivery under way another. At the limit nothing is accepted.",
            ("LimitNOFILE=65536 in the service's unit, or `ulimit -Hn 65536` before the start",),
        )
    ]


def check_certificates(settings: Settings, now: datetime) -> list[Finding]:
    found: list[Finding] = []
    if settings.tls_certificate is not None:
        try:
            tls_context(settings)
            pem = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0]
            found.append(expiry(f"The certificate in {settings.tls_certificate}", pem, now))
        except (Misconfigured, OSError, ValueError) as error:
            found.append(
                Finding(
                    "certificate",
                    "error",
                    "The certificate cannot be used",
                    str(error),
                    ("put the right files there; API processes start with them",),
                )
            )
    if settings.public_url is not None and settings.public_url.startswith("https:"):
        found.append(public_certificate(settings.public_url, now))
    return found or [well("certificate", "No certificate of our own")]


def public_certificate(url: str, now: datetime) -> Finding:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), CONNECT_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            der = secure.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "certificate",
            "error",
            f"Browsers do not trust {url}",
            f"{error.verify_message}.",
            ("renew it where TLS ends, then: tidings doctor " + url,),
        )
    except OSError as error:
        return Finding(
            "certificate",
            "warning",
            f"{url} cannot be reached from here",
            f"{error.strerror or type(error).__name__}. Perhaps only from outside; then look from there.",
            ("tidings doctor " + url,),
        )
    assert der is not None
    return expiry(f"The certificate of {url}", x509.load_der_x509_certificate(der), now)


def expiry(what: str, certificate: x509.Certificate, now: datetime) -> Finding:
    days = (certificate.not_valid_after_utc - now).total_seconds() / 86_400
    if days >= CERTIFICATE_DAYS:
        return well("certificate", f"{what} holds for {days:.0f} days")
    over = days < 0
    return Finding(
        "certificate",
        "error" if over else "warning",
        f"{what} {'is over' if over else f'ends in {days:.0f} days'}",
        f"Since {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC no browser connects."
        if over
        else "Then no browser connects any more.",
        ("renew it, put it in its place, and start the API processes again, one after another",),
    )


def utc_now() -> datetime:
    return datetime.now(UTC)
