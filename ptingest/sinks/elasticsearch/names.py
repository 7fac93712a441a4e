"""What things of ours are called in Elasticsearch."""

STREAMS = "logs-*-pt"
"""All data streams of ours."""
ANY_STREAM = "logs-django-pt"
"""Stands for every data stream of ours where one has to be named."""
TEMPLATE = "pt-logs"
"""The index template that ``ptingest setup`` makes."""
ROLE, USER = "logstash_writer_pt", "logstash_writer"
