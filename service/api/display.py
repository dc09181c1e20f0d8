"""A count as people read it, in their language: "999", "2.1K", "2.1M". Cut off, never rounded up past the truth."""

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_compact_decimal, parse_pattern
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

ENGLISH = Locale("en")
MAX_TAG_CHARS = 35  # BCP 47 asks software to keep tags of this length
MAX_HEADER_CHARS = 400
_DIGITS_SHOWN = 4  # at most, in any locale ("1234万"): a rising count finds its form made already, nine times in ten


def display(count: int, locale: Locale) -> str:
    """`count` in the locale's compact form: one decimal below ten units, none from there, as Intl does."""
    cut = 10 ** max(0, len(str(count)) - _DIGITS_SHOWN)
    return _compact(count // cut * cut, locale)


@lru_cache(maxsize=16_384)
def _compact(count: int, locale: Locale) -> str:
    unit = _unit(count, locale)
    digits = 1 if unit > 1 and count < 10 * unit else 0
    step = unit // 10 if digits else unit
    return format_compact_decimal(
        Decimal(count // step * step), locale=locale, fraction_digits=digits, numbering_system="default"
    )


@lru_cache(maxsize=1_024)
def locale_of(tag: str) -> Locale | None:
    """The locale of a language tag, or of its language where the region is unknown; None where that is too."""
    if len(tag) > MAX_TAG_CHARS:
        return None
    for candidate in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(candidate.replace("-", "_"))
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None


@lru_cache(maxsize=1_024)
def preferred_locale(accept_language: str) -> Locale:
    """The first locale of an Accept-Language header that is known; English where none is."""
    if len(accept_language) > MAX_HEADER_CHARS:
        return ENGLISH
    wanted = parse_accept_header(accept_language, LanguageAccept)
    found = (locale_of(tag) for tag, quality in wanted if quality > 0)
    return next((locale for locale in found if locale), ENGLISH)


def _unit(count: int, locale: Locale) -> int:
    """What one "K" or "M" stands for at this size; 1 where the locale writes the number out."""
    formats = locale.compact_decimal_formats["short"]["other"]
    magnitude = max((int(size) for size in formats if int(size) <= count), default=0)
    pattern = parse_pattern(formats[str(magnitude)]).pattern if magnitude else "0"
    return 1 if pattern == "0" else magnitude // 10 ** (pattern.count("0") - 1)
