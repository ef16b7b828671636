"""The browser's files, read once and kept. src/client/build puts them into files/, where the manifest says what belongs together."""

import hashlib
from pathlib import Path

import msgspec

FOLDER = Path(__file__).with_name("files")
MANIFEST = "manifest.json"
# By the endings of what the build compressed beforehand.
ENCODINGS = {"identity": "", "br": ".br", "gzip": ".gz"}
SCRIPT, JSON = "text/javascript", "application/json"
# The name of a file holds the hash of its content, so it never changes; a year is as long as caches believe.
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class Encoded(msgspec.Struct, frozen=True):
    """A file's bytes in one coding. etag: of exactly these, as a strong one must be (RFC 9110 §8.8.3.3)."""

    content: bytes
    etag: str


class BrowserFile(msgspec.Struct, frozen=True):
    media_type: str
    cache_control: str
    encodings: dict[str, Encoded]


class Entry(msgspec.Struct, frozen=True):
    """chunks: what it loads only when it needs it, as a language."""

    path: str
    chunks: list[str] = []


class Manifest(msgspec.Struct, frozen=True):
    """What we read of it; pages read `integrity` too."""

    files: dict[str, Entry]


def load_files(folder: Path) -> dict[str, BrowserFile]:
    """By the name after /client/. Empty where they were not built."""
    try:
        text = (folder / MANIFEST).read_bytes()
        files = {MANIFEST: BrowserFile(JSON, ASK_AGAIN, {"identity": encoded(text)})}
        for name, entry in msgspec.json.decode(text, type=Manifest).files.items():
            for path in (entry.path, *entry.chunks):
                files[path] = BrowserFile(SCRIPT, FOREVER, read_encodings(folder / path))
                files[f"{path}.map"] = BrowserFile(JSON, FOREVER, read_encodings(folder / f"{path}.map"))
            files[name] = BrowserFile(SCRIPT, ASK_AGAIN, files[entry.path].encodings)
    except FileNotFoundError:
        return {}
    return files


def read_encodings(path: Path) -> dict[str, Encoded]:
    return {encoding: encoded(path.with_name(path.name + ending).read_bytes()) for encoding, ending in ENCODINGS.items()}


def encoded(content: bytes) -> Encoded:
    return Encoded(content, f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"')


FILES = load_files(FOLDER)
