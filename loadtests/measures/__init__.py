"""One file a measure: an async function from a `Form` to figures. `loadtests/__main__.py` lists them."""
