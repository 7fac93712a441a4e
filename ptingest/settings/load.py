"""A config file to validated settings, or to a list of everything that is wrong with it.

    text --parse--> values with lines --interpolate--> values --pydantic--> settings

All problems of a file are reported together, each with file, line, place, the value, the
allowed values and the cure. The environment is an argument; nothing here reads it, or logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from ptingest.errors import ConfigInvalid, ConfigProblem
from ptingest.settings.explain import explain, explain_booleans
from ptingest.settings.interpolate import interpolate
from ptingest.settings.parse import parse, read_text

if TYPE_CHECKING:
    from ptingest.settings.kafka import KafkaConnectionSettings
    from ptingest.settings.logstash import LanguageSettings
    from ptingest.settings.profile import ProfileSettings
    from ptingest.settings.profiles import Profile
    from ptingest.settings.server import ServerSettings
    from ptingest.settings.sinks import SinksSettings

Model = TypeVar("Model", bound=BaseModel)


def load_server(path: Path | None, environ: Mapping[str, str]) -> ServerSettings:
    """Return the settings in the file, or the defaults without one.

    Paths in the result are absolute: they count from the config file's folder, without a file
    from the current one.

    Raises:
        ConfigInvalid: with one problem for each fault; nothing was started.
    """
    from ptingest.settings.server import ServerSettings

    if path is None:
        return resolved(ServerSettings(), Path.cwd())
    settings = _load(path, environ, ServerSettings)
    if seen := settings.api.guessable_token:
        cure = "take at least 16 (openssl rand -hex 32), or listen on 127.0.0.1"
        problem = ConfigProblem(file=str(path), path="api.token", seen=seen, cure=cure)
        raise ConfigInvalid((problem,))
    return resolved(settings, path.absolute().parent)


def load_profile(path: Path, environ: Mapping[str, str]) -> ProfileSettings:
    """Return the profile (patterns, categories, routing) in the file.

    Raises:
        ConfigInvalid: as `load_server`.
    """
    from ptingest.settings.profile import ProfileSettings

    return _load(path, environ, ProfileSettings)


def load_rules(
    path: Path, environ: Mapping[str, str], language: LanguageSettings | None = None
) -> Profile:
    """Return the rules that ``profile`` names: a profile in YAML, or a ``logstash.conf`` as it is,
    read as ``language`` says.

    Raises:
        ConfigInvalid: as `load_server`; a ``logstash.conf`` is only read, compiling it finds
            what is wrong in it.
    """
    from ptingest.settings.logstash import is_logstash_config, load_logstash

    if is_logstash_config(path):
        return load_logstash(path, environ, language)
    return load_profile(path, environ)


def _load(path: Path, environ: Mapping[str, str], model: type[Model]) -> Model:
    file = str(path)
    parsed = parse(read_text(path, shown=file), file=file)
    if parsed.root is None:
        parsed.root = {}
    if not isinstance(parsed.root, dict):
        problem = parsed.problem((), "does not hold keys and values", "write `name: value` lines")
        raise ConfigInvalid((problem,))
    values = interpolate(parsed, environ, folder=path.absolute().parent)
    problems = parsed.problems + explain_booleans(model=model, parsed=parsed, values=values)
    try:
        settings = model.model_validate(values.root)
    except ValidationError as error:
        problems += explain(error, model=model, parsed=parsed, values=values)
    if problems:
        # Not chained: pydantic's own message would print the values, secrets included.
        raise ConfigInvalid(tuple(sorted(problems, key=_line))) from None
    return settings


def _line(problem: ConfigProblem) -> int:
    return problem.line or 0


def resolved(settings: ServerSettings, folder: Path) -> ServerSettings:
    """Return the settings with paths that count from ``folder``."""
    changed: dict[str, object] = {"data_dir": str(folder / settings.data_dir)}
    if settings.profile is not None:
        changed["profile"] = str(folder / settings.profile)
    if settings.beats.tls is not None:
        tls = _with_paths(settings.beats.tls, folder, "certificate", "key", "client_ca")
        changed["beats"] = settings.beats.model_copy(update={"tls": tls})
    if settings.api.tls is not None:
        tls = _with_paths(settings.api.tls, folder, "certificate", "key")
        changed["api"] = settings.api.model_copy(update={"tls": tls})
    if settings.kafka is not None:
        changed["kafka"] = _resolved_kafka(settings.kafka, folder)
    if settings.buffer is not None:
        kafka = _resolved_kafka(settings.buffer.kafka, folder)
        changed["buffer"] = settings.buffer.model_copy(update={"kafka": kafka})
    changed["sinks"] = _resolved_sinks(settings.sinks, folder)
    return settings.model_copy(update=changed)


def _resolved_kafka(kafka: KafkaConnectionSettings, folder: Path) -> BaseModel:
    if kafka.tls is None:
        return kafka
    tls = _with_paths(kafka.tls, folder, "ca_file", "certificate", "key")
    return kafka.model_copy(update={"tls": tls})


def _resolved_sinks(sinks: SinksSettings, folder: Path) -> SinksSettings:
    names = ("ca_file", "certificate", "key")
    changed: dict[str, object] = {}
    if sinks.elasticsearch is not None:
        changed["elasticsearch"] = _with_paths(sinks.elasticsearch, folder, *names)
    if sinks.clusters:
        changed["clusters"] = {
            name: _with_paths(one, folder, *names) for name, one in sinks.clusters.items()
        }
    if sinks.kafka is not None:
        changed["kafka"] = _resolved_kafka(sinks.kafka, folder)
    return sinks.model_copy(update=changed) if changed else sinks


def _with_paths(section: BaseModel, folder: Path, *names: str) -> BaseModel:
    """The section with its paths counted from ``folder``."""
    paths = {name: getattr(section, name) for name in names}
    absolute = {name: str(folder / path) for name, path in paths.items() if path is not None}
    return section.model_copy(update=absolute)
