"""The people of the demo, and the topic of which both are members."""

from tidings.access.principals import KeyHolder, Tenant
from tidings.platform.postgres import Database, tenant_connection, tenant_transaction
from tidings.recipients.members import change_members
from tidings.recipients.structs import MembersChange

ACTOR = "system:demo"
PEOPLE = ["ana", "ben"]
TOPIC = "release-notes"

MEMBERS = """
SELECT count(*) FROM topics t JOIN topic_members m ON m.topic = t.id JOIN subscribers s ON s.id = m.subscriber
WHERE t.project = $1 AND t.key = $2 AND t.deleted_at IS NULL AND m.removed_by IS NULL AND s.external_id = ANY($3::text[])
  AND s.deleted_at IS NULL
"""


class DemoItself(KeyHolder, frozen=True):
    """Acts on recipients without a key, and is written down as what it is."""

    @property
    def actor(self) -> str:
        return ACTOR


async def ensure_members(database: Database, tenant: Tenant) -> bool:
    """Make both members of the topic, which is created if it is not there. False if nothing had to be changed."""
    async with tenant_connection(database, tenant.id) as connection:
        members: int = await connection.fetchval(MEMBERS, tenant.id, TOPIC, PEOPLE)
    if members == len(PEOPLE):
        return False
    demo = DemoItself(tenant, "demo", frozenset())
    async with tenant_transaction(database, tenant.id) as connection:
        await change_members(connection, demo, TOPIC, MembersChange(add=PEOPLE))
    return True
