"""The docs name every setting of their subject, with the default that it has, and every attribute of the button."""

import re
from pathlib import Path

from pydantic import SecretStr

from service.settings import Settings

ROOT = Path(__file__).parents[2]
IDENTITY = (ROOT / "docs/identity.md").read_text()
BUTTON = (ROOT / "docs/button.md").read_text()
SCRIPT = (ROOT / "service/static/like-button.js").read_text()


def default_of(name: str) -> str:
    """A setting's default, as the docs write it."""
    value = Settings.model_fields[name].default
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    text = ",".join(value) if isinstance(value, list) else str(value)
    return f"`{text}`" if text else "none"


def test_identity_has_each_setting_with_its_default():
    rows = dict(re.findall(r"^\| `LIKEWISE_(\w+)` \| (.+?) \|", IDENTITY, re.MULTILINE))
    about = r"secret|sites|api_keys|jw|limit|proxies"
    expected = {name.upper(): default_of(name) for name in Settings.model_fields if re.search(about, name)}
    assert rows == expected


def test_what_identity_shows_of_a_user_is_so():
    from service.security.actors import actor_of_user

    shown, actor = re.search(r"`([^`]+)` is `(user:[^`]+)`", IDENTITY).groups()
    assert actor_of_user(shown) == actor


def test_the_buttons_page_has_each_attribute_part_property_and_event():
    attributes = set(re.findall(r'(?:get|has)Attribute\("([a-z-]+)"', SCRIPT)) | set(
        re.findall(r'^  "([a-z-]+)":', SCRIPT, re.M)
    )
    parts = {f"::part({name})" for name in re.findall(r'part(?:: |\.toggle\()"([a-z]+)"', SCRIPT)}
    properties = set(re.findall(r"var\((--likewise-[a-z-]+)", SCRIPT))
    assert min(len(attributes), len(parts), len(properties)) > 3
    named = attributes | parts | properties | {"like", "unlike", "error"}
    assert not {name for name in named if f"`{name}`" not in BUTTON}


def test_the_buttons_texts_are_those_it_has():
    texts = dict(re.findall(r'^  "([a-z-]+)": "([^"]+)"', SCRIPT, re.MULTILINE))
    shown = dict(re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \|", BUTTON, re.MULTILINE))
    assert texts == {name: shown.get(name) for name in texts}
