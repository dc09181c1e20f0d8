"""Counts for readers, which are never more than the real count."""

import pytest
from babel import Locale, localedata
from hypothesis import given
from hypothesis import strategies as st

from service.api.http.number_format import ENGLISH, display, locale_of, preferred_locale

UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1K"),
        (1_099, "1K"),
        (2_199, "2.1K"),
        (9_999, "9.9K"),
        (10_999, "10K"),
        (999_999, "999K"),
        (1_000_000, "1M"),
        (1_999_999, "1.9M"),
        (2_199_999, "2.1M"),
        (999_999_999, "999M"),
        (1_999_999_999, "1.9B"),
    ],
)
def test_display_in_english(count, shown):
    assert display(count, ENGLISH) == shown


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("de", "1,9\xa0Mio."),
        ("fr", "1,9\xa0M"),
        ("ja", "199万"),
        ("hi", "19\xa0लाख"),
        ("ar-EG", "1\u066b9\xa0مليون"),
    ],
)
def test_display_in_other_languages(tag, shown):
    assert display(1_999_999, locale_of(tag)) == shown


@given(st.integers(0, 10**15 - 1))
def test_the_display_is_never_above_the_count_and_within_a_tenth(count):
    text = display(count, ENGLISH)
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1] in UNITS else (text, 1)
    shown = round(float(number) * 10) * unit / 10
    assert shown <= count
    assert count - shown < max(1, unit if shown >= 10 * unit else unit / 10)


@given(st.sampled_from(localedata.locale_identifiers()), st.integers(0, 2**53))
def test_every_locale_shows_something(identifier, count):
    assert any(char.isdigit() for char in display(count, Locale.parse(identifier)))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("xx, de;q=0.4, fr;q=0.6", "fr"),
        ("fr;q=0, de;q=0.1", "de"),
        ("de-XX", "de"),
        ("zh-TW", "zh"),
        ("../../etc/passwd, \xff;q=x", "en"),
        ("de," * 10_000, "en"),
    ],
)
def test_the_first_known_language_is_used(header, language):
    assert preferred_locale(header).language == language


@pytest.mark.parametrize("tag", ["", "nowhere", "..", "a\0", "x" * 10_000, "_", "-"])
def test_unknown_tags_have_no_locale(tag):
    assert locale_of(tag) is None
