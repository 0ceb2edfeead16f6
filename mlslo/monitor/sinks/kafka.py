"""Settings of a topic of Kafka."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mlslo.monitor.sinks.access import Credentials, Tls
from mlslo.yamlfile import StrictModel

# What positions rest on, and what is never to be written into a monitor file.
_OWN = (
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.",
    "group.id",
    "group.protocol",
    "isolation.level",
    "partition.assignment.strategy",
    "plugin.",
    "sasl.",
    "security.protocol",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.key.p",
    "ssl.keystore.password",
    "test.mock.",
)


class Sasl(StrictModel):
    """User of a cluster."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        description="How the password is proved. With `PLAIN` it is sent as it is: use `tls` as well."
    )
    username: str = Field(min_length=1, description="The user.")
    passwordFile: str = Field(min_length=1, description="A file that holds the password.")


class SchemaRegistry(StrictModel):
    """Server that knows the schemas of Avro and Protobuf records."""

    url: str = Field(pattern=r"^https?://", description="Its address, such as `https://registry:8081`.")
    tls: Tls | None = Field(None, description="Whom to trust, and the client's own certificate.")
    credentials: Credentials | None = Field(None, description="Who asks.")


class KafkaSink(StrictModel):
    """Records of one topic: a share of its partitions by a consumer group, or partitions that are fixed."""

    brokers: list[str] | str = Field(
        min_length=1,
        description="`host:port` of some brokers, as a list or separated by commas; they name the others.",
    )
    topic: str = Field(
        pattern=r"^[a-zA-Z0-9._-]{1,249}$", description="The topic whose messages are the records, one each."
    )
    group: str | None = Field(
        None,
        min_length=1,
        description="The consumer group in which replicas of this exporter share the partitions. Nobody else may be in "
        "it. Without a state directory, and for references of the first records, the topic is read whole instead.",
    )
    partitions: Literal["all"] | list[int] | None = Field(
        None,
        description="Instead of `group`: the partitions to read, such as `[0, 3]`, or `all`, which is the default.",
    )
    tls: Tls | None = Field(None, description="Connect by TLS; `{}` trusts whom the system trusts.")
    sasl: Sasl | None = Field(None, description="Say who connects.")
    format: Literal["json", "avro", "protobuf"] = Field(
        "json",
        description="How values are written. `avro` and `protobuf` begin with the id of a schema in `schemaRegistry`.",
    )
    schemaRegistry: SchemaRegistry | None = Field(
        None, description="Where `avro` and `protobuf` find schemas."
    )
    options: dict[str, str | int | bool] = Field(
        {},
        description="Further properties of librdkafka, such as `session.timeout.ms`; none that the exporter sets "
        "itself, and no secrets.",
    )

    @model_validator(mode="after")
    def _fits(self) -> KafkaSink:
        if self.group is not None and self.partitions is not None:
            raise ValueError("expected group or partitions, got both")
        if self.partitions is not None and self.partitions != "all":
            if not self.partitions or len(set(self.partitions)) < len(self.partitions):
                raise ValueError("expected partitions once each")
            if min(self.partitions) < 0:
                raise ValueError("partitions are numbered from 0")
        if (self.format == "json") != (self.schemaRegistry is None):
            raise ValueError("format avro or protobuf and schemaRegistry come together")
        for name in self.options:
            if name.startswith(_OWN):
                raise ValueError(f"options: {name} is set by the exporter, or is a secret")
        return self

    @property
    def servers(self) -> str:
        """The brokers, separated by commas."""
        return self.brokers if isinstance(self.brokers, str) else ",".join(self.brokers)
