"""What things of ours are called in Elasticsearch."""

TEMPLATE = "pt-logs"
"""The index template that ``ptingest setup`` makes."""
VIEW = "pt-logs"
"""The data view of all streams that ``ptingest setup --kibana`` makes."""
ROLE, USER = "logstash_writer_pt", "logstash_writer"
