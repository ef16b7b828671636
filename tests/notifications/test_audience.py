"""Who a notification is for: ids that stay text on their way are the same people as a set of numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.errors import NotFound
from tidings.notifications import audience
from tidings.notifications.audience import Directory, people_of, resolve
from tidings.notifications.draft import Draft, draft_of
from tidings.notifications.structs import Audience, NewNotification

NAMES = [f"name-{number}" for number in range(12)]
TOPICS = ["few", "some", "many"]
INNER = {name: number for number, name in enumerate(NAMES, 100)}
inner_ids = st.sets(st.integers(95, 125), max_size=20)


def drafted(names: list[str], topics: list[str], everyone: bool) -> Draft:
    to = [*names, *(Audience(topic=topic) for topic in topics), *([Audience(everyone=True)] if everyone else [])]
    return draft_of(NewNotification(to=to, title="x"), datetime.now(UTC))


@given(
    names=st.lists(st.sampled_from(NAMES), unique=True, max_size=6),
    topics=st.lists(st.sampled_from(TOPICS), unique=True),
    everyone=st.booleans(),
    members=st.fixed_dictionaries(dict.fromkeys(TOPICS, inner_ids)),
    everybody=inner_ids,
    most=st.integers(6, 40),
)
def test_an_audience_is_resolved_as_a_union_of_sets(names, topics, everyone, members, everybody, most) -> None:  # type: ignore[no-untyped-def]
    if not (names or topics or everyone):
        return
    numbers = {topic: index for index, topic in enumerate(TOPICS, 1)}
    small = {topic: people for topic, people in members.items() if len(people) <= most}
    directory = Directory(
        INNER,
        {topic: (numbers[topic], len(people)) for topic, people in members.items()},
        {numbers[topic]: people_of(people) for topic, people in small.items() if people},
        people_of(everybody if len(everybody) <= most else ()),
        len(everybody),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audience, "MAX_RECIPIENTS", most)
        resolved = resolve(drafted(names, topics, everyone), directory)

    named = {INNER[name] for name in names}
    union = named.union(*(members[topic] for topic in topics), everybody if everyone else ())
    has_large_part = any(topic not in small for topic in topics) or (everyone and len(everybody) > most)
    if has_large_part or len(union) > most:
        assert resolved.is_large
        assert resolved.recipients.ids == sorted(named)
    else:
        assert not resolved.is_large
        assert resolved.recipients.ids == sorted(union)
        assert resolved.size == len(union)


def test_an_unknown_topic_is_named() -> None:
    with pytest.raises(NotFound, match="'few'"):
        resolve(drafted([], ["few"], False), Directory({}, {}, {}, people_of(()), 0))
