"""Credentials come out nowhere but at the far end that they are for: a canary for each is planted, used, and looked for everywhere.

Where one is meant to be shown: an endpoint's signing secret in the answers that make it, and in that of GET …/secret.
"""

import asyncio
import base64
import json
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes.test_command_line import tidings_command
from running import Servers, until

from vault.far_ends import FarEnd, far_ends
from vault.house import House, house
from vault.planted import Canaries, forms_of, planted

ALICE = {"email": "alice@example.com", "phone": "+4915112345678", "name": "Alice"}
CHANNELS = ["in_app", "email", "sms", "push", "chat"]
ANALYTICS = ("segment", "posthog", "mixpanel", "google_analytics", "stripe_meter")
# What a connector takes in place of what its example has.
OTHERWISE: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "twilio": ({"api_key": "SK" + "0" * 32}, ("api_secret",)),
    "mixpanel": ({"username": "tidings.0a1b2c.mp-service-account"}, ("secret",)),
    "ses": ({"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, ("secret_access_key", "session_token")),
}
MORE_CONFIG = {"mixpanel": {"project_id": "1234567"}}


@dataclass
class Planted:
    """What was made of the canaries. integrations: by connector; `others` are of OTHERWISE."""

    canaries: Canaries
    endpoint: str = ""
    integrations: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [f"/v1/endpoints/{self.endpoint}", *(f"/v1/integrations/{key}" for key in (*self.integrations.values(), *self.others))]


def test_a_canary_is_found_however_it_is_written() -> None:
    secret = b"canary/7+x=Qz9"
    writings = [secret, secret.hex().encode(), secret.hex().upper().encode(), b"canary%2F7%2Bx%3DQz9"]
    writings += [encode(b"x" * before + secret + b"yz") for before in range(4) for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    for written in writings:
        assert any(form in b"before " + written + b" behind" for form in forms_of(secret)), written
    canaries = Canaries()
    canaries.secrets["one"] = secret
    assert canaries.found_in_dump(b"1\t\\\\x" + base64.b64encode(b"." + secret).hex().encode() + b"\t2\n") == ["one"]
    assert canaries.found_in_dump(b"1\tcanary\n") == []


async def test_no_credential_comes_out(servers: Servers, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ends = await stack.enter_async_context(far_ends())
        home = await stack.enter_async_context(house(servers, tmp_path, ends))
        made = await plant(home, ends)
        await use(home, made, ends)
        await look(home, made)
        await refuse(home, made, ends)
        said = await command(home, made, tmp_path)
        await hang_up(home, made, ends)
        dump, redis = await home.database(), await home.redis()
    logs = home.logs()

    for name, end in ends.items():
        if name in ("ses", "webhook"):
            # Those sign with it.
            continue
        assert made.canaries.found_in(b"\n".join(end.got)), f"the canary of {name} did not even come to its far end"
    assert b"alice@example.com" in dump and made.endpoint.encode() in dump and b"COPY public.destinations" in dump
    own = [log for name, log in logs.items() if str(tmp_path) in name]
    assert len(own) == 7 and {log.startswith(b"{") for log in own} == {True, False}, "each process says something, as JSON or as text"
    places = {**home.heard, **said, **{f"log {name}": log for name, log in logs.items()}, "Redis at the end": redis}
    leaks = {place: found for place, text in places.items() if (found := made.canaries.found_in(text))}
    if found := made.canaries.found_in_dump(dump):
        leaks["PostgreSQL"] = found
    assert leaks == {}


async def plant(home: House, ends: dict[str, FarEnd]) -> Planted:
    """One of each kind, twice with the same Idempotency-Key: what is repeated is kept somewhere."""
    made = Planted(canaries := Canaries())
    await home.ask("PUT", "/v1/subscribers/alice", ALICE)
    own = canaries.signing("an endpoint's secret", "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    headers = {
        "Authorization": f"Bearer {canaries.new('an own header, a token')}",
        "X-Api-Key": f"k/{canaries.new('an own header')} & more",
    }
    wanted = {"url": ends["webhook"].url + "/hook", "events": ["notification.created"], "secret": own, "headers": headers, "schedule": []}
    endpoint = await home.ask("POST", "/v1/endpoints", wanted, kept=False, once="endpoint")
    assert endpoint["secret"] == own and "canary" not in json.dumps(endpoint)
    assert "secret" not in await home.ask("POST", "/v1/endpoints", wanted, once="endpoint")
    made.endpoint = endpoint["id"]
    rotated = await home.ask("POST", f"/v1/endpoints/{made.endpoint}/secret/rotate", {}, kept=False, once="rotation")
    canaries.signing("a secret that was made here", rotated["secret"])
    await home.ask("POST", f"/v1/endpoints/{made.endpoint}/secret/rotate", {}, once="rotation")
    assert len((await home.ask("GET", f"/v1/endpoints/{made.endpoint}/secret", kept=False))["keys"]) == 2
    for name, end in ends.items():
        if name != "webhook":
            credentials = planted(end.example.credentials, canaries.new(name))
            made.integrations[name] = await integrate(home, name, end.example.config, credentials)
    for name, (given, wanted_of) in OTHERWISE.items():
        credentials = given | {member: canaries.new(f"{name}'s {member}") for member in wanted_of}
        made.others.append(await integrate(home, name, {**ends[name].example.config, **MORE_CONFIG.get(name, {})}, credentials))
    for kind in ("stripe", "github", "standard_webhooks"):
        secret = canaries.new(f"{kind}'s secret") if kind == "github" else canaries.signing(kind, "whsec_" + random_base64())
        body = {"kind": kind, "name": kind, "secret": secret}
        for _ in range(2):
            source = await home.ask("POST", "/v1/sources", body, once=kind)
        made.sources.append(source["id"])
        newer = canaries.new("github, newer") if kind == "github" else canaries.signing(f"{kind}, newer", "whsec_" + random_base64())
        await home.ask("POST", f"/v1/sources/{source['id']}/secret/rotate", {"secret": newer})
    return made


def random_base64() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


async def integrate(home: House, connector: str, config: Any, credentials: Any) -> str:
    body = {"connector": connector, "config": dict(config), "credentials": credentials, "schedule": []}
    if connector in ANALYTICS:
        body["events"] = ["notification.created"]
    once = f"{connector} {sorted(credentials)}"
    first, again = [await home.ask("POST", "/v1/integrations", body, once=once) for _ in range(2)]
    assert first == again
    return str(first["id"])


async def use(home: House, made: Planted, ends: dict[str, FarEnd]) -> None:
    """Try each and deliver by each, to far ends that take it, and to far ends that refuse it and repeat what it came with."""
    for repeats in (False, True):
        for end in ends.values():
            end.repeats = repeats
        await asyncio.gather(*(home.ask("POST", f"{path}/test", {"subscriber": "alice"}) for path in made.paths))
        await publish(home)
        await home.settled()
        # Of several for mail the oldest is used.
        await home.ask("POST", f"/v1/integrations/{made.integrations['smtp']}/{'enable' if repeats else 'disable'}", {})
    states = {item["state"] for item in await home.settled()}
    assert {"delivered", "dead"} <= states
    # Queued, and with no worker to take it.
    for worker in home.workers:
        worker.stop()
    await home.ask("POST", f"/v1/integrations/{made.integrations['smtp']}/disable", {})
    await publish(home)

    async def queued() -> bytes:
        held = await home.redis()
        return held if b"tidings:deliveries" in held else b""

    home.heard["Redis with jobs"] = await until(queued, 20, "jobs are queued")
    for worker in home.workers:
        worker.go_on()
    await home.settled()


async def publish(home: House) -> str:
    answer = await home.ask("POST", "/v1/notifications", {"to": ["alice"], "title": "Hello", "body": "It works", "channels": CHANNELS})
    return str(answer["id"])


async def look(home: House, made: Planted) -> None:
    """At all that there is to be seen of it."""
    for path in made.paths:
        await home.ask("GET", path)
        await home.ask("PATCH", path, {"description": "changed"})
    lists = ("endpoints", "integrations", "connectors", "sources", "deliveries", "replays", "service-levels", "events?after=0&limit=1000")
    for what in lists:
        await home.ask("GET", f"/v1/{what}")
    for source in made.sources:
        await home.ask("GET", f"/v1/sources/{source}")
        await home.ask("POST", f"/v1/inbound/{source}", {"id": "evt_1", "type": "x"}, refused=True)
        await home.ask("GET", f"/v1/sources/{source}/events")
    deliveries = (await home.ask("GET", "/v1/deliveries?limit=1000"))["items"]
    for delivery in deliveries:
        await home.ask("GET", f"/v1/deliveries/{delivery['id']}")
        await home.ask("GET", f"/v1/deliveries/{delivery['id']}/attempts")
    for notification in {item["notification"] for item in deliveries if item["notification"]}:
        await home.ask("GET", f"/v1/notifications/{notification}")
        await home.ask("GET", f"/v1/notifications/{notification}/explain?subscriber=alice")
    dead = [item["id"] for item in deliveries if item["state"] == "dead"]
    await home.ask("POST", f"/v1/deliveries/{dead[0]}/resend", {})
    since = min(item["accepted_at"] for item in deliveries)
    begun = await home.ask("POST", "/v1/deliveries/replay", {"endpoint": made.endpoint, "since": since, "state": "dead"})

    async def done() -> bool:
        return bool((await home.ask("GET", f"/v1/replays/{begun['id']}"))["state"] == "done")

    await until(done, 60, "the replay is done")
    await home.settled()
    for path in ("/metrics", "/metrics", "/health/ready", "/openapi.json", "/docs"):
        await home.ask("GET", path)
    for url in home.figures:
        home.heard[url] = await home.fetch(url)


async def refuse(home: House, made: Planted, ends: dict[str, FarEnd]) -> None:
    """What is wrong is named, and never repeated."""
    wrong = made.canaries.new("what was refused")
    hook = {"url": "https://hooks.example.com/x", "events": ["notification.created"]}
    slack = "https://hooks.slack.com/services/T0/B0/" + wrong

    def of(connector: str, credentials: Any) -> tuple[str, Any]:
        return "integrations", {"connector": connector, "config": dict(ends[connector].example.config), "credentials": credentials}

    refused: list[tuple[str, Any]] = [
        ("endpoints", hook | {"secret": f"whsec_{wrong}"}),
        ("endpoints", hook | {"secret": f"whsec_{wrong * 3}a"}),
        ("endpoints", hook | {"secret": [wrong]}),
        ("endpoints", hook | {"headers": {"X-Key": f"{wrong}\n"}}),
        ("endpoints", hook | {"headers": {"Host": wrong}}),
        ("endpoints", hook | {"headers": {"X-Key": [wrong]}}),
        ("endpoints", hook | {"headers": {"X-Key": wrong, "x-key": wrong}}),
        ("integrations", {"connector": "nothing", "credentials": {"url": wrong}}),
        of("slack", {"url": slack.replace("slack.com", "example.com")}),
        of("slack", {"url": slack.replace("//", f"//me:{wrong}@")}),
        of("slack", {"url": slack + "\u0000"}),
        of("slack", {"url": f"https://10.0.0.1/services/{wrong}"}),
        of("slack", {"uri": slack}),
        of("slack", [slack]),
        of("discord", {"url": f"https://discord.com/{wrong}"}),
        of("teams", {"url": f"https://x.webhook.office.com/{wrong}"}),
        of("smtp", {"password": wrong}),
        of("posthog", {"api_key": f"phx_{wrong}"}),
        of("stripe_meter", {"key": f"sk_live_{wrong}"}),
        of("segment", {"write_key": f"{wrong}:"}),
        of("twilio", {"auth_token": {"is": wrong}}),
        of("mixpanel", {"token": wrong, "secret": wrong}),
        of("apprise", {"url": wrong}),
        ("sources", {"kind": "stripe", "name": "x", "secret": wrong}),
        ("sources", {"kind": "standard_webhooks", "name": "x", "secret": f"whsec_{wrong}!"}),
        ("sources", {"kind": "github", "name": "x", "secret": f"{wrong}\n"}),
        ("integrations", f'{{"connector": "slack", "credentials": {{"url": "{slack}'.encode()),
        ("integrations", f'{{"connector": "slack", "credentials": {{"url": "{slack}\udcff"}}'.encode(errors="surrogateescape")),
    ]
    for what, body in refused:
        await home.ask("POST", f"/v1/{what}", body, refused=True)
    for name in ("slack", "smtp", "twilio"):
        await home.ask("PATCH", f"/v1/integrations/{made.integrations[name]}", {"credentials": {"url": slack, "x": wrong}}, refused=True)
    await home.ask("POST", f"/v1/endpoints/{made.endpoint}/secret/rotate", {"secret": f"whsec_{wrong}"}, refused=True)


async def command(home: House, made: Planted, folder: Path) -> dict[str, bytes]:
    """What the command line prints, by what was asked."""
    access = {"TIDINGS_API_KEY": home.project.api_key, "TIDINGS_PUBLIC_URL": home.project.base_url}
    delivery = (await home.settled())[0]["id"]
    broken = folder / "credentials.json"
    broken.write_text(f'{{"url": "{made.canaries.new("what the command line could not read")}')
    asked = [
        *(("endpoints", "list"), ("endpoints", "show", made.endpoint), ("integrations", "list")),
        *(("integrations", "show", key) for key in list(made.integrations.values())[:1]),
        *(("deliveries", "list"), ("deliveries", "show", delivery)),
        ("integrations", "create", "slack", "--credentials", str(broken)),
    ]
    answers = await asyncio.gather(*(tidings_command(*arguments, "--json", **access) for arguments in asked))
    assert [code for code, _, _ in answers] == [0] * 6 + [2]
    return {"tidings " + " ".join(one): (out + err).encode() for one, (_, out, err) in zip(asked, answers, strict=True)}


async def hang_up(home: House, made: Planted, ends: dict[str, FarEnd]) -> None:
    """Connections that end as soon as they are made, which libraries tell in their own words."""
    for end in ends.values():
        end.hangs_up = True
    await asyncio.gather(*(home.ask("POST", f"{path}/test", {"subscriber": "alice"}) for path in made.paths))
    await publish(home)
    failed = await home.settled()
    assert len({item["state"] for item in failed}) > 1
    for delivery in failed:
        await home.ask("GET", f"/v1/deliveries/{delivery['id']}/attempts")
