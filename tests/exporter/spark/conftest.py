"""One Spark for all tests of the folder."""

from tests.support.spark import spark as spark
