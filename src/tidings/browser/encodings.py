"""Which coding of a file to send, of those that a client accepts (RFC 9110 §12.5.3)."""

import re
from collections.abc import Container

# Brotli is the smallest, so it goes to whoever likes several equally.
SMALLEST_FIRST = ("br", "gzip", "identity")
WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
# A coding that is not named is refused; the plain file is only liked less than all that are. The smallest weight on the wire is 0.001.
UNNAMED_IDENTITY = 0.0005


def best_encoding(accepted: str, available: Container[str]) -> str:
    """accepted: the Accept-Encoding header, empty where there is none. `identity` where nothing is acceptable: better than an error."""
    weights = weights_of(accepted)

    def weight(encoding: str) -> float:
        unnamed = UNNAMED_IDENTITY if encoding == "identity" else 0.0
        return weights.get(encoding, weights.get("*", unnamed))

    best = max((encoding for encoding in SMALLEST_FIRST if encoding in available), key=weight)
    return best if weight(best) > 0 else "identity"


def weights_of(accepted: str) -> dict[str, float]:
    """`gzip;q=0.5, br` as {"gzip": 0.5, "br": 1.0}. A weight that cannot be read refuses its coding."""
    weights = {}
    for element in accepted.lower().split(","):
        encoding, _, parameter = (part.strip() for part in element.partition(";"))
        name, _, value = (part.strip() for part in parameter.partition("="))
        is_weight = name == "q" and WEIGHT.fullmatch(value)
        weights[encoding.removeprefix("x-")] = (float(value) if is_weight else 0.0) if parameter else 1.0
    return weights
