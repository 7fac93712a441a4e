"""Carries out the orders of a command: in the running server if there is one, else here; and says
what became of it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.api.client import ServerClient, error_in
from ptingest.cli.exit_codes import ExitCode
from ptingest.errors import DataDirLocked, JobRefused, ServerUnreachable

if TYPE_CHECKING:
    from ptingest.model.letters import Order
    from ptingest.settings.api import ApiSettings
    from ptingest.settings.server import ServerSettings


FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0
ANSWER_SECONDS = 15.0

Progress = dict[str, Any]


def run_order(settings: ServerSettings, order: Order, *, api: ApiSettings) -> Progress:
    """Carry an order out, here or in the running server at ``api``; return its progress at the
    end.

    Raises:
        PtingestError: it could not begin, or its end was not seen; the text says which.
    """
    from ptingest.server.process.lock import OWNER_ALONE, DataDirLock

    os.umask(OWNER_ALONE)  # as the server's, in whose folder this writes
    data_dir = Path(settings.data_dir)
    if not (data_dir / "lock").exists():
        _refuse_stranger(data_dir, me=os.geteuid())
    lock = DataDirLock(data_dir)
    try:
        lock.acquire()
    except DataDirLocked:
        return _through_server(settings, order, api)
    try:
        _refuse_stranger(data_dir, me=os.geteuid())
        return _here(settings, order)
    finally:
        lock.release()


def _refuse_stranger(data_dir: Path, *, me: int) -> None:
    for directory in (data_dir / "dead_letters", data_dir):
        if directory.exists():
            refuse_stranger(directory, me=me)
            return


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
    from ptingest.server.offline import run_offline
    from ptingest.server.offline_requeue import carry_out
    from ptingest.server.process.clock import SystemClock

    if order.what == "requeue" and not settings.writes_to_sinks:
        raise JobRefused(why="the letters of role receive go through its buffer: start the server")
    profile = read_profile(settings, os.environ)
    return run_offline(carry_out(settings, profile, order, clock=SystemClock()))


# --- through the running server -----------------------------------------------------------


def _through_server(settings: ServerSettings, order: Order, api: ApiSettings) -> Progress:
    import msgspec

    client = ServerClient(api, seconds=ANSWER_SECONDS)
    asked = msgspec.to_builtins(order)
    where = {"dead_letters": "dead-letters", "failures": "failures"}[order.of]
    asked = {name: value for name, value in asked.items() if name not in ("what", "of")}
    asked["pid"] = _pid_of_server(Path(settings.data_dir))
    begun = _request(client, "POST", f"/{where}/{order.what}", asked)
    progress, wait = begun, FIRST_LOOK_SECONDS
    while not progress["finished"]:
        time.sleep(wait)
        wait = min(LONGEST_LOOK_SECONDS, wait * 1.5)
        progress = _request(client, "GET", "/dead-letters", None)
        if (progress["number"], progress["what"]) != (begun["number"], begun["what"]):
            raise _unreachable("it was restarted in the meantime")
    return progress


def _pid_of_server(data_dir: Path) -> int | None:
    text = (data_dir / "lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None


def _request(client: ServerClient, method: str, path: str, body: object) -> Progress:
    try:
        with client:
            status, said = client.fetch(method, path, body)
        if status == 409:
            raise JobRefused(why=_without_advice(error_in(said)))
        if status not in (200, 202):
            raise ServerUnreachable(cause=f"{client.where} answers {status}: {error_in(said)}")
        progress: Progress = client.as_json(said)
    except ServerUnreachable as error:
        raise _unreachable(str(error)) from error
    return progress


def _without_advice(text: str) -> str:
    return text.removesuffix(f"; {JobRefused.ADVICE}")


def _unreachable(cause: str) -> ServerUnreachable:
    return ServerUnreachable(
        cause=f"data_dir is in use by a server, but {cause} (api.listen). Letters not settled "
        "stay; repeating it stores nothing twice",
    )


# --- the summary at the end --------------------------------------------------------------

_WORDS = {
    "stored": "stored",
    "already_stored": "already stored",
    "failure_stored": "in the failure store",
    "buffered": "appended to the buffer",
    "dead_lettered": "dead-lettered again",
    "dropped": "dropped by a rule",
}


_WORDS_OF_FAILURES = {
    **_WORDS,
    "failure_stored": "in the failure store again",
    "dead_lettered": "dead-lettered",
}


def sentence(progress: Progress) -> str:
    """Say in one line what became of the letters, or of the failure documents."""
    tally = progress["tally"]
    if not tally["chosen"] and not tally["left_because"] and not progress["failed"]:
        return NO_FAILURE_FITS if progress.get("of") == "failures" else NOTHING_FITS
    if progress["what"] == "purge":
        said = f"{tally['purged']} purged"
    else:
        words = _WORDS if progress.get("of") != "failures" else _WORDS_OF_FAILURES
        parts = [f"{tally[name]} {said}" for name, said in words.items() if tally.get(name)]
        said = f"{tally['chosen']} requeued: {', '.join(parts) or 'none settled'}"
    if tally["left"]:
        said += f"; {tally['left']} left unchanged ({tally['left_because']})"
    elif tally["left_because"]:
        said += f"; not all were reached ({tally['left_because']})"
    if tally.get("deleted"):
        said += f"; {tally['deleted']} failure documents deleted"
    if tally.get("kept_because"):
        said += f"; not deleted from the failure stores ({tally['kept_because']})"
    if progress["failed"]:
        said += f"; ended early: {progress['failed']}"
    return said


def exit_code(progress: Progress) -> ExitCode:
    """5 when an event is still a dead letter or in a failure store, 1 when none was chosen."""
    tally = progress["tally"]
    if progress["failed"]:
        return ExitCode.FAILED
    if tally["left_because"] or tally["dead_lettered"] or tally.get("kept_because"):
        return ExitCode.NOT_ALL_DELIVERED
    if progress.get("of") == "failures" and tally["failure_stored"]:
        return ExitCode.NOT_ALL_DELIVERED
    if not tally["chosen"]:
        return ExitCode.FAILED
    return ExitCode.DONE


NOTHING_FITS = "no waiting dead letter matches these options: nothing was done"
NO_FAILURE_FITS = "no failure document matches these options: nothing was done"
