"""Examples for an OpenAPI document, put together from those of its fields."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with an example for every JSON body, sent or answered."""
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                add_examples(document, operation.get("requestBody", {}))
                for answer in operation.get("responses", {}).values():
                    add_examples(document, answer)
    return document


def add_examples(document: Json, holder: dict[str, Any]) -> None:
    for media_type, media in holder.get("content", {}).items():
        if "json" in media_type and "schema" in media:
            media["example"] = example_of(document, media["schema"])


def resolved(document: Json, schema: Json) -> Json:
    """The schema behind a reference."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def example_of(document: Json, schema: Json, depth: int = 0) -> Any:
    """An example from the schema's own, or put together from those of its parts."""
    schema = resolved(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example_of(document, schema[choice][0], depth + 1)
    if "properties" in schema and depth < 5:
        return {name: example_of(document, one, depth + 1) for name, one in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(document, schema.get("items", {}), depth + 1)]
    plain = {"string": "…", "integer": 1, "number": 1.0, "boolean": False, "object": {}}
    return plain.get(schema.get("type", ""), schema.get("enum", [None])[0])
