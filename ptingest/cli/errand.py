"""How a requeue or purge is carried out: by the running server, else here, under its lock.

data_dir locked  -> the order goes to api.listen; we ask how far it is until it is done
not locked       -> we take the lock, build the parts and do it ourselves
"""

from __future__ import annotations

import asyncio
import http.client
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.api.client import read_whole, redirected
from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.probe import connect, where_to_ask
from ptingest.errors import DataDirLocked, ErrandRefused, PtingestError, SinkUnavailable

if TYPE_CHECKING:
    from ptingest.model.letters import Order
    from ptingest.settings.server import ServerSettings

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0
ANSWER_SECONDS = 15.0

Progress = dict[str, Any]


def run_order(settings: ServerSettings, order: Order, *, address: str | None) -> Progress:
    """Carry an order out, here or in the running server, and return its progress at the end.

    Raises:
        PtingestError: it could not be begun, or its end could not be seen; says which.
    """
    from ptingest.server.process.lock import OWNER_ALONE, DataDirLock

    os.umask(OWNER_ALONE)  # as the server's, in whose folder this writes
    data_dir = Path(settings.data_dir)
    if not (data_dir / "lock").exists():
        refuse_stranger(data_dir / "dead_letters", me=os.geteuid())
    lock = DataDirLock(data_dir)
    try:
        lock.acquire()
    except DataDirLocked:
        return _through_server(settings, order, address or settings.api.listen)
    try:
        refuse_stranger(data_dir / "dead_letters", me=os.geteuid())
        return _here(settings, order)
    finally:
        lock.release()


def refuse_stranger(directory: Path, *, me: int) -> None:
    """Files of another user in there would stop the server that owns the folder."""
    owner = directory.stat().st_uid
    if owner != me:
        raise click.ClickException(
            f"{directory} belongs to user id {owner}, this is {me}; "
            "run this as the user the server runs as, or while the server runs"
        )


def _here(settings: ServerSettings, order: Order) -> Progress:
    from ptingest.server.assembly import read_profile
    from ptingest.server.offline_requeue import carry_out
    from ptingest.server.process.clock import SystemClock

    profile = read_profile(settings, os.environ)
    try:
        return asyncio.run(carry_out(settings, profile, order, clock=SystemClock()))
    except BaseExceptionGroup as group:
        ours, others = group.split(PtingestError)
        if others is not None or ours is None:
            raise
        raise ours.exceptions[0] from None


# --- through the running server -----------------------------------------------------------


def _through_server(settings: ServerSettings, order: Order, address: str) -> Progress:
    import msgspec

    where = where_to_ask(address)
    asked = msgspec.to_builtins(order)
    asked.pop("what")
    asked["pid"] = _pid_of_server(Path(settings.data_dir))
    begun = _request(settings, where, "POST", f"/dead-letters/{order.what}", asked)
    progress, wait = begun, FIRST_LOOK_SECONDS
    while not progress["finished"]:
        time.sleep(wait)
        wait = min(LONGEST_LOOK_SECONDS, wait * 1.5)
        progress = _request(settings, where, "GET", "/dead-letters", None)
        if (progress["number"], progress["what"]) != (begun["number"], begun["what"]):
            raise _unreachable(where, "it was restarted meanwhile")
    return progress


def _pid_of_server(data_dir: Path) -> int | None:
    text = (data_dir / "lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None


def _request(
    settings: ServerSettings, where: tuple[str, int], method: str, path: str, body: object
) -> Progress:
    import orjson

    token = settings.api.token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    data = None
    if body is not None:
        headers["Content-Type"], data = "application/json", orjson.dumps(body)
    connection = connect(*where, ANSWER_SECONDS, is_tls=settings.api.tls is not None)
    try:
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        status, said = answer.status, read_whole(answer)
        elsewhere = redirected(answer, connection, path)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(where, str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if elsewhere is not None:
        raise _unreachable(where, elsewhere)
    try:
        found = orjson.loads(said)
    except orjson.JSONDecodeError:
        found = {"error": said.decode("utf-8", "replace").strip()}
    if status == 409:
        raise ErrandRefused(why=_without_advice(str(found["error"])))
    if status not in (200, 202):
        raise _unreachable(where, f"{status}: {found.get('error', '')}")
    progress: Progress = found
    return progress


def _without_advice(text: str) -> str:
    return text.removesuffix("; nothing was begun, try again later")


def _unreachable(where: tuple[str, int], cause: str) -> SinkUnavailable:
    return SinkUnavailable(
        sink="server",
        cause=f"data_dir is in use by a server, and at {where[0]}:{where[1]} (api.listen) the "
        f"answer was: {cause}. Letters not settled stay; doing it again doubles nothing",
    )


# --- what is said at the end --------------------------------------------------------------

_WORDS = {
    "stored": "stored",
    "already_stored": "already stored",
    "failure_stored": "in the failure store",
    "dead_lettered": "dead-lettered again",
    "dropped": "dropped by a rule",
}


def sentence(progress: Progress) -> str:
    """Say in one line what became of the letters."""
    tally = progress["tally"]
    if not tally["chosen"] and not tally["left_because"] and not progress["failed"]:
        return "no dead letter that waits fits these options: nothing was done"
    if progress["what"] == "purge":
        said = f"{tally['purged']} purged"
    else:
        parts = [f"{tally[name]} {words}" for name, words in _WORDS.items() if tally[name]]
        said = f"{tally['chosen']} requeued: {', '.join(parts) or 'none settled'}"
    if tally["left"]:
        said += f"; {tally['left']} left as they were ({tally['left_because']})"
    elif tally["left_because"]:
        said += f"; not all were reached ({tally['left_because']})"
    if progress["failed"]:
        said += f"; ended early: {progress['failed']}"
    return said


def exit_code(progress: Progress) -> ExitCode:
    """5 when an event is still a dead letter that was not to be one, 1 when none was chosen."""
    tally = progress["tally"]
    if progress["failed"]:
        return ExitCode.FAILED
    if tally["left_because"] or tally["dead_lettered"]:
        return ExitCode.NOT_ALL_DELIVERED
    if not tally["chosen"]:
        return ExitCode.FAILED
    return ExitCode.DONE
