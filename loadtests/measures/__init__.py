"""One file a measure: an async function from a `Form` to figures. `loadtests/running.py` lists them."""
