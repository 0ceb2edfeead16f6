"""Spark session: of the cluster that the command was submitted to, or on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from exporter.extras import needs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Whoever sets one of these has said where Spark runs, and how it logs.
_CONFIGURED = ("MASTER", "PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_HOME")
_LOGGING = Path(__file__).parent / "log4j2.properties"
# Java hands bytes to Python: to compile its queries, and to plan them again and again, takes longer than they run.
_UNCOMPILED = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
}
_PANDAS = "PySpark does not yet fully support pandas"


class SparkError(Exception):
    """Spark that cannot be started, or a job that failed, with the reason in a line."""


@contextmanager
def spark_session(
    master: str | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[SparkSession]:
    """A session with settings of its own: of the context that runs already, else of one that ends with the block.

    ``master``: as ``--spark.master`` has it. Where it is None: that of ``spark-submit`` or of Spark's configuration,
    else all cores of this machine. ``settings``: of this session, such as ``spark.sql.shuffle.partitions``; of
    Spark itself where it is started here. Raises SparkError where pyspark or Java is missing, or Spark does not start.
    """
    with _without_warnings():
        try:
            # mapInArrow asks for pandas, whether or not it is used.
            import pandas as pandas
            import pyarrow as pyarrow
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise SparkError(f"--engine spark {needs('spark')}: {error}") from None
        running = SparkSession.getActiveSession()
        if running is not None:
            session = running.newSession()
            for name, value in settings.items():
                session.conf.set(name, value)
            yield session
            return
        _needs_java()
        builder: Any = SparkSession.builder.appName("mlslo")
        for name, value in {**_defaults(master), **settings}.items():
            builder = builder.config(name, value)
        try:
            session = builder.getOrCreate()
        except (PySparkException, OSError) as error:
            raise SparkError(f"Spark does not start: {reason(error)}") from None
        try:
            yield session
        finally:
            with suppress(Exception):
                session.stop()


@contextmanager
def explained() -> Iterator[None]:
    """Raise SparkError, with the reason in a line, for whatever Spark raises inside."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith(("pyspark", "py4j")):
            raise SparkError(reason(error)) from None
        raise


def reason(error: BaseException) -> str:
    """Return what Spark says in its first line; of an error of Python in a task, the last line of its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    traceback = next((row for row, line in enumerate(lines) if line.startswith("Traceback")), None)
    if traceback is not None:
        for line in lines[traceback + 1 :]:
            name, colon, said = line.partition(": ")
            # Lines of a traceback name files; the error's own begins with its class.
            if colon and name.replace(".", "").replace("_", "").isalnum() and not name.startswith("File"):
                return said
    return lines[0] if lines else type(error).__name__


def _defaults(master: str | None) -> dict[str, str]:
    """Return the settings of a Spark that is started here, as far as nobody has said something else."""
    configured = any(name in os.environ for name in _CONFIGURED)
    if master is None and not configured:
        master = "local[*]"
    found = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    if master is not None:
        found["spark.master"] = master
    if not configured:
        found["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile=file:{_LOGGING}"
    if master is not None and master.startswith("local"):
        # Nobody else needs to reach it.
        found |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if not configured:
            found["spark.driver.extraJavaOptions"] += " -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
            found |= _UNCOMPILED
    return found


def _needs_java() -> None:
    """Raise SparkError where Spark would find no Java."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java") or "PYSPARK_GATEWAY_PORT" in os.environ):
        raise SparkError("--engine spark needs Java 17 or newer, on PATH or at JAVA_HOME")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep quiet about a pandas that is newer than pyspark knows: none of it is used here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_PANDAS, category=FutureWarning)
        yield
