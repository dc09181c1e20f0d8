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


def display(count: int, locale: Locale) -> str:
    """`count` in the locale's compact form: one decimal below ten units, none from there, as Intl does."""
    step, decimals = _step(len(str(count)), locale)
    return _compact(count // step * step, decimals, locale)


@lru_cache(maxsize=4_096)
def _compact(count: int, decimals: int, locale: Locale) -> str:
    return format_compact_decimal(Decimal(count), locale=locale, fraction_digits=decimals, numbering_system="default")


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


@lru_cache(maxsize=4_096)
def _step(digits: int, locale: Locale) -> tuple[int, int]:
    """What a number of so many digits is cut off to a multiple of, and the decimals it then has."""
    smallest = 10 ** (digits - 1)
    unit = _unit(smallest, locale)
    return (unit // 10, 1) if unit > 1 and smallest < 10 * unit else (unit, 0)


def _unit(count: int, locale: Locale) -> int:
    """What one "K" or "M" stands for at this size; 1 where the locale writes the number out."""
    formats = locale.compact_decimal_formats["short"]["other"]
    magnitude = max((int(size) for size in formats if int(size) <= count), default=0)
    pattern = parse_pattern(formats[str(magnitude)]).pattern if magnitude else "0"
    return 1 if pattern == "0" else magnitude // 10 ** (pattern.count("0") - 1)
