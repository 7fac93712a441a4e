"""What things of ours are called in Elasticsearch."""

TEMPLATE = "pt-logs"
"""The index template that ``ptingest setup`` makes."""
ROLE, USER = "logstash_writer_pt", "logstash_writer"
