"""Raw text fields -> the text an encoder reads."""

import html
import re
from collections.abc import Mapping

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import single_spaced

PAPER, RELEASED = NAMED = ("title-category-brand", "title-brand-description")
_SCRIPT = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.I | re.S)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b\ufeff]+")
_FIELD = re.compile(r"\{([^{}]+)\}")
_ENDS = (".", "!", "?")


def clean(text: str) -> str:
    """Text without HTML entities, tags and scripts, its blanks made single; "a < b" stays."""
    # entities may hide tags ("&lt;b&gt;") and other entities ("&amp;quot;")
    unescaped = html.unescape(html.unescape(text))
    plain = _TAG.sub(" ", _SCRIPT.sub(" ", unescaped)) if "<" in unescaped else unescaped
    return single_spaced(plain, _BLANK)


def text_fields(form: str) -> tuple[str, ...]:
    """Names of the fields that the text ``form`` uses."""
    if form in NAMED:
        return tuple(form.split("-"))
    names = tuple(_FIELD.findall(form))
    if not names:
        raise UserError(f"text: {form!r} is neither {PAPER}, {RELEASED} nor a template with {{field}}")
    return names


def compose(form: str, token: str, fields: Mapping[str, str]) -> str:
    """Return an item's text; empty if none of its fields says anything.

    ``title-category-brand``: the cleaned fields as sentences, as the paper says. ``title-brand-description``:
    the released code's string, uncleaned, with the token where there is nothing. Else a template over
    cleaned fields such as ``Title: {title}. Genres: {genres}.``
    """
    if form == RELEASED:
        return _released(token, fields)
    cleaned = {name: clean(fields.get(name, "")) for name in text_fields(form)}
    if not any(cleaned.values()):
        return ""
    if form == PAPER:
        return " ".join(text if text.endswith(_ENDS) else f"{text}." for text in cleaned.values() if text)
    return single_spaced(_FIELD.sub(lambda match: cleaned[match[1]], form), _BLANK)


def _released(token: str, fields: Mapping[str, str]) -> str:
    names = [name for name in text_fields(RELEASED) if fields.get(name)]
    if not names:
        return f"Asin: {token} ; "
    return "".join(f"{name.capitalize()}: {fields[name]} ; " for name in names)
