"""Schemas of custom resources, read as strictly as the API server reads them: a field that a schema does not have is an error.

Rules in CEL (x-kubernetes-validations) are beyond a JSON schema, and not asked.
"""

import lzma
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

SCHEMAS = Path(__file__).parent / "schemas"
Schema = dict[str, Any]


@cache
def validators() -> dict[tuple[str, str], Draft202012Validator]:
    """By apiVersion and kind."""
    found = {}
    for path in SCHEMAS.glob("*.yaml.xz"):
        spec = yaml.load(lzma.decompress(path.read_bytes()), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            if version["served"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                # Of every object, and in no schema of a custom one.
                schema["properties"]["metadata"].pop("additionalProperties", None)
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = Draft202012Validator(schema)
    return found


def closed(schema: Schema) -> Schema:
    """The same, of objects that have no other properties than those said."""
    members: dict[str, Schema] = schema.get("properties", {})
    made = schema | ({"properties": {name: closed(member) for name, member in members.items()}} if members else {})
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            made[inner] = closed(schema[inner])
    if members and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


def errors_of(custom: dict[str, Any]) -> list[str]:
    validator = validators()[custom["apiVersion"], custom["kind"]]
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(custom)]
