"""Where an event goes."""

from ptingest.pipeline.logstash.event import new_event
from tests.pipeline.logstash.running import program


def test_names_are_interpolated() -> None:
    config = """output { elasticsearch {
  index => "logs-%{svc}" action => "create" document_id => "%{[@metadata][id]}"
  pipeline => "%{p}" routing => "%{svc}"
} }"""
    event = new_event({"svc": "web", "@metadata": {"id": 7}}, now_ns=0)

    (result,) = program(config).run(event)

    (target,) = result.targets
    assert (target.output, target.name, target.action) == (0, "logs-web", "create")
    assert (target.document_id, target.pipeline, target.routing) == ("7", "%{p}", "web")
