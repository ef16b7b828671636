"""What a statement of a migration does to whoever is at work.

expand: the version before goes on without noticing.   contract: it would miss something, so none that needs it may run any more.
danger: why it must not be run on a database in service, however it is meant; there is always another way, which it names.

Only what migrations of ours are made of is known here; whatever is not known is said to be so, and is a danger until somebody looks.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

EXCLUSIVE, SHARE, SHARE_ROW, ROW, NOBODY = "ACCESS EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "ROW EXCLUSIVE", "nothing"
SHOWN = 100
# Quoted text, dollar-quoted text, and comments, none of which end a statement.
PIECE = re.compile(r"('(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$)|(--[^\n]*|/\*.*?\*/)", re.DOTALL)
# Of a default: the same for every row that is there, so that none is written.
ONE_VALUE = re.compile(r"(now|current_\w+|localtimestamp|localtime|array|row|coalesce)\s*\(", re.IGNORECASE)
# Of a column: a domain may have a CHECK, and a serial writes every row.
TYPE = re.compile(
    r"(text|varchar|char|int|integer|bigint|smallint|int[248]|boolean|bool|uuid|jsonb?|bytea|numeric|real|double precision|date"
    r"|timestamp(tz)?|timestamp with(out)? time zone|interval|inet|cidr|xid8|tsvector)\b",
    re.IGNORECASE,
)
# Actions on a table that take a moment, and that the version before does not notice.
MOMENTARY = re.compile(
    r"ALTER (COLUMN )?\w+ (SET DEFAULT|SET STATISTICS|SET STORAGE|SET COMPRESSION|DROP NOT NULL)\b|(SET|RESET) \(", re.IGNORECASE
)
BLOCK = re.compile(r"DO (LANGUAGE plpgsql )?\$(?P<fence>\w*)\$(?P<body>.*)\$(?P=fence)\$", re.IGNORECASE)
# Of PL/pgSQL: what parts statements, and what is none or only looks.
PARTING = re.compile(r"^\s*DECLARE\b.*?\bBEGIN\b|\b(BEGIN|THEN|ELSE|LOOP|END)\b", re.IGNORECASE)
LOOKING = re.compile(r"(IF|ELSIF|WHILE|EXCEPTION|PERFORM|RAISE|RETURN|EXIT|CONTINUE|NULL)\b|\w+ := ", re.IGNORECASE)


class Effect(msgspec.Struct, frozen=True):
    """lock: PostgreSQL's name for what it takes of `table`, or nothing where the table is made by the same migration."""

    statement: str
    table: str | None = None
    lock: str = NOBODY
    kind: Literal["expand", "contract"] = "expand"
    danger: str | None = None


