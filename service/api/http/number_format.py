"""Format a count for readers in their language: "999", "2.1K", "2.1M". Counts are cut off, never rounded up."""

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_compact_decimal, parse_pattern
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

ENGLISH = Locale("en")
# BCP 47 asks software to accept tags of this length.
MAX_TAG_CHARS = 35
MAX_HEADER_CHARS = 400


def display(count: int, locale: Locale) -> str:
    """Return `count` in the locale's compact form, as Intl does: one decimal below ten units, else none."""
    step, decimals = _step(len(str(count)), locale)
    return _compact(count // step * step, decimals, locale)


@lru_cache(maxsize=4_096)
def _compact(count: int, decimals: int, locale: Locale) -> str:
    return format_compact_decimal(Decimal(count), locale=locale, fraction_digits=decimals, numbering_system="default")


@lru_cache(maxsize=1_024)
def locale_of(tag: str) -> Locale | None:
    """Return the locale of a language tag, or of its language alone. None if both are unknown."""
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
    """Return the first known locale of an Accept-Language header. English if there is none."""
    if len(accept_language) > MAX_HEADER_CHARS:
        return ENGLISH
    wanted = parse_accept_header(accept_language, LanguageAccept)
    found = (locale_of(tag) for tag, quality in wanted if quality > 0)
    return next((locale for locale in found if locale), ENGLISH)


@lru_cache(maxsize=4_096)
def _step(digits: int, locale: Locale) -> tuple[int, int]:
    """Return the multiple to which a number with this many digits is truncated, and its number of decimals."""
    smallest = 10 ** (digits - 1)
    unit = _unit(smallest, locale)
    return (unit // 10, 1) if unit > 1 and smallest < 10 * unit else (unit, 0)


def _unit(count: int, locale: Locale) -> int:
    """Return the value of one "K" or "M" at this size. 1 if the locale writes the number out."""
    formats = locale.compact_decimal_formats["short"]["other"]
    magnitude = max((int(size) for size in formats if int(size) <= count), default=0)
    pattern = parse_pattern(formats[str(magnitude)]).pattern if magnitude else "0"
    return 1 if pattern == "0" else magnitude // 10 ** (pattern.count("0") - 1)
