"""What all settings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, get_args

import pytest

from ptingest.errors import Misfit, SettingsInvalid
from ptingest.settings.explain import all_places, find_spot
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.settings.shape import reader_of
from ptingest.settings.strict import (
    ListenAddress,
    PositiveSeconds,
    StrictSettings,
    judge,
    made,
    section,
    settings_of,
    split_listen,
)
from ptingest.settings.values import SecretStr


class Example(StrictSettings):
    listen: ListenAddress = "127.0.0.1:0"
    seconds: PositiveSeconds = 1.0


@pytest.mark.parametrize(
    ("listen", "parts"),
    [
        pytest.param("127.0.0.1:9600", ("127.0.0.1", 9600), id="IPv4"),
        pytest.param("[::1]:5044", ("::1", 5044), id="IPv6 in brackets"),
        pytest.param("localhost:0", ("localhost", 0), id="a name, any port"),
    ],
)
def test_an_address_is_split_into_host_and_port(listen: str, parts: tuple[str, int]) -> None:
    assert split_listen(Example(listen=listen).listen) == parts


@pytest.mark.parametrize("listen", ["9600", ":9600", "host:", "host:x", "host:65536", "h h:1"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(SettingsInvalid):
        Example(listen=listen)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        Example().seconds = 2.0


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_times_are_positive_and_finite(seconds: float) -> None:
    with pytest.raises(SettingsInvalid):
        Example(seconds=seconds)


class Pair(StrictSettings):
    low: int = 1
    high: int

    @judge
    def _in_order(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high; swap them")


class Whole(StrictSettings):
    pair: Pair = section(Pair, high=9)
    names: dict[str, str] = made(dict)
    password: SecretStr | None = None


class Longer(Pair):
    low: int = 2
    third: int | None = None


def test_everything_that_does_not_fit_is_told_in_one_go() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Whole.model_validate({"pair": {"low": "x", "colour": 1}, "names": 5, "size": 1})

    told = [(misfit.kind, misfit.place) for misfit in caught.value.misfits]
    assert told == [
        ("int_type", ("pair", "low")),
        ("missing", ("pair", "high")),
        ("unknown", ("pair", "colour")),
        ("dict_type", ("names",)),
        ("unknown", ("size",)),
    ]


def test_an_error_shows_places_and_no_values() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Whole.model_validate({"password": ["geheim"], "names": {"a": 5}})

    assert str(caught.value) == (
        "names.a: Input should be a valid string\npassword: Input should be a valid string"
    )


def test_a_section_is_judged_only_when_its_values_fit() -> None:
    with pytest.raises(SettingsInvalid) as judged:
        Whole.model_validate({"pair": {"low": 3, "high": 2}})
    with pytest.raises(SettingsInvalid) as misread:
        Whole.model_validate({"pair": {"low": 3, "high": "x"}})

    assert [(one.kind, one.said, one.place) for one in judged.value.misfits] == [
        ("judged", "low is above high; swap them", ("pair",))
    ]
    assert [one.kind for one in misread.value.misfits] == ["int_type"]


def test_what_is_left_out_gets_its_default_and_shares_nothing() -> None:
    one, other = Whole(), Whole()

    assert one.pair == Pair(low=1, high=9)
    assert one == other
    assert one.names is not other.names


def test_a_model_begins_with_the_settings_of_its_base_and_their_judges() -> None:
    assert list(settings_of(Longer)) == ["low", "high", "third"]
    assert Longer(high=2).low == 2
    with pytest.raises(SettingsInvalid, match="swap them"):
        Longer(high=1)


def test_a_copy_differs_in_what_was_changed() -> None:
    whole = Whole(names={"a": "b"})

    copy = whole.model_copy(update={"pair": Pair(high=3)})

    assert (copy.pair.high, copy.names, whole.pair.high) == (3, {"a": "b"}, 9)
    assert hash(copy.pair) == hash(Pair(high=3))
    with pytest.raises(AttributeError, match="frozen"):
        del copy.pair


def test_a_dump_read_again_is_the_same() -> None:
    whole = Whole(pair=Pair(low=0, high=1), names={"a": "b"}, password=SecretStr("geheim"))

    dump = whole.model_dump()

    assert dump["pair"] == {"low": 0, "high": 1}
    assert Whole.model_validate(dump) == whole
    assert "password" not in whole.model_dump(exclude={"password"})
    assert "password" not in Whole().model_dump(exclude_none=True)


def models(root: type[StrictSettings]) -> Iterator[type[StrictSettings]]:
    yield root
    for place in all_places(root):
        annotation = find_spot(root, place).annotation
        for one in (annotation, *get_args(annotation)):
            if isinstance(one, type) and issubclass(one, StrictSettings):
                yield one


@pytest.mark.parametrize(
    "model", sorted({*models(ServerSettings), *models(ProfileSettings)}, key=repr)
)
def test_defaults_keep_the_rules_of_their_settings(model: type[StrictSettings]) -> None:
    for name, setting in settings_of(model).items():
        if setting.is_required:
            continue
        read: list[Misfit] = []
        kept = reader_of(
            Annotated[setting.annotation, *setting.metadata]
            if setting.metadata
            else setting.annotation
        )(setting.usual(), (name,), read)

        assert (kept, read) == (setting.usual(), [])
        assert type(kept) is type(setting.usual())
