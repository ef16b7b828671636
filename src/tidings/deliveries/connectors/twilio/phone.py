"""Phone numbers as E.164 has them: a plus and at most fifteen digits."""

import re

E164 = re.compile(r"\+[1-9][0-9]{1,14}")
# As people write them between the digits. "(0)" is what callers from abroad leave out.
ORNAMENTS = re.compile(r"\(0\)|[ ().-]")


def e164(phone: str | None) -> str | None:
    """None for what is no number of the whole world, which begins with a plus: which country 030… is in, nobody says."""
    number = ORNAMENTS.sub("", phone or "")
    return number if E164.fullmatch(number) else None
