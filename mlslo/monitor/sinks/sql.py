"""Settings of logs in a database or in a lake of files."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from mlslo.yamlfile import Duration, Name, Shape, StrictModel, did_you_mean

_SCHEMES = ("postgresql", "postgres", "duckdb")
_URL = r"^(postgres(ql)?://|duckdb:)"
_TABLE = r"^(delta|iceberg):.+$"
_SECRETS = ("password", "sslpassword")
_BEGINNINGS = ("select", "with", "values", "table", "from")
_BEFORE_FIRST_WORD = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/|\()*", re.DOTALL)


def _as_url(text: str) -> str:
    scheme, found, rest = text.partition(":")
    if not found or scheme not in _SCHEMES:
        near = did_you_mean(scheme, _SCHEMES) if found else ""
        # Without what follows the scheme, which may hold a password.
        raise ValueError(f"expected postgresql://user@host/database or duckdb:///path/to/file.db{near}")
    if scheme != "duckdb":
        parts = urlsplit(text)
        if parts.password is not None or any(key in _SECRETS for key, _ in parse_qsl(parts.query)):
            raise ValueError("a password in the url; expected it in a file that passwordFile names")
    elif rest.startswith("//") and rest[2:3] not in ("", "/"):
        raise ValueError(f"expected duckdb:///absolute/path, duckdb:relative/path or duckdb://, got '{text}'")
    return text


def _as_query(text: str) -> str:
    begins = _BEFORE_FIRST_WORD.match(text)
    word = re.match(r"\w*", text[begins.end() if begins else 0 :])
    if word is None or word[0].lower() not in _BEGINNINGS:
        raise ValueError(f"expected a query that begins with SELECT or WITH, got '{text[:40]}'")
    return text.rstrip().removesuffix(";")


def _as_table(text: str) -> str:
    if not re.fullmatch(_TABLE, text):
        raise ValueError(f"expected delta:path or iceberg:path, got '{text}'")
    return text


def _form(value: Any) -> str:
    return "number" if isinstance(value, int) else "duration"


class SqlSink(StrictModel):
    """Rows of a query: PostgreSQL, DuckDB, Parquet, CSV and JSON files, Delta and Iceberg tables."""

    url: Annotated[str, AfterValidator(_as_url), Shape(pattern=_URL)] = Field(
        description="`postgresql://user@host/database`, with parameters as libpq has them; `duckdb:///path/to/file`, "
        "read-only (`duckdb:file` is relative to this file); or `duckdb://` for files that the query names.",
    )
    query: Annotated[str, AfterValidator(_as_query), Field(min_length=1)] = Field(
        description="A SELECT. Each of its rows is a record, each column a field. It has no ORDER BY, LIMIT or bounds: "
        "the exporter adds them.",
    )
    cursor: Name = Field(
        description="The column that new rows raise: a timestamp, a date or a whole number, with an index."
    )
    id: Name | None = Field(
        None,
        description="The column that tells rows of one cursor value apart. Where it is not given, all of a row does.",
    )
    lookback: (
        Annotated[
            Annotated[Duration, Tag("duration")] | Annotated[int, Field(ge=0), Tag("number")],
            Discriminator(_form),
        ]
        | None
    ) = Field(
        None,
        description="How far behind the highest cursor rows still arrive: a duration, or an amount where the cursor is "
        "a number. Where it is not given: 10m, a day of dates, 10000.",
    )
    passwordFile: str | None = Field(None, description="A file that holds the password of the url's user.")
    tables: dict[Name, Annotated[str, AfterValidator(_as_table), Shape(pattern=_TABLE)]] = Field(
        default_factory=dict,
        description="Names of the query that are tables of a lake: `delta:/path/to/table`, or `iceberg:/path` to a "
        "table or one of its metadata files. With `duckdb:` only.",
    )

    @property
    def is_postgresql(self) -> bool:
        """True where a PostgreSQL server is asked."""
        return not self.url.startswith("duckdb:")

    @model_validator(mode="after")
    def _belong_together(self) -> SqlSink:
        if self.tables and self.is_postgresql:
            raise ValueError("tables are read by duckdb://, not by PostgreSQL")
        if self.passwordFile is not None and not self.is_postgresql:
            raise ValueError("passwordFile is for PostgreSQL; DuckDB has no users")
        return self
