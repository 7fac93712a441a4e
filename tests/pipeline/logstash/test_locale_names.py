"""Names by locale."""

import pytest

from ptingest.pipeline.logstash.locale_names import known_languages, locale_names


@pytest.mark.parametrize(
    ("tag", "january", "monday"),
    [
        ("en", "Jan", "Monday"),
        ("en-US", "Jan", "Monday"),
        ("de", "Jan.", "Montag"),
        ("de_AT", "Jän.", "Montag"),
        ("fr-FR", "janv.", "lundi"),
        ("zh-Hans-CN", "1月", "星期一"),
    ],
)
def test_a_locale_has_names(tag: str, january: str, monday: str) -> None:
    names = locale_names(tag)

    assert names is not None
    assert (names.short_months[0], names.days[0]) == (january, monday)


def test_every_list_is_full() -> None:
    for tag in known_languages():
        names = locale_names(tag)
        assert names is not None
        assert [len(one) for one in names] == [12, 12, 7, 7, 2, 2]


def test_an_unknown_language_has_none() -> None:
    assert locale_names("xx") is None
