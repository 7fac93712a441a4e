"""What becomes of a Logstash installation: a ``ptingest.yaml`` for each pipeline, and a report.

    *.conf, pipelines.yml, logstash.yml --> Migration: values of a ptingest.yaml, rows of a report

Every plugin, option and setting has a row: exact, different (and how), or refused. The configs
stay as they are: ``profile`` names a copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.logstash.judgement import Judgement, OptionRow, rows_of
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import join_configs, parse
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.pipeline.logstash.tree import Config
from ptingest.server.logstash_settings import server_values
from ptingest.settings.logstash import LanguageSettings, LogstashSettings, load_logstash

_VARIABLE = re.compile(r"\$\{([a-zA-Z_.][a-zA-Z0-9_.]*)(?::[^}]*)?\}")
_FILES = frozenset({"certificate", "key", "client_ca", "ca_file"})


@dataclass(slots=True)
class Row:
    """What becomes of one thing that the installation says."""

    place: str
    name: str
    judgement: Judgement
    how: str = ""


@dataclass(slots=True)
class Migration:
    """One pipeline as a server of ptingest."""

    name: str
    """``main``, or the pipeline's id in ``pipelines.yml``."""
    values: dict[str, Any]
    """Of the ``ptingest.yaml``; variables stay as they are written."""
    configs: LogstashSettings
    rows: list[Row] = field(default_factory=list)

    @property
    def worst(self) -> Judgement:
        """The judgement that decides."""
        found = {row.judgement for row in self.rows}
        return "refused" if "refused" in found else "different" if "different" in found else "exact"


def migrate(
    name: str, paths: Sequence[Path], logstash_yml: Mapping[str, Any], environ: Mapping[str, str]
) -> Migration:
    """Return what becomes of the files of one pipeline.

    Raises:
        ConfigInvalid: a file cannot be read or parsed; what is refused is a row instead.
    """
    values, rows = _of_logstash_yml(logstash_yml)
    language = LanguageSettings.model_validate(values.get("logstash_config", {}))
    loaded = [load_logstash(path, environ, language) for path in paths]
    rules = loaded[0].model_copy(
        update={
            "files": tuple(file for one in loaded for file in one.files),
            "variables": {k: v for one in loaded for k, v in one.variables.items()},
        }
    )
    written = _written(rules)
    # A variable that is set only where the server runs stays as it is written.
    rules = rules.model_copy(update={"variables": {**written, **rules.variables}})
    config = _parsed(rules)
    rows += [_row(one) for one in rows_of(config)]
    try:
        found = _values(rules)
    except ConfigInvalid as error:
        for one in error.problems:
            _refuse(rows, one.file, one.seen)
        found = {}
    return Migration(name, {"profile": "logstash", **values, **found}, rules, rows)


def _refuse(rows: list[Row], place: str, how: str) -> None:
    """Turn the row of a place into a refused one, unless it is; add one where there is none."""
    there = [row for row in rows if row.place == place]
    if not there:
        rows.append(Row(place, "", "refused", how))
    elif all(row.judgement != "refused" for row in there):
        # A plugin and its first option may share a place; the option is what is refused.
        there[-1].judgement, there[-1].how = "refused", how


def _row(one: OptionRow) -> Row:
    name = f"{one.section} {one.plugin}{'.' if one.option else ''}{one.option}"
    return Row(one.place, name, one.judgement, one.how)


def _parsed(rules: LogstashSettings) -> Config:
    from ptingest.pipeline.logstash.pipeline import invalid

    try:
        return join_configs(
            parse(one.text, rules.variables, file=one.name, has_escapes=rules.support_escapes)
            for one in rules.files
        )
    except RefusedConfig as error:
        raise ConfigInvalid(tuple(map(invalid, error.all))) from None


def _values(rules: LogstashSettings) -> dict[str, Any]:
    """Return the values of the sections, with variables as they are written where that works."""
    real = server_values(compile_logstash(rules))
    try:
        symbolic = rules.model_copy(update={"variables": _written(rules)})
        real = _preferring(server_values(compile_logstash(symbolic)), real, rules.variables)
    except ConfigInvalid:
        # A variable stands for a number or a word of a list: its value of today is taken.
        pass
    folder = Path(rules.folder)
    return {name: _absolute(value, folder) for name, value in real.items()}


def _written(rules: LogstashSettings) -> dict[str, str]:
    """Return each variable as it is written, with its default."""
    return {
        found.group(1): found.group()
        for one in rules.files
        for found in _VARIABLE.finditer(one.text)
    }


