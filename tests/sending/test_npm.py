"""Webhooks are verified by the libraries that receivers install from npm, as they came over the wire."""

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from node import node_program
from running import Project
from webhook_receiver import Received, Receiver

from sending.conftest import Sending, endpoint

CLIENT = Path(__file__).parents[2] / "src" / "client"
LIBRARIES = ["standardwebhooks", "svix"]
VERIFY = """
import { text } from "node:stream/consumers";
const { Webhook } = await import(process.argv[1]);
const { secret, headers, body } = JSON.parse(await text(process.stdin));
try {
  console.log(JSON.stringify({ message: new Webhook(secret).verify(body, headers) }));
} catch (error) {
  console.log(JSON.stringify({ refused: error.message }));
}
"""


async def verified(library: str, secret: str, got: Received, body: str | None = None) -> Any:
    """What the library makes of it, in Node. body: in place of what came."""
    process = await asyncio.create_subprocess_exec(
        *(node_program(), "--input-type=module", "--eval", VERIFY, library), cwd=CLIENT, stdin=PIPE, stdout=PIPE
    )
    known = {"secret": secret, "headers": got.headers, "body": got.body.decode() if body is None else body}
    out, _ = await asyncio.wait_for(process.communicate(json.dumps(known).encode()), 60)
    return json.loads(out)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_webhook_verifies_in_node(sending: Sending, project: Project, receiver: Receiver, library: str) -> None:
    made = await endpoint(project, receiver)
    await project.publish("Grüße 🚀", ["alice"], body='"quoted"\n</script>')
    [got] = await receiver.until_got(1)
    assert await verified(library, made["secret"], got) == {"message": got.message}
    assert "signature" in (await verified(library, made["secret"], got, got.body.decode() + " "))["refused"].lower()


async def test_during_a_rotation_the_older_secret_verifies_too(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver)
    rotated = await project.call("POST", f"/v1/endpoints/{made['id']}/secret/rotate", {"overlap": 600})
    await project.publish("Hello", ["alice"])
    [got] = await receiver.until_got(1)
    for library, secret in zip(LIBRARIES * 2, [made["secret"]] * 2 + [rotated["secret"]] * 2, strict=True):
        assert await verified(library, secret, got) == {"message": got.message}
