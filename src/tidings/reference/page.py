"""From an OpenAPI document to a page for people."""

import json
from collections.abc import Iterator
from html import escape

from tidings.reference.examples import Json, example_of, resolved

METHODS = ("get", "post", "put", "patch", "delete")


def render(document: Json) -> str:
    """A whole HTML page."""
    tags = [tag for tag in document.get("tags", []) if any(operations_of(document, tag["name"]))]
    navigation = "".join(tag_links(document, tag["name"]) for tag in tags)
    sections = "".join(tag_section(document, tag) for tag in tags)
    info = document["info"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(info["title"])} API</title><link rel="stylesheet" href="/docs/reference.css"></head>
<body><nav aria-label="Operations"><h1>{escape(info["title"])} <small>{escape(info["version"])}</small></h1>
<p><a href="/openapi.json">OpenAPI document</a></p>{navigation}</nav>
<main>{prose(info.get("description", ""))}{sections}</main></body></html>"""


def operations_of(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation, of those that carry the tag."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if tag in item.get(method, {}).get("tags", []):
                yield path, method, item[method]


def tag_links(document: Json, tag: str) -> str:
    links = "".join(
        f'<li><a href="#{escape(operation["operationId"])}"><b class="{method}">{method.upper()}</b> {escape(path)}</a></li>'
        for path, method, operation in operations_of(document, tag)
    )
    return f"<h2>{escape(tag)}</h2><ul>{links}</ul>"


def tag_section(document: Json, tag: Json) -> str:
    operations = "".join(operation_section(document, *found) for found in operations_of(document, tag["name"]))
    return f"<section><h2>{escape(tag['name'])}</h2><p>{escape(tag.get('description', ''))}</p>{operations}</section>"


def operation_section(document: Json, path: str, method: str, operation: Json) -> str:
    return f"""<article id="{escape(operation["operationId"])}">
<h3><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></h3>
{prose(operation.get("description") or operation.get("summary", ""))}
{parameters(document, operation)}{body(document, operation)}{answers(document, operation)}</article>"""


def prose(text: str) -> str:
    """Paragraphs, `code` and **weight**: as much of Markdown as our descriptions use."""
    return "".join(f"<p>{inline(paragraph)}</p>" for paragraph in text.strip().split("\n\n") if paragraph)


def inline(text: str) -> str:
    for mark, tag in (("**", "strong"), ("`", "code")):
        parts = text.split(mark) if tag == "code" else escape(text).split(mark)
        text = "".join(part if index % 2 == 0 else f"<{tag}>{part}</{tag}>" for index, part in enumerate(parts))
    return text


def parameters(document: Json, operation: Json) -> str:
    rows = "".join(
        f"""<tr><td><code>{escape(one["name"])}</code> <small>{one["in"]}</small></td>
<td>{escape(type_of(document, one.get("schema", {})))}</td><td>{inline(one.get("description", ""))}</td></tr>"""
        for one in operation.get("parameters", [])
    )
    return f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""


def body(document: Json, operation: Json) -> str:
    schema = json_schema(operation.get("requestBody", {}))
    return f"<h4>Body</h4>{fields(document, schema)}{example(document, schema)}" if schema else ""


def json_schema(content_holder: Json) -> Json:
    for media in content_holder.get("content", {}).values():
        schema: Json = media.get("schema", {})
        return schema
    return {}


def answers(document: Json, operation: Json) -> str:
    parts = []
    for status, answer in sorted(operation.get("responses", {}).items()):
        schema = json_schema(answer)
        details = f"{fields(document, schema)}{example(document, schema)}" if schema and status.startswith("2") else ""
        parts.append(f"<dt><code>{status}</code></dt><dd>{escape(answer.get('description', ''))}{details}</dd>")
    return f"<h4>Answers</h4><dl>{''.join(parts)}</dl>"


def fields(document: Json, schema: Json) -> str:
    whole = resolved(document, schema)
    required = whole.get("required", [])
    rows = "".join(
        f"""<tr><td><code>{escape(name)}</code>{" <small>required</small>" if name in required else ""}</td>
<td>{escape(type_of(document, one))}</td><td>{inline(resolved(document, one).get("description", "").strip())}</td></tr>"""
        for name, one in whole.get("properties", {}).items()
    )
    return f"<table>{rows}</table>" if rows else ""


def type_of(document: Json, schema: Json) -> str:
    """A type in words, with its bounds."""
    schema = resolved(document, schema)
    if "oneOf" in schema or "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(document, one) for one in schema.get("oneOf") or schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(document, schema.get('items', {}))}{bounds(schema, 'Items')}"
    kind = schema.get("type", schema.get("title", "any"))
    return f"{' or '.join(kind) if isinstance(kind, list) else kind}{bounds(schema, 'Length')}{bounds(schema, 'imum')}"


def bounds(schema: Json, what: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low is None and high is None:
        return ""
    return f" ≤ {high}" if not low else f" {low}–{high}" if high is not None else f" ≥ {low}"


def example(document: Json, schema: Json) -> str:
    shown = example_of(document, schema)
    return f"<pre>{escape(json.dumps(shown, indent=2, ensure_ascii=False))}</pre>" if shown not in (None, {}) else ""
