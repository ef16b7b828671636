"""Placeholders: what they fill in, and what they cannot reach."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.sources.money import money
from tidings.sources.paths import Event
from tidings.sources.templates import CannotFill, fill, fill_url, fill_value, parse

BODY: dict[str, Any] = {
    "number": "A-17",
    "count": 3,
    "ratio": 0.5,
    "paid": True,
    "nothing": None,
    "amount": 4900,
    "currency": "eur",
    "lines": [{"tags": ["first", "second"]}, {"amount": 1}],
    "deep": {"er": {"x-y_z": "here"}},
    "odd": "{{number}} é \\ ../..",
    "huge": 10**3000,
    "0": "zero",
}
EVENT = Event("evt_1", "invoice.paid", BODY)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Nothing to fill", "Nothing to fill"),
        ("", ""),
        ("Invoice {{number}} paid", "Invoice A-17 paid"),
        ("{{ number }}{{count}}", "A-173"),
        ("{{ratio}} {{paid}}", "0.5 true"),
        ("{{lines[0].tags[1]}}", "second"),
        ("{{deep.er.x-y_z}}", "here"),
        ("{{0}}", "zero"),
        ("{{@event}} {{@id}}", "invoice.paid evt_1"),
        ("{ {number} } }}", "{ {number} } }}"),
        # What was filled in is text, and no template.
        ("{{odd}}", "{{number}} é \\ ../.."),
        ("{{amount|money:currency}}", "49.00 EUR"),
        ('{{missing|default:"none"}}', "none"),
        ('{{nothing|default:""}}', ""),
        ('{{number|default:"none"}}', "A-17"),
        (r'{{missing|default:"a \"b\" | }} \u00e9"}}', 'a "b" | }} é'),
        ("{{number|truncate:4}}", "A-17"),
        ("{{number|truncate:3}}", "A-…"),
        ("{{number|truncate:1}}", "…"),
        ('{{missing | truncate:3 | default:"long enough"}}', "long enough"),
        ('{{missing|default:"long enough"|truncate:5}}', "long…"),
        ('{{amount|money:missing|default:"some"}}', "some"),
        ('{{missing|money:currency|default:"some"}}', "some"),
        ("{{amount|money:currency|truncate:5}}", "49.0…"),
    ],
)
def test_a_template_is_filled(template: str, text: str) -> None:
    assert fill(parse(template), EVENT) == text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{missing}}", "no missing"),
        ("{{nothing}}", "no nothing"),
        ("{{number.length}}", "no number.length"),
        ("{{lines[2]}}", "no lines"),
        ("{{lines.0}}", "no lines.0"),
        ("{{deep[0]}}", "no deep"),
        ("{{deep}}", "an object"),
        ("{{lines}}", "an array"),
        ("{{huge}}", "digits"),
        ("{{number|money:currency}}", "no amount"),
        ("{{ratio|money:currency}}", "no amount"),
        ("{{paid|money:currency}}", "no amount"),
        ("{{huge|money:currency}}", "no amount"),
        ("{{amount|money:number}}", "currency"),
        ("{{amount|money:deep}}", "currency"),
        ("{{deep|truncate:5}}", "an object"),
    ],
)
def test_what_an_event_lacks_is_named(template: str, reason: str) -> None:
    with pytest.raises(CannotFill, match=reason):
        fill(parse(template), EVENT)


@pytest.mark.parametrize(
    "path",
    [
        "__class__",
        "number.__class__",
        "number.upper",
        "lines.append",
        "lines[0].__init__.__globals__",
        "deep.er.keys",
        "lines[0].tags.__len__",
    ],
)
def test_a_path_reaches_members_and_nothing_of_python(path: str) -> None:
    with pytest.raises(CannotFill):
        fill(parse("{{" + path + "}}"), EVENT)


@pytest.mark.parametrize(
    "template",
    [
        "{{",
        "{{}}",
        "{{number}",
        "{{number()}}",
        "{{a b}}",
        "{{lines[-1]}}",
        "{{lines[number]}}",
        "{{a..b}}",
        "{{.a}}",
        "{{'a'}}",
        "{{@secret}}",
        "{{@event.x}}",
        "{{number|upper}}",
        "{{number|truncate:0}}",
        "{{number|truncate:x}}",
        "{{number|default:none}}",
        '{{number|default:"\\x"}}',
        "{{number|money}}",
        "{{number|money:1+1}}",
        "{{number|e('x')}}",
        "{{{{number}}}}",
        "{{number\n|\nimport os}}",
        "{{" + ".".join(["a"] * 17) + "}}",
    ],
)
def test_what_is_no_placeholder_is_refused_when_it_is_set(template: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|JSON string"):
        parse(template)


@given(st.text(alphabet='{}|:"\\.[]@ab0 \n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        template = parse(text)
    except ValueError:
        return
    if "{{" not in text:
        assert fill(template, EVENT) == text


def test_a_value_that_stands_alone_keeps_its_type() -> None:
    for path, value in (("count", 3), ("paid", True), ("lines", BODY["lines"]), ("deep", BODY["deep"]), ("number", "A-17")):
        assert fill_value(parse("{{" + path + "}}"), EVENT) == value
    assert fill_value(parse("{{count}} of 5"), EVENT) == "3 of 5"
    assert fill_value(parse('{{count|default:"0"}}'), EVENT) == "3"


def test_in_a_url_only_the_beginning_is_taken_as_it_is() -> None:
    event = Event("evt_1", None, {"page": "https://pay.example.com/i?x=1&y=2", "id": "../a b?c#d&e/é@evil.example"})
    assert fill_url(parse("{{page}}"), event) == "https://pay.example.com/i?x=1&y=2"
    encoded = "..%2Fa%20b%3Fc%23d%26e%2F%C3%A9%40evil.example"
    assert fill_url(parse("https://shop.example.com/{{id}}?q={{id}}"), event) == f"https://shop.example.com/{encoded}?q={encoded}"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (4900, "eur", "49.00 EUR"),
        (5, "USD", "0.05 USD"),
        (-1250, "usd", "-12.50 USD"),
        (-5, "usd", "-0.05 USD"),
        (500, "jpy", "500 JPY"),
        (5124, "kwd", "5.124 KWD"),
        (500, "isk", "5.00 ISK"),
        (10**30, "eur", "1" + "0" * 28 + ".00 EUR"),
        (0, "eur", "0.00 EUR"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert money(amount, currency) == text
