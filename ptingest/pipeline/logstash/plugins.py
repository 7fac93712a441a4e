"""Which filters there are: modules of ``filters/``, and those of Logstash that are refused."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from types import ModuleType

from ptingest.pipeline.logstash.options import Option, RefusedConfig
from ptingest.pipeline.logstash.refused_filters import REFUSED_FILTERS
from ptingest.pipeline.logstash.tree import Plugin

COMMON_OPTIONS = (
    Option("add_field", "hash", []),
    Option("remove_field", "array", []),
    Option("add_tag", "array", []),
    Option("remove_tag", "array", []),
    Option("id"),
    Option("ecs_compatibility", choices=("disabled", "v1", "v8")),
    Option("enable_metric", "boolean", True, ignored="figures by plugin cost next to nothing here"),
    Option("periodic_flush", "boolean", False, ignored="no filter here keeps events back"),
)
"""Options that every filter takes."""


def filter_names() -> frozenset[str]:
    """Return the names of the filters that exist here."""
    folder = files("ptingest.pipeline.logstash.filters")
    names = (one.name for one in folder.iterdir())
    return frozenset(
        name.removesuffix(".py") for name in names if name.endswith(".py") and name[0] != "_"
    )


def filter_module(plugin: Plugin) -> ModuleType:
    """Return the module of a filter, imported when the first config uses it.

    Raises:
        RefusedConfig: there is none of this name.
    """
    known = filter_names()
    if plugin.name in known:
        return import_module(f"ptingest.pipeline.logstash.filters.{plugin.name}")
    if plugin.name in REFUSED_FILTERS:
        raise RefusedConfig(
            plugin.place,
            f"the filter {plugin.name} is not supported: {REFUSED_FILTERS[plugin.name]}",
            is_unsupported=True,
        )
    raise RefusedConfig(
        plugin.place,
        f"there is no filter {plugin.name!r}; the filters are {', '.join(sorted(known))}",
    )
