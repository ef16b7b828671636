"""Amounts in the smallest unit of a currency, as text.

How many decimals a currency has is as Stripe counts them (docs.stripe.com/currencies). That is ISO 4217, but for MGA, which has none
there, and for ISK and UGX, which keep two for compatibility.
"""

import re

NO_DECIMALS = frozenset(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"))
THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
CURRENCY = re.compile(r"[A-Za-z]{3}")


def money(amount: int, currency: str) -> str:
    """As in `49.00 EUR`, the same in every language. currency: its ISO 4217 code."""
    code = currency.upper()
    digits = decimals(code)
    whole, part = divmod(abs(amount), 10**digits)
    return f"{'-' if amount < 0 else ''}{whole}{f'.{part:0{digits}}' if digits else ''} {code}"


def decimals(code: str) -> int:
    return 0 if code in NO_DECIMALS else 3 if code in THREE_DECIMALS else 2
