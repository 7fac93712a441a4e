"""What must hold of a logstash.conf that people write, and of events that run through one.

Each function takes any bytes and raises only where a promise is broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.logstash.pipeline import LogstashPipeline, compile_logstash
from ptingest.settings.logstash import ConfFile, LogstashSettings
from tests.fuzz.documents import check_body
from tests.fuzz.words import check_problems
from tests.pipeline.logstash.test_parity import rows
from tests.pipeline.test_profile_pipeline import NOW_NS, processed
from tests.support import scratch

EVENTS = (
    b'{"message":"INFO 5 a=1 [x] {\\"k\\":1.5}","tags":["t"],"a":{"b":[1,null]},"n":1e400}',
    b'{"message":5,"tags":{},"@timestamp":"x","a":"","@metadata":[]}',
    b"{}",
)
EVERY_FILTER = r"""filter {
  if [a][b] > 5 and [message] !~ /x+y/ or [n] in [m] { mutate { add_tag => ["%{a}", "x1"] } }
  else if "t" in [tags] { mutate { rename => { "a" => "[m][%{n}]" } } }
  grok { match => { "message" => "%{WORD:w} (?:%{INT:n:int}|%{GREEDYDATA:[a][b]})" } }
  kv { target => "kv" }
  dissect { mapping => { "message" => "%{x} %{+x} %{?k} %{&k} %{y->}" } }
  json { source => "message" target => "j" }
  csv { source => "message" }
  date { match => ["w", "ISO8601", "UNIX", "dd/MMM/yyyy:HH:mm:ss Z", "yyyy-MM-dd HH:mm:ss.SSS"] }
  mutate {
    convert => { "n" => "integer" "m" => "float" "w" => "boolean" "x" => "string" }
    gsub => ["message", "[a-z]+(\d)", "<\1>", "w", ".", "%{n}"]
    split => { "w" => "," } join => { "kv" => "-" } merge => { "a" => "m" } copy => { "m" => "c" }
    uppercase => ["x"] capitalize => ["y"] strip => ["message"] replace => { "z" => "%{a}|%{+ww}" }
  }
  translate { source => "w" target => "tr" dictionary => { "INFO" => "i" } fallback => "%{n}" }
  fingerprint { source => ["message", "n"] concatenate_sources => true }
  urldecode { all_fields => true }
  syslog_pri { }
  truncate { length_bytes => 30 }
  cidr { address => ["%{w}"] network => ["10.0.0.0/8"] }
  bytes { source => "w" target => "b" }
  de_dot { }
  prune { blacklist_names => ["^secret"] }
  clone { clones => ["copy"] }
  split { field => "a" }
}
output {
  elasticsearch { }
  if [n] > 5 { elasticsearch { index => "i-%{w}-%{+yyyy.MM.dd}" document_id => "%{n}" } }
}
"""


def conf(data: bytes) -> None:
    """A config that is taken runs any event; any other is refused with its place."""
    try:
        pipeline = compiled(data.decode("utf-8", "replace"))
    except ConfigInvalid as invalid:
        check_problems(invalid)
        assert all(problem.file.startswith("x.conf:") for problem in invalid.problems)
        return
    for payload in EVENTS:
        check_fates(pipeline, payload)


def conf_events(payload: bytes) -> None:
    """An event has one fate, also in a config of every filter; what is stored can be stored."""
    check_fates(every_filter(), payload)


def check_fates(pipeline: LogstashPipeline, payload: bytes) -> None:
    explained = pipeline.explain(payload, now_ns=NOW_NS)
    done = processed(pipeline, payload)

    fates = (bool(done.documents), bool(done.dead_letters), bool(done.dropped))
    assert sum(fates) == 1
    assert explained.outcome == ("indexed", "dead_letter", "dropped")[fates.index(True)]
    for one in done.documents:
        assert one.payload == payload
        check_body(one)
    for event in explained.events:
        json.loads(event.body)
        json.loads(event.metadata)


def compiled(text: str) -> LogstashPipeline:
    files = (ConfFile(name="x.conf", text=text),)
    return compile_logstash(LogstashSettings(files=files, folder=str(scratch.folder())))


@cache
def every_filter() -> LogstashPipeline:
    return compiled(EVERY_FILTER)


def configs() -> Iterator[bytes]:
    """Configs of the recorded rows, without those of grok's library, which take long."""
    for group, members in rows().items():
        if group not in ("grok-lib", "grok-pat", "real"):
            for row in members[:6]:
                yield row["config"].encode()
    yield EVERY_FILTER.encode()


def events() -> Iterator[bytes]:
    """Events of the recorded rows."""
    for group in ("real", "fuzz-pipeline", "fuzz-json", "fuzz-kv", "mutate-convert"):
        for row in rows()[group][:8]:
            for case in row.get("cases", [])[:2]:
                yield json.dumps(case["event"]).encode()
