"""The settings of the decision, and their old names."""

import pytest

from autoscaler.controller.run_settings import RunSettings
from autoscaler.errors import ConfigurationError
from autoscaler.settings import PREFIX, RENAMED, Settings, read_settings, settings_from_environment


def set_old(monkeypatch: pytest.MonkeyPatch, old: str, value: str) -> None:
    """Set an old name only. The new one, which the call sets, is removed after the test."""
    monkeypatch.setenv(RENAMED[old], value)
    monkeypatch.delenv(RENAMED[old])
    monkeypatch.setenv(old, value)


def test_a_setting_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}STABILIZATION_S", "45")
    assert settings_from_environment().stabilization_s == 45


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_works_with_a_warning_that_names_the_new_one(monkeypatch, capsys, old, new):
    field = new.removeprefix(PREFIX).lower()
    kind = Settings if field in Settings.model_fields else RunSettings
    # 0.68 lies between the two utilizations, whose order is checked.
    value = 0.68 if field.endswith("_utilization") else getattr(kind(), field) * 0.9 + 0.5
    set_old(monkeypatch, old, str(value))
    assert getattr(read_settings(kind), field) == pytest.approx(value)
    assert f"{old} was renamed to {new}" in capsys.readouterr().err


def test_an_error_names_the_new_name(monkeypatch):
    set_old(monkeypatch, f"{PREFIX}HOLD_S", "-1")
    with pytest.raises(ConfigurationError, match=f"{PREFIX}STABILIZATION_S"):
        settings_from_environment()
