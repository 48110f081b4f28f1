"""Settings of the service: where they come from, what they refuse, and that they are documented."""

import re
from pathlib import Path

import pytest

from ferkit.errors import ConfigError
from ferkit.serving.settings import ServingSettings
from tests.toys.server import ROOT, TOKEN


def test_settings_are_documented():
    page = (ROOT / "docs" / "guides" / "serving.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", page, re.MULTILINE))
    defaults = {name: field.default for name, field in ServingSettings.model_fields.items()}
    expected = {
        name: "none" if value is None else "empty" if value == "" else f"`{value}`" for name, value in defaults.items()
    }
    assert rows == expected


def test_settings_from_the_environment():
    settings = ServingSettings(token=TOKEN, port=81, rate_limit=0, bundle=Path("x"), host="::1")
    assert ServingSettings.from_environment({**settings.to_environment(), "PATH": "/bin"}) == settings
    assert ServingSettings.from_environment({"FERKIT_SERVE_PORT": ""}) == ServingSettings()
    assert TOKEN not in repr(settings)
    for name, value in (("PORT", "x"), ("PROT", "1"), ("TOKEN", "short"), ("MOST_PIXELS", "1")):
        with pytest.raises(ConfigError, match=f"FERKIT_SERVE_{name}: "):
            ServingSettings.from_environment({f"FERKIT_SERVE_{name}": value})


def test_an_upload_may_take_as_long_as_the_longest_pause():
    with pytest.raises(ConfigError, match="FERKIT_SERVE_UPLOAD_SECONDS: 120 s, expected at least body_seconds, 200 s"):
        ServingSettings.from_environment({"FERKIT_SERVE_BODY_SECONDS": "200"})


@pytest.mark.parametrize("token", ["twelve=twelve", "zwölf zwölf", " in spaces ", "two\nlines", "short"])
def test_a_token_that_nobody_could_present_is_refused(token):
    with pytest.raises(ConfigError, match=r"FERKIT_SERVE_TOKEN: .*expected"):
        ServingSettings.from_environment({"FERKIT_SERVE_TOKEN": token})


@pytest.mark.parametrize(
    ("host", "given", "limit"),
    [
        ("127.0.0.1", None, 0),
        ("localhost", None, 0),
        ("::1", None, 0),
        ("0.0.0.0", None, 1200),
        ("0.0.0.0", 0, 0),
        ("127.0.0.1", 7, 7),
    ],
)
def test_who_can_be_reached_from_outside_has_a_limit(host, given, limit):
    assert ServingSettings(host=host, rate_limit=given).requests_a_minute == limit
