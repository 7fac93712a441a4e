"""Labels of services that no rule names."""

from __future__ import annotations

import pytest

from ptingest.pipeline.labels import MOST_LABELS, LearnedLabels


def test_the_first_services_have_a_label_and_further_ones_are_other() -> None:
    labels = LearnedLabels()

    seen = [labels.label_of(f"s{number}") for number in range(MOST_LABELS + 1)]

    assert seen == [*(f"s{number}" for number in range(MOST_LABELS)), "other"]
    assert labels.label_of("s3") == "s3"
    assert len(labels.services) == MOST_LABELS


@pytest.mark.parametrize("service", ["", "two words", "x" * 65, "a\nb", 7, None, ["django"]])
def test_what_is_no_plain_name_never_is_a_label(service: object) -> None:
    labels = LearnedLabels()

    assert labels.label_of(service) == "other"
    assert labels.services == ()
