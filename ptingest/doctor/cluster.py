"""What a cluster answers to the writer's login and, if given, to one with more rights.

    questions -> answers -> findings

A question that neither may ask is reported with the privilege that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ptingest.doctor.cluster_facts import AHEAD_MINUTES, ClusterFacts
from ptingest.doctor.units import plural
from ptingest.model.finding import Finding, Mark
from ptingest.sinks.elasticsearch.answer import cure_of_something_else, something_else
from ptingest.sinks.elasticsearch.dialect import Dialect
from ptingest.sinks.elasticsearch.inspection import (
    SIMULATED,
    Reached,
    is_too_old,
    mappings_of,
    missing_rights,
    reached,
    useful_lacks,
    version_in,
)
from ptingest.sinks.elasticsearch.names import ROLE, TEMPLATE, USER
from ptingest.sinks.elasticsearch.templates import Template, matching, read_templates


def findings_of_cluster(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield what the answers say."""
    reached = list(_reached(facts))
    yield from reached
    if len(facts.answers) == 1:
        return
    if facts.streams.patterns and facts.dialect.rights is not None:
        yield from _rights(facts, facts.dialect.rights)
    elif facts.streams.patterns:
        yield from _logged_in(facts)
    yield from findings_of_templates(facts)
    yield from _mapped(facts)
    yield from _streams(facts)
    yield from _kept(facts) if facts.dialect.has_lifecycle else _kept_by_policy(facts)
    yield from _events(facts)
    yield from _health(facts)
    yield from _disks(facts)
    yield from _certificates(facts)
    yield from _more(facts)


def _reached(facts: ClusterFacts) -> Iterator[Finding]:
    answer = facts.answers["root"]
    looked_at = f"GET {facts.where}/"
    mark: Mark = "problem"
    dialect = facts.dialect
    subject = dialect.title
    match reached(answer):
        case Reached.NO_ANSWER:
            seen, cure = (
                answer.failure,
                (
                    f"is {dialect.title} running? `docker compose ps`; does {dialect.place}.hosts "
                    "name it as seen from here (in Docker: the service name, one network elk-net)?"
                ),
            )
        case Reached.ELSEWHERE:
            seen, cure = answer.failure, f"correct {dialect.place}.hosts"
        case Reached.SOMETHING_ELSE:
            seen, cure = something_else(answer), cure_of_something_else(answer)
        case Reached.LOGIN_REFUSED:
            subject, (seen, cure) = "login", _login_refused(dialect, facts.username)
        case Reached.FAILING:
            seen, cure = f"answers {answer.status}", f"look at {dialect.title}'s own log"
        case Reached.YES:
            version = version_in(answer)
            seen = (
                f"version {version}"
                if version
                else "answers, but this login may not ask for its version"
            )
            needs = f"ptingest needs {dialect.oldest_text} or newer"
            cure = needs if is_too_old(version, dialect) else ""
            mark = "problem" if cure else "ok"
    yield Finding(mark, subject, seen, cure, looked_at=looked_at)


def _login_refused(dialect: Dialect, username: str | None) -> tuple[str, str]:
    cure = "is the password right (printenv LOGSTASH_WRITER_PASSWORD)? `ptingest setup` sets it"
    if username == ROLE:
        cure = f"{ROLE} is the role; the user is {USER}: correct {dialect.place}.username"
    return f"refuses the login of {username or 'nobody'} (401)", cure


def _rights_unanswered(facts: ClusterFacts, looked_at: str) -> Finding:
    status = facts.answers["rights"].status
    if status == 401:
        cure = f"the user is {USER}, its role {ROLE}; `ptingest setup` sets its password"
        seen = f"the login of {facts.username or 'nobody'} is refused (401)"
        return Finding("problem", "login", seen, cure, looked_at=looked_at)
    seen = f"no answer ({status}): security is off"
    return Finding("note", "rights", seen, looked_at=looked_at)


def _logged_in(facts: ClusterFacts) -> Iterator[Finding]:
    """Say who is logged in, where no privileges can be asked for."""
    who, title = facts.body("who"), facts.dialect.title
    looked_at = f"GET {facts.dialect.security.who}"
    if not who:
        status = facts.answers["who"].status
        seen = f"no answer ({status}): there is no security plugin, or it may not be asked"
        yield Finding("note", "rights", seen, looked_at=looked_at)
        return
    roles = who.get("roles") or []
    seen = f"{who.get('user_name')} with roles {', '.join(roles) or 'none'}"
    if ROLE in roles:
        yield Finding("ok", "rights", seen, looked_at=looked_at)
        return
    cure = f"{title} has no question for privileges: if writes are refused, give it {ROLE}"
    yield Finding("note", "rights", f"{seen}, not {ROLE}", cure, looked_at=looked_at)


