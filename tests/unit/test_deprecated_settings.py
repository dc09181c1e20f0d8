"""A renamed setting is never ignored silently."""

from service.deprecated_settings import accept_old_names, warn

RENAMED = {"LIKEWISE_OLD": "LIKEWISE_NEW"}


def test_an_old_name_works_and_the_warning_names_the_new_one():
    environment = {"LIKEWISE_OLD": "7"}
    [warning] = accept_old_names(RENAMED, environment)
    assert environment["LIKEWISE_NEW"] == "7"
    assert "LIKEWISE_OLD was renamed to LIKEWISE_NEW" in warning


def test_an_old_name_is_reported_once():
    environment = {"LIKEWISE_OLD": "7"}
    accept_old_names(RENAMED, environment)
    assert accept_old_names(RENAMED, environment) == []
    assert environment == {"LIKEWISE_NEW": "7"}


def test_a_new_name_takes_precedence_and_the_old_one_is_reported():
    environment = {"LIKEWISE_OLD": "7", "LIKEWISE_NEW": "8"}
    [warning] = accept_old_names(RENAMED, environment)
    assert environment["LIKEWISE_NEW"] == "8"
    assert "LIKEWISE_OLD is ignored" in warning


def test_there_is_no_warning_if_only_new_names_are_used(capsys):
    warn(accept_old_names(RENAMED, {"LIKEWISE_NEW": "8"}))
    assert capsys.readouterr().err == ""


def test_a_warning_goes_to_standard_error(capsys):
    warn(["one"])
    assert capsys.readouterr().err == "Warning: one\n"
