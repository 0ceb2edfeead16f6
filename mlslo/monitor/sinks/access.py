"""Settings of a connection to a server: TLS, and how the exporter says who it is. Secrets come from files only."""

from __future__ import annotations

from pydantic import Field, model_validator

from mlslo.yamlfile import StrictModel


class Tls(StrictModel):
    """TLS of a client. Paths are relative to the monitor file; files are read again when a connection is made."""

    caFile: str | None = Field(
        None, description="Certificates of whom to trust; those of the system, where not given."
    )
    certFile: str | None = Field(
        None, description="The client's own certificate, where the server asks for one."
    )
    keyFile: str | None = Field(None, description="The key of `certFile`.")

    @model_validator(mode="after")
    def _certificate_has_key(self) -> Tls:
        if (self.certFile is None) != (self.keyFile is None):
            raise ValueError("certFile and keyFile come together")
        return self


class Credentials(StrictModel):
    """A user and a password, or a token."""

    username: str | None = Field(None, description="The user; needs `passwordFile`.")
    passwordFile: str | None = Field(None, description="A file that holds the password of `username`.")
    tokenFile: str | None = Field(None, description="A file that holds a bearer token, instead of a user.")

    @model_validator(mode="after")
    def _one_way(self) -> Credentials:
        if (self.username is None) != (self.passwordFile is None):
            raise ValueError("username and passwordFile come together")
        if (self.username is None) == (self.tokenFile is None):
            raise ValueError("expected username and passwordFile, or tokenFile")
        return self
