"""The pages of settings, commands and metrics say what the code says, and all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from docs.generate import DOCS, PAGES, all_commands, attribute_docs, current, models_of
from ptingest.settings.explain import all_places
from ptingest.settings.parse import dotted
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import METRICS


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in models_of(field.annotation):
            yield from sections(inner)


MODELS = dict.fromkeys([*sections(ServerSettings), *sections(ProfileSettings)])


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_what_is_generated_is_current(name: str) -> None:
    assert page(name) == current(name), "run `make docs`"


def test_every_setting_is_on_its_page() -> None:
    text = re.sub(r"\[\]|\.NAME\b", "", page("settings.md"))

    places = [*all_places(ServerSettings), *all_places(ProfileSettings)]

    assert [dotted(place) for place in places if f"`{dotted(place)}" not in text] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.__name__)
def test_every_setting_and_section_says_what_it_does(model: type[BaseModel]) -> None:
    fields = model.model_fields.items()
    docs = attribute_docs(model)

    silent = [name for name, field in fields if not any(models_of(field.annotation))]

    assert model.__doc__
    assert [name for name in silent if name not in docs] == []


def test_every_command_says_what_its_options_do() -> None:
    silent = [
        f"{name} {option.name}"
        for name, command in all_commands()
        for option in command.params
        if option.param_type_name == "option" and not option.help
    ]

    assert silent == []


def test_every_command_is_on_its_page() -> None:
    text = page("commands.md")

    assert [name for name, _ in all_commands() if f"\n### ptingest {name}\n" not in text] == []


def test_every_metric_is_on_its_page() -> None:
    assert [row.name for row in METRICS if f"`{row.name}`" not in page("metrics.md")] == []
