#!/bin/bash
# Starts the server of tests/peers/elasticsearch with the settings of elasticsearch.yml; the
# launcher has settings of its own for tests on loopback, which those replace.
set -eu
settings=$(sed -n 's/^\([a-z._]*\): */\1=/p' config/elasticsearch.yml)
exec java ${ES_JAVA_OPTS:-} -cp 'classes:lib/*' org.elasticsearch.node.Launcher /usr/share/elasticsearch 9200 \
  plugin=org.elasticsearch.node.PeerIngest \
  plugin=org.elasticsearch.node.PeerAnalysis \
  plugin=org.elasticsearch.xpack.core.XPackPlugin \
  plugin=org.elasticsearch.xpack.security.Security \
  xpack.security.autoconfiguration.enabled=false \
  xpack.license.self_generated.type=basic \
  transport.type=security4 http.type=security4 \
  xpack.security.transport.ssl.enabled=false \
  $settings
