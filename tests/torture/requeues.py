"""Dead letters put through again while Beats ship and the server dies in the middle of it.

Half the documents of one kind are refused, become letters, and are taken once they are
requeued; at the end none may wait, and each event is stored once.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from functools import partial
from typing import Any

from tests.fakes.elasticsearch import GOOD, Reply
from tests.support.server_process import ServerProcess
from tests.support.waiting import until_told
from tests.torture.liar import Liar
from tests.torture.world import World

END_SECONDS = 60.0


async def requeue_under_fire(world: World) -> None:
    """Refuse, mend, requeue, kill -9 in the middle, and the same again."""
    poison = Liar(world.chance, ["poison among good"])
    # All write slots wait for an answer: the kill finds letters stored and not yet marked.
    slow = [Reply(delay_seconds=0.3)] * 4
    world.fake.always = poison
    async for _ in world.steps(4):
        world.fake.always = GOOD
        world.fake.script(*slow)
        await order(world.server)
        world.inject("requeue")
        await asyncio.sleep(world.chance.random() / 10)  # no race: any moment will do
        world.server.kill()
        world.inject("kill -9 of the server")
        await world.server.start()
        world.fake.always = poison
    await world.until_acked(1.0)
    world.fake.always = GOOD
    async with asyncio.timeout(END_SECONDS):
        while (await world.server.status())["dead_letters"]["waiting"]:
            await order(world.server)
            await until_told(partial(is_finished, world.server), seconds=END_SECONDS)
    world.notes["last requeue"] = (await progress(world.server)).get("tally")


async def is_finished(server: ServerProcess) -> bool:
    return bool((await progress(server))["finished"])


async def order(server: ServerProcess) -> None:
    """Ask for a requeue of everything; one that is under way already will do."""
    body = json.dumps({"choice": {"everything": True}, "seconds": 30}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.api_port}/dead-letters/requeue",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    try:
        await asyncio.to_thread(_answer_of, request)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 409:
            raise


async def progress(server: ServerProcess) -> dict[str, Any]:
    """How far the last order is."""
    url = f"http://127.0.0.1:{server.api_port}/dead-letters"
    found: dict[str, Any] = json.loads(await asyncio.to_thread(_answer_of, url))
    return found


def _answer_of(asked: urllib.request.Request | str) -> bytes:
    with urllib.request.urlopen(asked, timeout=10) as answer:
        body: bytes = answer.read()
        return body
