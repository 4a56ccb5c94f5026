"""Base class of all settings, and the names of their environment variables."""

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SCRIBE_"
# the first edition's names, which deployments have, and what a platform sets
_UNPREFIXED = frozenset({"enhanced_ai_endpoint", "enhanced_ai_api_key", "ecs_agent_uri"})


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return field.upper() if field in _UNPREFIXED else f"{PREFIX}{field.upper()}"


class Settings(BaseSettings):
    """Settings of one concern, read from the variables of the environment and the file `.env`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        # a variable without a value is one that was not set
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
