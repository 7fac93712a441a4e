"""A ``logstash.conf`` as the rules for events: its files as they are, with what they are read with.

It is compiled where it is run, so that every process of a server runs the same text with the
same variables, whatever becomes of the file meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from ptingest.errors import ConfigInvalid, ConfigProblem
from ptingest.settings.strict import StrictSettings

SUFFIX = ".conf"
USUAL_GROUP = "pt"
"""The ``group`` that plain lines get, since the rules name none."""
_VARIABLE = re.compile(r"\$\{([a-zA-Z_.][a-zA-Z0-9_.]*)")


class LanguageSettings(StrictSettings):
    """How a ``logstash.conf`` is read: what Logstash has in ``logstash.yml``."""

    ecs_compatibility: Literal["disabled", "v1", "v8"] = "v8"
    """``pipeline.ecs_compatibility``: which fields filters and the Beats input use; ``v1`` means
    the same as ``v8``."""
    support_escapes: bool = False
    """``config.support_escapes``: whether strings may hold escapes such as a backslash and n."""


class ConfFile(StrictSettings):
    """One file of the config."""

    name: str
    """Its path, as messages show it."""
    text: str = Field(repr=False)
    """May hold passwords."""


class LogstashSettings(StrictSettings):
    """What ``profile: FILE.conf`` or a folder of them stands for."""

    files: tuple[ConfFile, ...]
    """Joined in this order."""
    folder: str
    """Relative paths in options count from here."""
    variables: dict[str, str] = Field(default_factory=dict, repr=False)
    """Values of the environment variables that the files name; those that are not set are
    missing."""
    ecs_compatibility: Literal["disabled", "v8"] = "v8"
    """Logstash's ``pipeline.ecs_compatibility``; ``v1`` means the same as ``v8``."""
    support_escapes: bool = False
    """Logstash's ``config.support_escapes``."""

    def group_of(self, service: str) -> str:  # noqa: ARG002 - as the profile's
        """Return the group of a service's lines where none is named."""
        return USUAL_GROUP


def is_logstash_config(path: Path) -> bool:
    """Whether the path names a ``*.conf``, or a folder of them."""
    return path.suffix == SUFFIX or path.is_dir()


def load_logstash(
    path: Path, environ: Mapping[str, str], language: LanguageSettings | None = None
) -> LogstashSettings:
    """Read the file, or the ``*.conf`` of the folder in order of name; nothing is parsed.

    Raises:
        ConfigInvalid: there is nothing to read, or it is not UTF-8.
    """
    paths = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not paths:
        cure = "name a file, or a folder that holds one"
        problem = ConfigProblem(file=str(path), path="", seen="the folder has no *.conf", cure=cure)
        raise ConfigInvalid((problem,))
    files = tuple(ConfFile(name=str(one), text=_read(one)) for one in paths)
    named = {name for one in files for name in _VARIABLE.findall(one.text)}
    language = language or LanguageSettings()
    return LogstashSettings(
        ecs_compatibility="disabled" if language.ecs_compatibility == "disabled" else "v8",
        support_escapes=language.support_escapes,
        files=files,
        folder=str(paths[0].absolute().parent),
        variables={name: environ[name] for name in sorted(named) if name in environ},
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        seen, cure = "is not UTF-8", "save it as UTF-8"
        problem = ConfigProblem(file=str(path), path="", seen=seen, cure=cure, line=line)
    except OSError as error:
        seen, cure = f"cannot be read: {error.strerror or error}", "correct the path or its rights"
        problem = ConfigProblem(file=str(path), path="", seen=seen, cure=cure)
    raise ConfigInvalid((problem,)) from None
