#!/bin/bash
# Starts Kafka as its image does: KAFKA_LOG_DIRS is the property log.dirs; the folder of data is formatted once.
set -euo pipefail
properties=/tmp/server.properties
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
  name=${name#KAFKA_}
  printf '%s=%s\n' "$(tr '[:upper:]_' '[:lower:].' <<< "$name")" "$value"
done > "$properties"
printf '%s\n' 'rootLogger.level=warn' 'rootLogger.appenderRef.out.ref=out' 'appender.out.type=Console' \
  'appender.out.name=out' 'appender.out.layout.type=PatternLayout' 'appender.out.layout.pattern=%d %p %c{1}: %m%n' \
  > /tmp/log4j2.properties
java=(/opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --sun-misc-unsafe-memory-access=allow
  -cp '/opt/kafka/libs/*' -Dlog4j2.configurationFile=/tmp/log4j2.properties)
"${java[@]}" kafka.tools.StorageTool format --cluster-id "$CLUSTER_ID" --config "$properties" --ignore-formatted
read -ra heap <<< "${KAFKA_HEAP_OPTS:-}"
exec "${java[@]}" "${heap[@]}" kafka.Kafka "$properties"
