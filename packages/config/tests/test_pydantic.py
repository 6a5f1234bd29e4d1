"""pydantic and pydantic-settings as guests: `Secret` is a field type, and files work."""

import os

import pydantic
import pytest
from pydantic_settings import BaseSettings

from pentad_config import ConfigError, Secret, override
from pentad_config.pydantic import SecretSource

VALUE = "s3cr3t-s3cr3t-s3cr3t"


class Guest(BaseSettings):
    model_config = {"env_prefix": "GUEST_"}
    key: Secret
    port: int

    @classmethod
    def settings_customise_sources(cls, settings_cls, init_settings, env_settings, **_):
        return init_settings, SecretSource(settings_cls), env_settings


def test_the_error_about_another_field_does_not_quote_a_secret():
    """pydantic-settings by itself prints the values of all fields when one is missing."""
    with override(GUEST_KEY=VALUE), pytest.raises(pydantic.ValidationError) as caught:
        Guest()
    assert "port" in str(caught.value)
    assert VALUE not in str(caught.value) + repr(caught.value.errors()) + caught.value.json()


def test_a_secret_in_a_model_follows_its_file(tmp_path):
    """The model is frozen in time, the secret in it is not."""
    path = tmp_path / "k"
    path.write_text(VALUE)
    os.utime(path, (1, 1))
    with override(GUEST_KEY_FILE=str(path), GUEST_PORT="1"):
        found = Guest()
    assert found.key.reveal() == VALUE
    path.write_text("another-value")
    os.utime(path, (2, 2))
    found.key._source.read(force=True)
    assert found.key.reveal() == "another-value"


def test_a_variable_and_its_file_together_are_an_error():
    """As for our own settings classes."""
    message = "key: both GUEST_KEY and GUEST_KEY_FILE are set. Unset one."
    with override(GUEST_KEY=VALUE, GUEST_KEY_FILE="/k", GUEST_PORT="1"), pytest.raises(ConfigError, match=message):
        Guest()


def test_what_is_no_secret_is_refused_without_showing_it():
    """The type is wrong; the content stays out of the message's own text."""
    with pytest.raises(pydantic.ValidationError, match="text, bytes or a Secret is needed"):
        Guest(key=12345, port=1)


@pytest.mark.parametrize("wrong", [[VALUE], {"a": VALUE}, (VALUE,)], ids=lambda wrong: type(wrong).__name__)
def test_a_secret_inside_of_what_is_no_secret_is_not_shown(wrong):
    """A configuration file may hold a list where one text is wanted; the error tells its type and field."""

    class Plain(pydantic.BaseModel):
        key: Secret

    with pytest.raises(pydantic.ValidationError) as caught:
        Plain(key=wrong)
    (error,) = caught.value.errors()
    assert (error["loc"], error["type"]) == (("key",), "secret_type")
    assert error["input"] == f"<{type(wrong).__name__}: redacted>"
    assert VALUE not in str(caught.value) + repr(caught.value.errors()) + caught.value.json()


def test_a_model_of_text_hides_its_input_when_a_field_is_missing():
    """With the option of pydantic's that the module's documentation names."""

    class Plain(pydantic.BaseModel):
        model_config = {"hide_input_in_errors": True}
        key: Secret
        port: int

    with pytest.raises(pydantic.ValidationError, match="port") as caught:
        Plain(key=VALUE)
    assert VALUE not in str(caught.value)


def test_dumps_show_the_marker():
    """In Python and in JSON, also in the schema's serialisation of bytes."""
    found = Guest(key=VALUE.encode(), port=1)
    assert found.key.data() == VALUE.encode()
    assert found.model_dump(mode="json") == {"key": "<Secret secret: redacted>", "port": 1}
    assert VALUE not in found.model_dump_json() + repr(found) + repr(vars(found))


def test_a_model_s_json_schema_says_that_it_is_a_password():
    """OpenAPI pages and forms hide what is typed into it."""
    properties = Guest.model_json_schema()["properties"]
    assert properties["key"] == {"format": "password", "type": "string", "writeOnly": True, "title": "Key"}
