"""A receiver of webhooks that fails: a process of its own, which answers a share of the requests with 500 and checks all of them.

    LOAD_WEBHOOK_SECRET=whsec_… python -m loadtests.scenarios.receiver --port 8090 --fails 0.1

GET /figures tells what came, POST /forget begins anew. It cannot know what should have come: whoever published does.
"""

import asyncio
import random
import sys
from collections import Counter

import click
import msgspec
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from loadtests.scenarios.environment import Unset, needed
from loadtests.scenarios.webhooks import Counted


class Sent(msgspec.Struct):
    id: str


class Message(msgspec.Struct):
    data: Sent


class Receiver:
    """fails: the share of requests that is refused."""

    def __init__(self, secret: str, fails: float, seed: int = 1) -> None:
        self.webhook = Webhook(secret)
        self.fails = fails
        self.rng = random.Random(seed)
        self.settled: set[str] = set()
        self.notifications: set[str] = set()
        self.counts: Counter[str] = Counter()

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        """The status; what came is counted."""
        try:
            self.webhook.verify(body, headers)
        except WebhookVerificationError:
            self.counts["forged"] += 1
            return 401
        identity = headers["webhook-id"]
        if identity in self.settled:
            self.counts["repeated"] += 1
            return 204
        if self.rng.random() < self.fails:
            self.counts["refused"] += 1
            return 500
        self.settled.add(identity)
        self.notifications.add(msgspec.json.decode(body, type=Message).data.id)
        return 204

    def figures(self) -> Counted:
        return Counted(len(self.notifications), self.counts["repeated"], self.counts["refused"], self.counts["forged"])

    def forget(self) -> None:
        self.settled.clear()
        self.notifications.clear()
        self.counts.clear()


def application(receiver: Receiver) -> web.Application:
    async def hook(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return web.Response(status=receiver.answer(headers, await request.read()))

    async def figures(_: web.Request) -> web.Response:
        return web.json_response(body=msgspec.json.encode(receiver.figures()))

    async def forget(_: web.Request) -> web.Response:
        receiver.forget()
        return web.Response(status=204)

    app = web.Application()
    app.add_routes([web.post("/hook", hook), web.get("/figures", figures), web.post("/forget", forget)])
    return app


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=int, required=True)
@click.option("--fails", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="The share of requests to answer with 500.")
def main(host: str, port: int, fails: float) -> None:
    """Receive the webhooks of a load test, signed with the secret in LOAD_WEBHOOK_SECRET."""
    try:
        secret = needed("LOAD_WEBHOOK_SECRET")
    except (Unset, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    asyncio.run(serve(Receiver(secret, fails), host, port))


async def serve(receiver: Receiver, host: str, port: int) -> None:
    runner = web.AppRunner(application(receiver), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
