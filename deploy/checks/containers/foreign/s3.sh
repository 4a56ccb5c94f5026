#!/bin/bash
# Starts S3Proxy as its image does: S3PROXY_… and JCLOUDS_… are its properties.
set -euo pipefail
printf '%s\n' "s3proxy.endpoint=$S3PROXY_ENDPOINT" "s3proxy.authorization=$S3PROXY_AUTHORIZATION" \
  "s3proxy.identity=$S3PROXY_IDENTITY" "s3proxy.credential=$S3PROXY_CREDENTIAL" "jclouds.provider=$JCLOUDS_PROVIDER" \
  "jclouds.filesystem.basedir=$JCLOUDS_FILESYSTEM_BASEDIR" > /tmp/s3proxy.properties
printf '%s\n' '<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>' \
  '<pattern>%d %level %logger{1}: %msg%n</pattern></encoder></appender>' \
  "<root level=\"$LOG_LEVEL\"><appender-ref ref=\"out\"/></root></configuration>" > /tmp/logback.xml
exec /opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -cp '/opt/s3proxy/libs/*' \
  -Dlogback.configurationFile=/tmp/logback.xml org.gaul.s3proxy.Main --properties /tmp/s3proxy.properties
