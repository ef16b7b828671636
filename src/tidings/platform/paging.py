"""The query parameters of keyset pages. Apart from keyset.py, which the command line needs without the web framework (0.6 s to import)."""

from typing import Annotated

from litestar.params import Parameter

DEFAULT_LIMIT = 100
Limit = Annotated[int, Parameter(ge=1, le=1000, description="Items a page.")]
After = Annotated[str | None, Parameter(max_length=100, description="`next` of the page before.")]
