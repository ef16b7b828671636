"""Piccolo's view of people and topics. The schema itself is in `platform/migrations/`."""

from piccolo.columns import JSONB, BigInt, Integer, Text, Timestamptz
from piccolo.table import Table

from tidings.platform.postgres import ENGINE


class Subscriber(Table, db=ENGINE, tablename="subscribers"):
    id = BigInt(primary_key=True)
    project = Integer()
    external_id = Text()
    email = Text(null=True)
    phone = Text(null=True)
    name = Text(null=True)
    locale = Text(null=True)
    timezone = Text(null=True)
    attributes = JSONB()
    created_at = Timestamptz()
    updated_at = Timestamptz()
    deleted_at = Timestamptz(null=True)


class Topic(Table, db=ENGINE, tablename="topics"):
    id = BigInt(primary_key=True)
    project = Integer()
    key = Text()
    name = Text(null=True)
    members = BigInt()
    created_at = Timestamptz()
    deleted_at = Timestamptz(null=True)


class TopicMember(Table, db=ENGINE, tablename="topic_members"):
    # The primary key is (topic, subscriber, added_by); Piccolo wants one column, and is only ever asked to read.
    topic = BigInt(primary_key=True)
    subscriber = BigInt()
    removed_by = BigInt(null=True)
