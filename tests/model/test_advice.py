"""Commands in advice, made to work when they are copied."""

from __future__ import annotations

import pytest

from ptingest.model.advice import naming_config


@pytest.mark.parametrize(
    ("advice", "copied"),
    [
        ("run `ptingest setup`", "run `ptingest setup --config FILE`"),
        ("`ptingest setup --only role`", "`ptingest setup --only role --config FILE`"),
        (
            "`ptingest try`, `ptingest top`",
            "`ptingest try --config FILE`, `ptingest top --config FILE`",
        ),
        ("`ptingest doctor --config c.yaml`", "`ptingest doctor --config c.yaml`"),
        ("`ptingest send a.log`", "`ptingest send a.log`"),
        (
            "`ptingest profile` and `ptingest probe`",
            "`ptingest profile` and `ptingest probe --config FILE`",
        ),
        ("`printenv PATH`; ptingest setup", "`printenv PATH`; ptingest setup"),
    ],
)
def test_each_command_names_the_config_once(advice: str, copied: str) -> None:
    assert naming_config(advice, "a b.yaml") == copied.replace("FILE", "'a b.yaml'")


def test_without_a_config_to_name_advice_stays_as_it_is() -> None:
    assert naming_config("run `ptingest setup`", None) == "run `ptingest setup`"