def statements_of(sql: str) -> list[str]:
    """Without comments, and on one line each."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        if found[1] is None:
            return " "
        # A block is read later, on one line, where a comment would hide what follows it.
        kept.append(found[1] if found[2] is None else without_comments(found[1], f"${found[2]}$"))
        return f"\0{len(kept) - 1}\0"

    parts = (PIECE.sub(keep, sql)).split(";")
    restored = (re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], part) for part in parts)
    return [" ".join(part.split()) for part in restored if part.strip()]


def without_comments(block: str, fence: str) -> str:
    return fence + PIECE.sub(lambda found: found[1] or " ", block.removeprefix(fence).removesuffix(fence)) + fence


def effects_of(sql: str, checked: frozenset[tuple[str, str]] = frozenset()) -> list[Effect]:
    """checked: (table, column) that a validated CHECK has already shown to be never null."""
    made = {found[1].lower() for found in re.finditer(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", sql, re.IGNORECASE)}
    effects = [effect for statement in statements_of(sql) for effect in effects_of_one(statement, checked)]
    return [msgspec.structs.replace(one, lock=NOBODY, kind="expand", danger=None) if one.table in made else one for one in effects]


def effects_of_one(statement: str, checked: frozenset[tuple[str, str]]) -> Iterator[Effect]:
    shown = statement if len(statement) <= SHOWN else statement[: SHOWN - 1] + "…"
    if found := re.match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+) (.*)", statement, re.IGNORECASE):
        for action in at_commas(found[2]):
            yield altered(shown, found[1].lower(), action, checked)
        return
    if found := BLOCK.match(statement):
        for inner in statements_of(PARTING.sub(";", found["body"])):
            if not LOOKING.match(inner):
                yield from effects_of_one(re.sub(r"^FOR \w+ IN ", "", inner, flags=re.IGNORECASE), checked)
        return
    for pattern, lock, kind, danger in RULES:
        if found := re.match(pattern, statement, re.IGNORECASE):
            table = found.groupdict().get("table")
            yield Effect(shown, table and table.lower(), lock, kind, danger)
            return
    yield Effect(shown, None, NOBODY, "expand", UNKNOWN)


Rule = tuple[str, str, Literal["expand", "contract"], str | None]
UNKNOWN = "not known here (schema/statements.py): look at what it does"
WAIT = "writers wait until all of it is built: INDEXES (migrations/script.py) builds it beside them"
READ = "reads every row while nobody may write: a constraint that is NOT VALID, and VALIDATE CONSTRAINT in a later migration"
RULES: Sequence[Rule] = (
    (r"CREATE (UNIQUE )?INDEX CONCURRENTLY", NOBODY, "expand", "not inside a transaction: INDEXES (migrations/script.py)"),
    (r"CREATE (UNIQUE )?INDEX .*? ON (ONLY )?(?P<table>\w+)", SHARE, "expand", WAIT),
    (r"CREATE TABLE .* PARTITION OF (?P<table>\w+)", EXCLUSIVE, "expand", None),
    (r"CREATE TABLE (IF NOT EXISTS )?(?P<table>\w+)", NOBODY, "expand", None),
    (r"CREATE (CONSTRAINT )?TRIGGER .*? ON (?P<table>\w+)", SHARE_ROW, "expand", None),
    (r"(CREATE|ALTER) POLICY .*? ON (?P<table>\w+)", EXCLUSIVE, "expand", None),
    (r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE|AGGREGATE|VIEW|TYPE|DOMAIN|SEQUENCE|ROLE|EXTENSION)", NOBODY, "expand", None),
    (r"(ALTER (FUNCTION|ROLE)|GRANT|REVOKE|COMMENT|SELECT|SET)\b", NOBODY, "expand", None),
    (r"EXECUTE\b", NOBODY, "expand", "what it does is known only when it runs: write it out"),
    (r"INSERT INTO (?P<table>\w+)", ROW, "expand", None),
    (r"UPDATE (ONLY )?(?P<table>\w+)", ROW, "expand", "holds every row it writes until the end: write them in chunks, from a worker"),
    (
        r"DELETE FROM (ONLY )?(?P<table>\w+)",
        ROW,
        "contract",
        "holds every row it deletes until the end: delete them in chunks, from a worker",
    ),
    (r"DROP TABLE (IF EXISTS )?(?P<table>\w+)", EXCLUSIVE, "contract", None),
    (r"DROP (POLICY|TRIGGER) .*? ON (?P<table>\w+)", EXCLUSIVE, "contract", None),
    (r"DROP (INDEX|FUNCTION|PROCEDURE|AGGREGATE|VIEW|TYPE|DOMAIN|SEQUENCE|ROLE)", EXCLUSIVE, "contract", None),
    (r"TRUNCATE (TABLE )?(?P<table>\w+)", EXCLUSIVE, "contract", "takes away what may still be read: drop the table in a later release"),
    (r"(LOCK|VACUUM|CLUSTER|REINDEX|REFRESH)\b", EXCLUSIVE, "expand", "holds the table for as long as it takes: an operator's work"),
)


def altered(shown: str, table: str, action: str, checked: frozenset[tuple[str, str]]) -> Effect:
    def effect(kind: Literal["expand", "contract"] = "expand", danger: str | None = None, lock: str = EXCLUSIVE) -> Effect:
        return Effect(shown, table, lock, kind, danger)

    if found := re.match(
        r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY|EXCLUDE)\w+ (.*)", action, re.IGNORECASE
    ):
        return effect(danger=danger_of_column(found[1]))
    if re.match(r"ADD ", action, re.IGNORECASE):
        return effect(danger=danger_of_constraint(action))
    if re.match(r"VALIDATE CONSTRAINT", action, re.IGNORECASE):
        return effect(lock="SHARE UPDATE EXCLUSIVE")
    if re.match(r"ALTER (COLUMN )?\w+ (SET DATA )?TYPE", action, re.IGNORECASE):
        return effect("contract", "writes every row anew while nobody may read: add a column, copy in chunks, drop the old one later")
    if found := re.match(r"ALTER (?:COLUMN )?(\w+) SET NOT NULL", action, re.IGNORECASE):
        is_checked = (table, found[1].lower()) in checked
        return effect(
            "contract", None if is_checked else "reads every row while nobody may write: first a CHECK NOT VALID, then VALIDATE it"
        )
    if re.match(r"RENAME", action, re.IGNORECASE):
        return effect("contract", "the version that runs knows the old name: add, copy, and drop later")
    if re.match(r"(DROP (?!NOT NULL)|ALTER (COLUMN )?\w+ DROP DEFAULT)", action, re.IGNORECASE):
        return effect("contract")
    return effect(danger=None if MOMENTARY.match(action) else UNKNOWN)


def danger_of_column(definition: str) -> str | None:
    if re.search(r"\bGENERATED\b|^\w*SERIAL[248]?\b", definition, re.IGNORECASE):
        return "writes every row anew while nobody may read"
    if not TYPE.match(definition):
        return UNKNOWN
    if re.search(r"\bCHECK\b", definition, re.IGNORECASE):
        return READ
    if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", definition, re.IGNORECASE):
        return WAIT
    if re.search(r"\bREFERENCES\b", definition, re.IGNORECASE):
        return "holds both tables: add the constraint as NOT VALID, validate it in a later migration"
    default = re.search(r"\bDEFAULT\b(.*)", definition, re.IGNORECASE)
    if default is None:
        return "fails where there are rows" if re.search(r"\bNOT NULL\b", definition, re.IGNORECASE) else None
    if re.search(r"\w\s*\(", ONE_VALUE.sub("", default[1])):
        return "a default that differs from row to row writes every row anew: add the column without it, set the default after"
    return None


def danger_of_constraint(action: str) -> str | None:
    if re.search(r"\b(CHECK|FOREIGN KEY|REFERENCES)\b", action, re.IGNORECASE):
        is_later = re.search(r"NOT VALID$", action, re.IGNORECASE)
        return None if is_later else READ
    return None if re.search(r"USING INDEX", action, re.IGNORECASE) else WAIT


def at_commas(text: str) -> Iterator[str]:
    """The actions of an ALTER TABLE: cut at commas that are in no brackets or quotes."""
    depth, quoted, begin = 0, False, 0
    for index, character in enumerate(text):
        quoted ^= character == "'"
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and not depth and not quoted:
            yield text[begin:index].strip()
            begin = index + 1
    yield text[begin:].strip()


def never_null(sql: str) -> frozenset[tuple[str, str]]:
    """(table, column) that a validated CHECK shows to be so. sql: of all migrations before."""
    checks = re.findall(r"ALTER TABLE (\w+)\s+ADD CONSTRAINT (\w+)\s+CHECK \((\w+) IS NOT NULL\)", sql, re.IGNORECASE)
    validated = {name.lower() for name in re.findall(r"VALIDATE CONSTRAINT (\w+)", sql, re.IGNORECASE)}
    return frozenset((table.lower(), column.lower()) for table, name, column in checks if name.lower() in validated)
