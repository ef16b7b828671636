"""A letter as HTML.

`page.mjml` becomes tables that Outlook, too, draws as meant: once for each shape of letter, with the places of its texts left open. What
people wrote is put into the finished page, escaped; MJML never reads it. No picture, no font from elsewhere, nothing that tells who reads.
"""

from functools import cache
from html import escape
from pathlib import Path
from string import Template

from mjml import mjml2html

from tidings.deliveries.connectors.email.letter import Letter
from tidings.deliveries.languages import Direction

PAGE = Template(Path(__file__).with_name("page.mjml").read_text())
CATEGORY = '<mj-text css-class="faint" color="#6b7280" font-size="13px"><p dir="$direction" style="margin:0 0 8px">$category</p></mj-text>'
BUTTON = (
    '<mj-button href="$link" align="$start" background-color="#1d4ed8" color="#ffffff" border-radius="8px" font-size="16px" '
    'font-weight="600" inner-padding="12px 24px" padding="8px 32px 16px">$open</mj-button>'
)
PREVIEW_CHARACTERS = 140


def html_of(letter: Letter) -> str:
    compiled = page_with(letter.direction, has_category=letter.category is not None, has_button=letter.link is not None)
    return compiled.substitute(
        language=escape(letter.language),
        title=escape(letter.title),
        preview=escape(preview(letter)),
        category=escape(letter.category or ""),
        paragraphs="".join(paragraph(lines, letter.direction) for lines in letter.paragraphs),
        link=escape(letter.link or ""),
        open=escape(letter.words.open),
        footer=footer(letter),
    )


@cache
def page_with(direction: Direction, *, has_category: bool, has_button: bool) -> Template:
    """Its places left open. MJML asks about the direction, so there is a page for each."""
    shape = {"direction": direction, "start": "right" if direction == "rtl" else "left"}
    parts = {
        "category": Template(CATEGORY).safe_substitute(shape) if has_category else "",
        "button": Template(BUTTON).safe_substitute(shape) if has_button else "",
    }
    return Template(mjml2html(PAGE.safe_substitute(shape | parts), disable_comments=True, fonts={}))


def preview(letter: Letter) -> str:
    """What lists show beside the subject."""
    return " ".join(line for lines in letter.paragraphs for line in lines)[:PREVIEW_CHARACTERS]


def paragraph(lines: list[str], direction: Direction) -> str:
    return f'<p dir="{direction}" style="margin:0 0 16px">{"<br>".join(map(escape, lines))}</p>'


def footer(letter: Letter) -> str:
    # Set apart, or a name in Latin letters would take the full stop of an Arabic sentence along.
    sent_by = letter.words.sent_by.format(f"<bdi>{escape(letter.sender)}</bdi>")
    if letter.unsubscribe_url is None:
        return sent_by
    link = f'<a href="{escape(letter.unsubscribe_url)}" style="color:#6b7280">{escape(letter.words.unsubscribe)}</a>'
    return f"{sent_by} {link}"
