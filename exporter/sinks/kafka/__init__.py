"""A topic of Kafka: its partitions, the claims of replicas on them, the values of its messages.

From outside: ``KafkaSink``.
"""

from exporter.sinks.kafka.sink import KafkaSink

__all__ = ["KafkaSink"]
