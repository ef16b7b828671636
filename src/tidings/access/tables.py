"""Piccolo's view of the tables that say who may come in. The schema itself is in `platform/migrations/`."""

from piccolo.columns import Array, BigInt, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

from tidings.platform.postgres import ENGINE


class ApiKey(Table, db=ENGINE, tablename="api_keys"):
    id = BigInt(primary_key=True)
    project = Integer()
    key = Text()
    name = Text()
    prefix = Text()
    hash = Bytea()
    scopes = Array(base_column=Text())
    expires_at = Timestamptz(null=True)
    last_used_at = Timestamptz(null=True)
    revoked_at = Timestamptz(null=True)
    replaced_by = Text(null=True)
    created_by = Text()
    created_at = Timestamptz()


class PublicKey(Table, db=ENGINE, tablename="public_keys"):
    kid = Text(primary_key=True)
    project = Integer()
    public_key = Bytea()
    name = Text()
    created_by = Text()
    created_at = Timestamptz()
    revoked_at = Timestamptz(null=True)