def _rights(facts: ClusterFacts, asked: str) -> Iterator[Finding]:
    looked_at = f"POST {asked}"
    if not facts.is_answered("rights"):
        yield _rights_unanswered(facts, looked_at)
        return
    who = facts.body("who")
    roles = who.get("roles") or []
    granted = facts.body("rights").get("index", {})
    lacking = list(missing_rights(granted, facts.streams))
    as_whom = f"{who.get('username')} with roles {', '.join(roles) or 'none'}"
    if not lacking:
        yield Finding(
            "ok",
            "rights",
            f"{as_whom}: {', '.join(facts.dialect.needed)} on {facts.streams.joined}",
            looked_at=looked_at,
        )
    else:
        cure = f"grant it to the role {ROLE} (`ptingest setup --only role`)"
        if ROLE not in roles and who.get("authentication_type") != "api_key":
            cure = (
                f"the user lacks the role {ROLE} (a user named like the role has none of its "
                "rights): `ptingest setup --only role --only user`"
            )
        seen = f"{as_whom}: lacks {'; lacks '.join(lacking)}"
        yield Finding("problem", "rights", seen, cure, looked_at=looked_at)
    for _, seen in useful_lacks(granted, facts.streams):
        cure = f"grant it to the role {ROLE} to rule that out (`ptingest setup --only role`)"
        yield Finding("note", "rights", seen, cure, looked_at=looked_at)


# --- template and mappings --------------------------------------------------------------


