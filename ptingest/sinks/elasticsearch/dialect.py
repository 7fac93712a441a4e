"""In what Elasticsearch and OpenSearch differ, as far as this program meets it: one table. Pure.

Both are written to, read, prepared and examined by the same code; where they differ it reads the
``Dialect`` of the answer or of the settings. What is ``None`` here has no counterpart there, and
whoever needs it leaves it out and says so.

Source: what real nodes of 8.13, 8.19, 9.5, 2.19 and 3.9 answer (``tests/peers``), but for what
begins with ``/_plugins/_security``: that plugin is not published as an ordinary artifact, and its
paths and bodies are those of OpenSearch's documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ptingest.settings.sinks import ClusterSettings, OpenSearchSettings

Version = tuple[int, int]


class TemplatePart(NamedTuple):
    """A member of our templates that not every server takes."""

    path: tuple[str, ...]
    name: str
    """For whoever runs ``setup``."""


FAILURE_STORE = TemplatePart(("template", "data_stream_options"), "failure store")
LOGSDB = TemplatePart(("template", "settings", "index", "mode"), "logsdb")


class SnapshotApi(NamedTuple):
    """How a point in time is opened and closed."""

    opened_below: str
    """Below the names of the data streams."""
    closed_at: str
    id_member: str
    closes_several: bool
    """Whether closing takes a list of them."""
    ties: tuple[str, ...]
    """What decides between equal values of a sort in it."""


class SecurityApi(NamedTuple):
    """Where roles and users are."""

    role: str
    user: str
    who: str
    """What the login is, and its roles."""
    roles_member: str
    """Of a user's object."""
    is_off: str
    """Why the paths above are not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One family of servers."""

    name: Literal["elasticsearch", "opensearch"]
    """Its key under ``sinks:``, and the folder of its files in ``deploy/``."""
    title: str
    oldest: Version
    """The first version that is written to."""
    media_prefix: str
    media_suffix: str
    product_header: str
    """The header of an answer that names the product, in lower case."""
    product: str
    """How its value begins."""
    always_says_product: bool
    """Whether every version sends it."""
    distribution: str
    """What ``GET /`` names under ``version.distribution``; empty where that is not there."""
    login_realm: str
    """In the ``WWW-Authenticate`` of a refused login that has no product header."""
    requires_data_streams: bool
    """Whether a bulk can say ``require_data_stream``. Where it cannot, a document whose template
    is missing would make a plain index, so each data stream is created before its first bulk."""
    lacks: tuple[TemplatePart, ...]
    """What no version takes."""
    text_type: str
    """What lines are mapped as. A phrase with a ``*`` needs positions, which Elasticsearch reads
    from the source for ``match_only_text`` and OpenSearch does not."""
    searches_doc_values: bool
    """Whether fields without an index are searched by their doc values: those that nobody asks for
    often are mapped so, which saves disk."""
    has_optional_templates: bool
    """Whether a template may name a component template that is not there."""
    has_lifecycle: bool
    security: SecurityApi
    needed: tuple[str, ...]
    """What the writer's role must have on the data streams."""
    rights: str | None
    """Where a login's privileges on data streams are asked for."""
    api_keys: str | None
    snapshot: SnapshotApi
    superuser: str
    superuser_variable: str
    """The environment variable that its container images take the superuser's password from."""

    @property
    def json(self) -> str:
        """The media type of one JSON object."""
        return f"{self.media_prefix}json{self.media_suffix}"

    @property
    def ndjson(self) -> str:
        """The media type of a bulk."""
        return f"{self.media_prefix}x-ndjson{self.media_suffix}"

    @property
    def place(self) -> str:
        """Where its settings are, for advice."""
        return f"sinks.{self.name}"

    @property
    def needed_text(self) -> str:
        """``auto_configure and create_doc``."""
        return " and ".join(self.needed)

    @property
    def oldest_text(self) -> str:
        """``8.13``."""
        return ".".join(map(str, self.oldest))


ELASTICSEARCH = Dialect(
    name="elasticsearch",
    title="Elasticsearch",
    oldest=(8, 13),
    media_prefix="application/vnd.elasticsearch+",
    media_suffix="; compatible-with=8",
    product_header="x-elastic-product",
    product="Elasticsearch",
    always_says_product=True,
    distribution="",
    login_realm="",
    requires_data_streams=True,
    lacks=(),
    text_type="match_only_text",
    searches_doc_values=True,
    has_optional_templates=True,
    has_lifecycle=True,
    security=SecurityApi(
        "/_security/role",
        "/_security/user",
        "/_security/_authenticate",
        "roles",
        "security is off (xpack.security.enabled)",
    ),
    needed=("auto_configure", "create_doc"),
    rights="/_security/user/_has_privileges",
    api_keys="/_security/api_key",
    snapshot=SnapshotApi("_pit", "/_pit", "id", closes_several=False, ties=("_shard_doc",)),
    superuser="elastic",
    superuser_variable="ELASTIC_PASSWORD",
)

OPENSEARCH = Dialect(
    name="opensearch",
    title="OpenSearch",
    # The oldest that was seen.
    oldest=(2, 19),
    # Elastic's own media types are answered with 406.
    media_prefix="application/",
    media_suffix="",
    product_header="x-opensearch-version",
    product="OpenSearch/",
    # 3 says it in every answer, 2 in none.
    always_says_product=False,
    distribution="opensearch",
    login_realm="OpenSearch Security",
    requires_data_streams=False,
    lacks=(
        FAILURE_STORE,
        LOGSDB,
        TemplatePart(("template", "lifecycle"), "lifecycle"),
        TemplatePart(("template", "mappings", "subobjects"), "subobjects"),
        TemplatePart(
            ("template", "settings", "index", "mapping", "total_fields"),
            "ignore_dynamic_beyond_limit",
        ),
        TemplatePart(("ignore_missing_component_templates",), "ignore_missing_component_templates"),
    ),
    text_type="text",
    # It says that they are not searchable.
    searches_doc_values=False,
    has_optional_templates=False,
    has_lifecycle=False,
    security=SecurityApi(
        "/_plugins/_security/api/roles",
        "/_plugins/_security/api/internalusers",
        "/_plugins/_security/authinfo",
        "opendistro_security_roles",
        "there is no security plugin",
    ),
    needed=("create_index", "indices:data/write/*"),
    rights=None,
    api_keys=None,
    snapshot=SnapshotApi(
        "_search/point_in_time",
        "/_search/point_in_time",
        "pit_id",
        closes_several=True,
        # 2 has no _shard_doc. Total where an index has one shard.
        ties=("_index", "_seq_no"),
    ),
    superuser="admin",
    superuser_variable="OPENSEARCH_INITIAL_ADMIN_PASSWORD",
)

DIALECTS = (ELASTICSEARCH, OPENSEARCH)


def dialect_of(settings: ClusterSettings) -> Dialect:
    """Return the dialect of a sink."""
    return OPENSEARCH if isinstance(settings, OpenSearchSettings) else ELASTICSEARCH
