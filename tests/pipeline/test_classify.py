from __future__ import annotations

import pytest

from ptingest.pipeline.classify import Classifier
from ptingest.settings.profile import CategorySettings
from tests.support.profile import shipped_profile

EXPECTED = {
    "django": "django", "django.request": "django", "werkzeug": "server",
    "boto": "aws", "boto3.resources": "aws", "botocore.hooks": "aws", "s3transfer.utils": "aws",
    "urllib3.connectionpool": "network", "asyncio": "system", "PIL.PngImagePlugin": "system",
    "root": "system", "apps.custom_auth.views": "auth", "apps.onboarding.x": "auth",
    "apps.parcels": "parcels", "apps.parcels.tasks": "parcels",
    "apps.tenant_manager.models": "tenant", "apps.notification.email": "notification",
    "apps.manage_reports.x": "reports", "apps.integrations.dhl": "integrations",
    "apps.dashboard.x": "dashboard", "apps.data_governance.x": "data_governance",
    "apps.branded.x": "branded", "apps.container.x": "container",
    "apps.harmonization.x": "harmonization", "apps.logs.x": "logs",
    "apps.cron_tasks.daily": "tasks", "celery": "tasks", "celery.beat": "tasks",
    "myproj.tasks": "tasks", "apps.newmodule.tasks": "tasks", "apps.common.util": "common",
    "config": "config", "config.settings": "config",
}  # fmt: skip
UNKNOWN = [
    "djangox", "django_extensions.x", "bottle", "urllib3x", "PILx", "root.x", "apps.parcelsx.y",
    "celerybeat", "tasks", "configx", "apps.newmodule.views", "flower.command", "gunicorn.error",
    "kombu.connection", "Django.request",
]  # fmt: skip


@pytest.mark.parametrize(("name", "label"), [*EXPECTED.items(), *((n, "unknown") for n in UNKNOWN)])
def test_loggers_get_the_label_of_the_shipped_rules(name: str, label: str) -> None:
    classifier = Classifier(shipped_profile().groups[0].categories)

    fields = classifier.classify(name).fields

    assert fields.get("app_module", fields["stream"]) == label


def test_the_rule_that_fired_is_named() -> None:
    classifier = Classifier(shipped_profile().groups[0].categories)

    assert classifier.classify("boto3").rule == "3: boto*, s3transfer.*"
    assert classifier.classify("nobody").rule == "otherwise"


def test_an_earlier_suffix_beats_a_later_exact_name() -> None:
    settings = CategorySettings.model_validate(
        {
            "rules": [
                {"match": "*.tasks", "set": {"s": "1"}},
                {"match": "a.tasks", "set": {"s": "2"}},
            ]
        }
    )

    assert Classifier(settings).classify("a.tasks").fields == {"s": "1"}


def test_more_names_than_are_remembered_change_no_answer() -> None:
    classifier = Classifier(shipped_profile().groups[0].categories, cached_names=2)

    first = [classifier.classify(name).rule for name in EXPECTED]

    assert [classifier.classify(name).rule for name in EXPECTED] == first


# --- rules that look at other fields ---------------------------------------------------------


def mixed() -> Classifier:
    rules = (
        {"match": ["a.*"], "set": {"s": "1"}},
        {"field": "service", "match": ["nginx", "web*"], "set": {"s": "2"}},
        {"match": ["b.*"], "set": {"s": "3"}},
        {"field": "log.file.path", "match": ["*.err"], "set": {"s": "4"}},
    )
    return Classifier(CategorySettings.model_validate({"rules": rules, "otherwise": {"s": "0"}}))


@pytest.mark.parametrize(
    ("service", "path", "name", "label"),
    [
        ("nginx", None, "a.x", "1"),
        ("nginx", None, "b.x", "2"),
        ("website", None, None, "2"),
        ("django", None, "b.x", "3"),
        ("django", "/x.err", "b.x", "3"),
        ("django", "/x.err", "c", "4"),
        (None, "/x.err", None, "4"),
        (None, None, "c", "0"),
    ],
)
def test_the_first_rule_that_matches_wins_whatever_field_it_looks_at(
    service: str | None, path: str | None, name: str | None, label: str
) -> None:
    classifier = mixed()

    given = classifier.given({"service": service, "log.file.path": path})
    found = given.otherwise if name is None else given.classify(name)

    assert found.fields == {"s": label}
    assert classifier.other_fields == ("service", "log.file.path")


def test_equal_values_share_a_classifier_and_its_cache() -> None:
    classifier = mixed()

    assert classifier.given({"service": "nginx"}) is classifier.given({"service": "web1"})
    assert classifier.given({"service": "django"}) is classifier
