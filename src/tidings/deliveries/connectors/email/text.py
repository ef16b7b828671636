"""A letter as plain text, for readers that show no HTML."""

from tidings.deliveries.connectors.email.letter import Letter


def text_of(letter: Letter) -> str:
    blocks = [letter.title, *("\n".join(lines) for lines in letter.paragraphs)]
    if letter.link is not None:
        blocks.append(f"{letter.words.open}: {letter.link}")
    # "-- " begins what mail programs show as a signature (RFC 3676 §4.3).
    blocks.append("-- \n" + "\n".join(footer(letter)))
    return "\n\n".join(blocks) + "\n"


def footer(letter: Letter) -> list[str]:
    sent_by = letter.words.sent_by.format(letter.sender)
    return [sent_by] if letter.unsubscribe_url is None else [sent_by, f"{letter.words.unsubscribe}: {letter.unsubscribe_url}"]
