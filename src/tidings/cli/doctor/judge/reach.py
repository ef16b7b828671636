"""Whether Tidings is reached, and takes the token."""

from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw, seconds
from tidings.cli.doctor.measured import Answered, Away, Foreign, Measured, Refused, Silent, Untrusted
from tidings.cli.doctor.report import Finding


def judge_reach(facts: Measured) -> list[Verdict]:
    match facts.reach:
        case Answered(took_s=took_s):
            return [answers(took_s), fine("token", "The token is accepted", "Tidings takes it.")]
        case Refused(status=401 | 403) as refusal:
            return [token_refused(refusal)]
        case Refused() as refusal:
            return [unable(refusal)]
        case Foreign() as answer:
            return [foreign(answer)]
        case Silent(after_s=after_s):
            return [silent(facts.url, after_s)]
        case Away(words=words):
            return [away(facts.url, words)]
        case Untrusted(words=words):
            return [untrusted(facts.url, words)]


def answers(took_s: float) -> Finding:
    return fine("reachable", "Tidings answers", f"A plain request was answered after {seconds(took_s)}.")


def token_refused(refusal: Refused) -> Finding:
    return flaw(
        "token",
        "error",
        "The token is refused",
        f"Tidings says: {refusal.words} [{refusal.status}]",
        "Mint a new one with POST /v1/subscribers/ID/tokens, with an API key of the project it is for; it lives for 15 minutes at most. "
        "A proxy must pass the header Authorization on as it came.",
    )


def unable(refusal: Refused) -> Finding:
    return flaw(
        "reachable",
        "error",
        "Tidings answers that it cannot serve",
        f"It says: {refusal.words} [{refusal.status}]",
        "See what /health/ready and the log of `tidings api` say.",
    )


def foreign(answer: Foreign) -> Finding:
    with_ = f"answered with {answer.status} and {answer.content_type or 'no content type'}"
    found = f"GET /v1/stream/poll was {f'sent on to {answer.location}' if answer.location else with_}."
    return flaw("reachable", "error", "Something else than Tidings answers", found, instead_of(answer))


def instead_of(answer: Foreign) -> str:
    if answer.location:
        return "Use the address that it leads to: browsers do not take a token along to another origin."
    if answer.status >= 500:
        return "A proxy says so itself: check that `tidings api` runs, and that the proxy has its right address."
    return "Check the address. A proxy must pass everything under /v1/ on to Tidings, with its path unchanged."


def silent(url: str, after_s: float) -> Finding:
    return flaw(
        "reachable",
        "error",
        "Nobody answers in time",
        f"{url} did not answer within {seconds(after_s)}.",
        "Check firewalls, and the load of `tidings api` and PostgreSQL (`tidings status`).",
    )


def away(url: str, words: str) -> Finding:
    return flaw(
        "reachable",
        "error",
        "Nobody answers",
        f"{url} cannot be reached: {words}.",
        "Check the address, its name in DNS, its certificate, and that the proxy and `tidings api` run.",
    )


def untrusted(url: str, words: str) -> Finding:
    return flaw(
        "certificate",
        "error",
        "The certificate is not trusted",
        f"{url} cannot be trusted: {words}.",
        "Serve a valid certificate for this name, with its whole chain (fullchain.pem). One of a private authority must be known to each "
        "browser.",
    )
