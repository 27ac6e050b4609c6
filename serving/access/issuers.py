"""Whose bearer tokens are accepted: the file that `TMS_RESPONSE_TOKENS` names.

public_url = "https://tms.example.org"       # what callers call this service

[[issuers]]
issuer = "https://ehr.example.org"           # the token's `iss`, exactly
keys = "ehr-jwks.json"                       # a file beside, or one https address
scopes = ["predict"]
audiences = []                               # exact; none: the address that was asked
jku = ["https://ehr.example.org/jwks.json"]  # accepted in a token's header, never fetched
"""

import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data_schemas.errors import ConfigurationError, field_problems
from serving.access.callers import Scope
from serving.access.local import is_loopback

_STRICT = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_Text = Annotated[str, Field(min_length=1)]


class Issuer(BaseModel):
    """Somebody whose tokens are accepted."""

    model_config = _STRICT

    issuer: _Text = Field(description="The token's `iss`, exactly.")
    keys: _Text = Field(description="Its public keys (JWKS): a file beside, or an address.")
    scopes: tuple[Scope, ...] = Field(description="What its tokens may do.", min_length=1)
    audiences: tuple[str, ...] = Field(
        default=(), description="Accepted `aud`, exactly; none: the address that was asked."
    )
    jku: tuple[str, ...] = Field(
        default=(), description="Addresses accepted as `jku` in a header; none is ever fetched."
    )
    leeway_seconds: float = Field(
        default=30.0, ge=0, le=300, description="How far the clocks may be apart."
    )
    maximum_lifetime_seconds: float = Field(
        default=3600.0, gt=0, le=86400, description="From `iat` to `exp`, at most."
    )

    @field_validator("keys")
    @classmethod
    def _fetched_safely(cls, keys: str) -> str:
        address = urlsplit(keys)
        if address.scheme in {"", "https"}:
            return keys
        if address.scheme == "http" and is_loopback(address.hostname or ""):
            return keys
        raise ValueError("must be a file, or an https address")

    @property
    def fetched(self) -> bool:
        """Whether the keys are fetched from an address."""
        return bool(urlsplit(self.keys).scheme)


class TokenSettings(BaseModel):
    """Which tokens are accepted."""

    model_config = _STRICT

    public_url: str = Field(
        pattern=r"^https?://[^/?#]+(/[^?#]*[^/?#])?$",
        description="What callers call this service, without a slash at the end.",
    )
    issuers: tuple[Issuer, ...] = Field(min_length=1, description="Whose tokens are accepted.")


def read_token_settings(path: Path) -> TokenSettings:
    """Read the settings of tokens; files of keys are looked for beside them.

    Raises
    ------
    ConfigurationError
        Naming what is wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} is absent or cannot be read.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from None
    try:
        settings = TokenSettings.model_validate(content)
    except ValidationError as error:
        problems = field_problems(error)
        raise ConfigurationError(f"{path} is not valid.", problems) from None
    beside = [
        each if each.fetched else each.model_copy(update={"keys": str(path.parent / each.keys)})
        for each in settings.issuers
    ]
    return settings.model_copy(update={"issuers": tuple(beside)})
