"""Variables and files in config values: ``${VAR}``, ``${VAR:default}``, ``${file:PATH}``.

The syntax is Logstash's, with files for secrets added. It runs after parsing and on text values
only, so the content of a variable stays one value and cannot add keys. Inserted text is not
interpolated again. ``$${`` is a plain ``${``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptingest.settings.parse import ParsedYaml, Place

MAX_SECRET_BYTES = 64 << 10

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)(?P<end>\}?)")
_BODY = re.compile(r"(?P<name>[a-zA-Z_.][a-zA-Z0-9_.]*)(?::(?P<default>.*))?\Z", re.DOTALL)


@dataclass(slots=True)
class Interpolated:
    """The values after interpolation, and the origin of the inserted text.

    ``sources`` has the text as written for every value that was changed, so that a message can
    name the variable; ``failed`` are places whose problem is reported already; ``taken`` is all
    text that came from outside the file.
    """

    root: Any
    sources: dict[Place, str] = field(default_factory=dict)
    failed: set[Place] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)


class _Missing(Exception):
    """A reference that cannot be resolved; leaves this module as a ConfigProblem."""

    def __init__(self, seen: str, cure: str) -> None:
        self.seen, self.cure = seen, cure
        super().__init__(seen, cure)


def interpolate(parsed: ParsedYaml, environ: Mapping[str, str], *, folder: Path) -> Interpolated:
    """Return the values of ``parsed`` with variables and files inserted.

    A reference that cannot be resolved is appended to ``parsed.problems``; the value then stays
    as written and its place is in ``failed``. Relative files count from ``folder``.
    """
    result = Interpolated(None)

    def put_in(match: re.Match[str]) -> str:
        if match["body"] is None:
            return "${"
        if not match["end"]:
            raise _Missing("has `${` without `}`", "close it, or write `$${` for a plain `${`")
        text = _look_up(match["body"], environ, folder)
        result.taken.add(text)
        return text

    def walk(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*place, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            changed = _REFERENCE.sub(put_in, value)
        except _Missing as error:
            parsed.problems.append(parsed.problem(place, error.seen, error.cure))
            result.failed.add(place)
            return value
        result.sources[place] = value
        return changed

    result.root = walk(parsed.root, ())
    return result


def _look_up(body: str, environ: Mapping[str, str], folder: Path) -> str:
    match = _BODY.match(body)
    if match is None:
        raise _Missing(
            f"has `${{{body}}}`, which names no variable",
            "write ${NAME}, ${NAME:default} or ${file:PATH}; `$${` stands for a plain `${`",
        )
    name, default = match["name"], match["default"]
    if name == "file" and default is not None:
        return _read_secret(folder / default)
    if name in environ:
        return environ[name]
    if default is not None:
        return default
    raise _Missing(
        f"needs the variable {name}, which is not set",
        f"set {name} in the environment, or write ${{{name}:default}}",
    )


def _read_secret(path: Path) -> str:
    try:
        # A pipe or device might block or never end.
        if path.exists() and not path.is_file():
            raise _Missing(f"needs the file {path}, which is not a regular file", "give a file")
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _Missing(
            f"needs the file {path}, which cannot be read: {reason}",
            "create it, or make it readable for this user",
        ) from error
    if len(data) > MAX_SECRET_BYTES:
        raise _Missing(
            f"needs the file {path}, which is larger than {MAX_SECRET_BYTES} bytes",
            "give a file that holds one value",
        )
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise _Missing(f"needs the file {path}, which is not UTF-8", "save it as UTF-8") from error
