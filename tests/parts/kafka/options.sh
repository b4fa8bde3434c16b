# The options with which every Kafka JVM of the tests runs: small and quick to start. Sourced by install.sh and run.sh.
# shellcheck shell=bash disable=SC2034
cluster_id=yVoVNzLRQ3aKimPUVw3x0A # any 16 bytes in base64url
java_options=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
  -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info)