def _preferring(symbolic: Any, real: Any, variables: Mapping[str, str]) -> Any:
    """Take texts that hold a variable as written, where they mean the same, and all else as it
    is."""
    if isinstance(real, dict):
        return {
            name: _preferring(symbolic.get(name, one), one, variables) for name, one in real.items()
        }
    if isinstance(real, list) and isinstance(symbolic, list) and len(real) == len(symbolic):
        pairs = zip(symbolic, real, strict=True)
        return [_preferring(written, one, variables) for written, one in pairs]
    if not isinstance(symbolic, str) or "${" not in symbolic:
        return real
    # The port may be in the variable.
    found = (symbolic, symbolic.removesuffix(":9200"))
    return next((one for one in found if _filled(one, variables) == real), real)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        otherwise = found.group().partition(":")[2].removesuffix("}")
        return variables.get(found.group(1), otherwise)

    return _VARIABLE.sub(value, text)


def _absolute(value: Any, folder: Path, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _absolute(one, folder, key) for key, one in value.items()}
    if name in _FILES and isinstance(value, str) and not value.startswith("${"):
        return str(folder / value)
    return value


# --- logstash.yml and pipelines.yml -----------------------------------------------------

_NO_QUEUE = "an event is acked when it is stored; until then Filebeat's files are the queue"
_DIFFERENT = {
    "queue.type": _NO_QUEUE,
    "queue.max_bytes": _NO_QUEUE,
    "pipeline.batch.size": "sinks find the size of a batch by themselves",
    "pipeline.batch.delay": "sinks find the size of a batch by themselves",
    "pipeline.ordered": "order is kept for each connection",
    "config.reload.automatic": "SIGHUP reloads; an error changes nothing",
    "config.reload.interval": "SIGHUP reloads; an error changes nothing",
    "dead_letter_queue.enable": "dead letters are always kept",
    "dead_letter_queue.max_bytes": "dead_letters.max_bytes says it for ptingest",
    "path.data": "data_dir says it for ptingest; queues and dead letters are not taken over",
    "path.logs": "logs go to standard error; the service manager keeps them",
    "path.config": "the files are named on the command line",
    "node.name": "the host's name is used",
    "log.format": "log.format says it for ptingest",
}


def _of_logstash_yml(
    settings: Mapping[str, Any], place: str = "logstash.yml"
) -> tuple[dict[str, Any], list[Row]]:
    values: dict[str, Any] = {}
    language: dict[str, Any] = {}
    rows: list[Row] = []
    for name, value in _flat(settings):
        row = Row(place, name, "exact")
        match name:
            case "pipeline.ecs_compatibility":
                language["ecs_compatibility"] = str(value)
            case "config.support_escapes":
                language["support_escapes"] = bool(value)
            case "pipeline.workers":
                values["workers"] = 1
                row.judgement, row.how = "different", "one process; workers: 0 takes every core"
            case "api.http.host" | "http.host" | "api.http.port" | "http.port":
                values["api"] = {"listen": _listen(values, name, value)}
            case "log.level":
                level = {"warn": "warning", "fatal": "error", "trace": "debug"}
                values["log"] = {"level": level.get(str(value), str(value))}
            case _:
                row.judgement = "different"
                row.how = _DIFFERENT.get(name, "it has no counterpart and is left out")
        rows.append(row)
    if language:
        values["logstash_config"] = language
    return values, rows


def _listen(values: Mapping[str, Any], name: str, value: object) -> str:
    host, _, port = values.get("api", {}).get("listen", "127.0.0.1:9600").rpartition(":")
    return f"{value}:{port}" if name.endswith("host") else f"{host}:{value}"


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def pipelines_in(
    listed: Iterable[Mapping[str, Any]], folder: Path
) -> Iterator[tuple[str, list[Path], dict[str, Any]]]:
    """Yield id, files and own settings of each pipeline of a ``pipelines.yml``.

    Raises:
        ValueError: an entry has neither ``pipeline.id`` nor ``path.config``.
    """
    for entry in listed:
        own = dict(_flat(entry))
        name, pattern = own.pop("pipeline.id", None), own.pop("path.config", None)
        if name is None or pattern is None:
            raise ValueError(
                "an entry of pipelines.yml needs pipeline.id and path.config; config.string is "
                "not supported: put it into a file"
            )
        whole = Path(pattern) if Path(pattern).is_absolute() else folder / pattern
        if whole.is_dir():
            yield str(name), [whole], own
        else:
            yield str(name), sorted(whole.parent.glob(whole.name)), own
