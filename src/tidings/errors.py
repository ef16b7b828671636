"""Every error that Tidings raises on purpose. Each becomes an RFC 9457 problem (see `platform/problems.py`).

TidingsError
├── Rejected                  the caller's fault: 4xx, nothing changed
│   ├── Malformed             400, the request cannot be read (JSON, cursor)
│   ├── Unauthenticated       401, says what is wrong with the credential
│   ├── Forbidden             403, names the missing scope
│   ├── NotFound              404, also for what belongs to another project
│   ├── Conflict              409, says with what
│   ├── Gone                  410, the cursor's history is over: `reset`
│   ├── TooLarge              413
│   ├── UnsupportedMediaType  415
│   ├── Invalid               422, names the field
│   └── TooMany               429, says which limit and when to come back
├── Unavailable               ours, passing: 503 with Retry-After, nothing accepted
├── BadAnswer                 502, another service answered what cannot be used
├── CannotOpen                503, a sealed credential's key is missing (`platform/secrets.py`)
├── BackupFailed              503, a backup could not be made, read or proven (`backups/errors.py`)
└── Misconfigured             a setting that stops the start; never reaches a caller
"""

from typing import ClassVar


class TidingsError(Exception):
    """The root.

    detail: one sentence that says what was wrong and what to do.   extra: further members of the problem document (RFC 9457 §3.2).
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class Rejected(TidingsError):
    """The caller's fault; nothing changed."""

    status = 400


class Malformed(Rejected):
    status, code, title = 400, "malformed", "The request could not be read"


class Unauthenticated(Rejected):
    status, code, title = 401, "unauthenticated", "The credential was not accepted"


class Forbidden(Rejected):
    status, code, title = 403, "forbidden", "The credential does not allow this"


class NotFound(Rejected):
    status, code, title = 404, "not-found", "There is no such thing in this project"


class Conflict(Rejected):
    status, code, title = 409, "conflict", "Something else is in the way"


class Gone(Rejected):
    status, code, title = 410, "reset", "The history this cursor belongs to is over"


class TooLarge(Rejected):
    status, code, title = 413, "too-large", "The request is too large"


class UnsupportedMediaType(Rejected):
    status, code, title = 415, "unsupported-media-type", "The body must be application/json"


class Invalid(Rejected):
    """A field holds what it must not. field: its path in the body or query, as in `to[2].topic`."""

    status, code, title = 422, "invalid", "A field was not accepted"

    def __init__(self, detail: str, field: str | None = None, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.field = field


class TooMany(Rejected):
    """retry_after: whole seconds."""

    status, code, title = 429, "too-many", "A limit was reached"

    def __init__(self, detail: str, retry_after: int, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class Unavailable(TidingsError):
    """Ours, and passing; nothing was accepted. retry_after: whole seconds."""

    status, code, title = 503, "unavailable", "Not possible just now"

    def __init__(self, detail: str, retry_after: int = 1, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class BadAnswer(TidingsError):
    """Another service that was asked for the caller did something, and answered what cannot be used."""

    status, code, title = 502, "bad-answer", "Another service gave an answer that cannot be used"


class Misconfigured(TidingsError):
    """A setting stops the start: says its name, its value (redacted where secret) and what is allowed."""

    code, title = "misconfigured", "A setting is wrong"