def findings_of_templates(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield which template a stream of ours gets, if that may be asked."""
    if not facts.is_answered("templates"):
        return
    looked_at = "GET /_index_template"
    templates = read_templates(facts.body("templates"))
    findings = dict.fromkeys(
        _template_in_force(pattern, matching(templates, name), templates)
        for pattern, example in zip(facts.streams.patterns, facts.streams.examples, strict=True)
        for name in (facts.streams.of_pattern(pattern) or (example,))
    )
    for found, cure in findings:
        yield Finding("problem" if cure else "ok", "template", found, cure, looked_at=looked_at)


def _template_in_force(
    pattern: str, fitting: Sequence[Template], templates: Sequence[Template]
) -> tuple[str, str]:
    """Return what was found, and the cure where there is something to cure."""
    setup = "`ptingest setup --only templates`"
    if not fitting:
        there = any(template.name == TEMPLATE for template in templates)
        found = f"{TEMPLATE} does not match {pattern}" if there else f"none matches {pattern}"
        return f"{found}: documents wait, then go to the dead letters", setup
    winner = fitting[0]
    if not winner.makes_data_streams:
        return f"{winner.name} wins and makes no data stream", setup
    if winner.name == TEMPLATE:
        return f"{TEMPLATE} wins with priority {winner.priority}", ""
    ours = next((one for one in fitting if one.name == TEMPLATE), None)
    if ours is not None:
        found = (
            f"{winner.name} (priority {winner.priority}) wins over {TEMPLATE} (priority "
            f"{ours.priority}): its mappings are used, ours never"
        )
        return found, f"{setup} gives it 501; or lower the other"
    found = f"{winner.name} (priority {winner.priority}) wins; {TEMPLATE} is not there"
    return found, setup


def _mapped(facts: ClusterFacts) -> Iterator[Finding]:
    """Look for dates guessed from strings: in streams that are there, and in the next."""
    fields = facts.body("fields").get("fields", {})
    looked_at = f"GET /{facts.streams.joined}/_field_caps"
    for name in ("log_timestamp", "log_ms"):
        types = fields.get(name, {})
        wrong = [kind for kind in types if kind not in ("keyword", "unmapped")]
        if wrong:
            seen = f"{name} is mapped as {', '.join(sorted(types))}: other formats get a 400"
            cure = (
                "date detection was on: `ptingest setup --only templates`, then force a "
                "rollover (POST /<stream>/_rollover), then requeue the dead letters"
            )
            yield Finding("problem", "mappings", seen, cure, looked_at=looked_at)
    if fields and not any(_is_wrong(fields, name) for name in ("log_timestamp", "log_ms")):
        yield Finding(
            "ok", "mappings", "times of lines are keywords and never refused", looked_at=looked_at
        )
    for example in facts.streams.examples:
        yield from _next_mapped(facts, example)


def _next_mapped(facts: ClusterFacts, example: str) -> Iterator[Finding]:
    template = _template_of(facts, example)
    looked_at = f"POST {SIMULATED}{example}"
    if template and mappings_of(template).get("date_detection") is not False:
        seen = "the next stream would detect dates in strings (date_detection is on)"
        cure = "`ptingest setup --only templates`"
        yield Finding("problem", "mappings", seen, cure, looked_at=looked_at)
    elif template:
        yield Finding(
            "ok", "mappings", "the next stream detects no dates in strings", looked_at=looked_at
        )


def _template_of(facts: ClusterFacts, stream: str) -> Mapping[str, Any] | None:
    """What a new data stream of the same pattern would get; None where that is not known."""
    for pattern, example in zip(facts.streams.patterns, facts.streams.examples, strict=True):
        if fnmatchcase(stream, pattern):
            template = facts.body(f"simulated {example}").get("template")
            return template if isinstance(template, dict) else None
    return None


def _is_wrong(fields: Mapping[str, Any], name: str) -> bool:
    return any(kind not in ("keyword", "unmapped") for kind in fields.get(name, {}))


def _streams(facts: ClusterFacts) -> Iterator[Finding]:
    if not facts.is_answered("streams"):
        return
    found = facts.body("streams")
    looked_at = f"GET /_resolve/index/{facts.streams.joined}"
    names = [str(row.get("name")) for row in found.get("data_streams") or []]
    plain = [str(row.get("name")) for row in found.get("indices") or []]
    plain = [name for name in plain if not name.startswith(".ds-")]
    if plain:
        seen = f"plain indices instead of data streams: {', '.join(plain)}"
        cure = "made before the template was: reindex or delete them, then `ptingest setup`"
        yield Finding("problem", "data streams", seen, cure, looked_at=looked_at)
    of_active = [facts.streams.of_service(service) for service in sorted(facts.active)]
    # A service may write to one of its namespaces only.
    lost = [name for ours in of_active if not set(ours) & set(names) for name in ours]
    if lost:
        seen = f"events came, but there is no data stream {', '.join(lost)}"
        cure = "see template, rights and dead letters: one of them prevents the first document"
        yield Finding("problem", "data streams", seen, cure, looked_at=looked_at)
    missing = [one.name for one in facts.streams.known if one.name not in (*names, *lost)]
    seen = f"there: {', '.join(names) or 'none'}"
    if missing:
        seen += f"; not yet: {', '.join(missing)}"
        cure = "each is created by its first document; if events came, see template and rights"
        yield Finding("note", "data streams", seen, cure, looked_at=looked_at)
    else:
        yield Finding("ok", "data streams", seen, looked_at=looked_at)


def _kept(facts: ClusterFacts) -> Iterator[Finding]:
    """Retention and failure store of streams against those that a new one would get."""
    rows = facts.body("kept").get("data_streams") or []
    looked_at = f"GET /_data_stream/{facts.streams.joined}"
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        name = str(row.get("name"))
        template = _template_of(facts, name)
        if row.get("template") == TEMPLATE and template is not None:
            options = {"failure_store": row.get("failure_store") or {}}
            kept = _kept_by(row.get("lifecycle"), options)
            wanted = _kept_by(template.get("lifecycle"), template.get("data_stream_options"))
            found.setdefault((kept, wanted), []).append(name)
    for (kept, wanted), names in found.items():
        seen = f"{', '.join(names)}: {kept}"
        if kept == wanted:
            yield Finding("ok", "retention", seen, looked_at=looked_at)
        else:
            cure = (
                "a template applies only to streams created after it: `ptingest setup --only "
                "templates` with your --retention changes existing streams at once"
            )
            seen = f"{seen}; the template says {wanted}"
            yield Finding("warning", "retention", seen, cure, looked_at=looked_at)


def _kept_by_policy(facts: ClusterFacts) -> Iterator[Finding]:
    """Where templates have no lifecycle, documents are kept until a policy deletes them."""
    if facts.body("kept").get("data_streams"):
        seen = f"{facts.dialect.title} keeps documents until an ISM policy deletes them"
        cure = (
            "deploy/opensearch/ism-policy-pt-logs.json is one: PUT _plugins/_ism/policies/pt-logs"
        )
        yield Finding("note", "retention", seen, cure, looked_at="deploy/opensearch")


def _kept_by(lifecycle: Any, options: Any) -> str:
    kept = "kept for ever, no lifecycle"
    if isinstance(lifecycle, dict) and lifecycle.get("enabled") is not False:
        kept = f"kept {lifecycle.get('data_retention', 'for ever')}"
    store = options.get("failure_store") if isinstance(options, dict) else None
    is_on = isinstance(store, dict) and store.get("enabled") is True
    return f"{kept}, failure store {'on' if is_on else 'off'}"


def _events(facts: ClusterFacts) -> Iterator[Finding]:
    found = facts.body("newest").get("aggregations")
    looked_at = f"POST /{facts.streams.joined}/_search"
    if not found:
        return
    newest = found.get("newest", {}).get("value_as_string")
    ahead = int(found.get("ahead", {}).get("doc_count", 0))
    ignored = int(found.get("ignored", {}).get("doc_count", 0))
    if ahead:
        seen = (
            f"{plural(ahead, 'document')} dated more than {AHEAD_MINUTES} minutes in the future "
            f"(newest {newest})"
        )
        cure = "a host's clock is fast, or local times are read as UTC: `timezone` in pt.yaml"
        yield Finding("warning", "clock", seen, cure, looked_at=looked_at)
    elif newest:
        yield Finding(
            "ok", "clock", f"newest event {newest}, none from the future", looked_at=looked_at
        )
    if ignored:
        seen = f"{plural(ignored, 'document')} with fields that were not indexed (_ignored)"
        cure = "search for `_ignored: *`; longer than 1,024 characters, or beyond the field limit"
        yield Finding("note", "ignored fields", seen, cure, looked_at=looked_at)


# --- the cluster itself -----------------------------------------------------------------


def _health(facts: ClusterFacts) -> Iterator[Finding]:
    health = facts.body("health")
    status = health.get("status")
    if not status:
        return
    looked_at = "GET /_cluster/health"
    seen = f"{status}, {health.get('number_of_nodes')} nodes"
    if status == "green":
        yield Finding("ok", "cluster", seen, looked_at=looked_at)
    elif status == "yellow":
        cure = (
            "on one node: replicas cannot be placed (`ptingest setup --replicas 0`); no data lost"
        )
        yield Finding("note", "cluster", seen, cure, looked_at=looked_at)
    else:
        cure = "primary shards are missing: GET /_cluster/allocation/explain says why"
        yield Finding("problem", "cluster", seen, cure, looked_at=looked_at)


def _disks(facts: ClusterFacts) -> Iterator[Finding]:
    rows = facts.body("disks")
    looked_at = "GET /_cat/allocation"
    limits = _watermarks(facts.body("watermarks"))
    for row in rows if isinstance(rows, list) else []:
        used = row.get("disk.percent")
        if used is None:
            continue
        seen = f"{row.get('node')} has used {used} % (watermarks {', '.join(limits.values())})"
        flood = _percent(limits.get("flood_stage"), 95.0)
        high = _percent(limits.get("high"), 90.0)
        cure = (
            "free space or shorten the retention (`ptingest setup --only templates --retention "
            "7d`, which existing streams get at once); above the flood stage writes stop"
        )
        if float(used) >= flood:
            yield Finding("problem", "disk", seen, cure, looked_at=looked_at)
        elif float(used) >= high:
            yield Finding("warning", "disk", seen, cure, looked_at=looked_at)
        else:
            yield Finding("ok", "disk", seen, looked_at=looked_at)


def _watermarks(answer: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for layer in ("defaults", "persistent", "transient"):
        inner: Any = answer.get(layer, {})
        for name in ("cluster", "routing", "allocation", "disk", "watermark"):
            inner = inner.get(name, {})
        found |= {name: inner[name] for name in ("low", "high", "flood_stage") if name in inner}
    return found


def _percent(text: str | None, fallback: float) -> float:
    """Read `95%`; a watermark in bytes is left to the cluster."""
    return float(text[:-1]) if text and text.endswith("%") else fallback


def _certificates(facts: ClusterFacts) -> Iterator[Finding]:
    for host, days in facts.expires_in_days.items():
        seen = f"expires in {days:.0f} days"
        if days < 14:
            yield Finding("warning", "certificate", seen, "renew it", looked_at=host)
        else:
            yield Finding("ok", "certificate", seen, looked_at=host)


def _more(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield what more rights would allow to check."""
    untold: dict[str, list[str]] = {}
    for name, answer in facts.answers.items():
        question = facts.questions[name]
        if answer.status == 403 and question.needs:
            untold.setdefault(question.needs, []).append(question.tells)
    for needs, tells in untold.items():
        seen = f"with {needs} doctor would also check {', '.join(dict.fromkeys(tells))}"
        user = facts.dialect.superuser
        cure = f"run it with --user {user}, or ignore this: the writer does not need it"
        yield Finding("note", "more rights", seen, cure, looked_at="answers of 403")
