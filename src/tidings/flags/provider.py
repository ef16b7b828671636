"""Tidings as a provider of OpenFeature's Python SDK, for programs that ask through its client (`pip install tidings[openfeature]`).

Tidings' own hot paths ask `Flags` directly: the client costs several times what a flag does before it reaches any provider.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from tidings.flags.flags import Flags
from tidings.flags.rules import Context
from tidings.flags.structs import TARGETING_KEY

NAMES: Mapping[type, str] = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}


class TidingsProvider(AbstractProvider):
    """flags: started, and stopped by whoever started them."""

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self.flags = flags

    def get_metadata(self) -> Metadata:
        return Metadata(name="Tidings")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self.details(flag_key, default_value, evaluation_context, (bool,))

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self.details(flag_key, default_value, evaluation_context, (str,))

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self.details(flag_key, default_value, evaluation_context, (int,))

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        found = self.details(flag_key, default_value, evaluation_context, (float, int))
        if found.error_code is None:
            found.value = float(found.value)
        return found

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return self.details(flag_key, default_value, evaluation_context, (dict, list))

    def details(self, key: str, default: Any, context: EvaluationContext | None, kinds: tuple[type, ...]) -> FlagResolutionDetails[Any]:
        found = self.flags.resolve(key, context_of(context), default)
        if found.error is not None:
            return FlagResolutionDetails(default, ErrorCode[found.error], found.detail, Reason.ERROR)
        # type and not isinstance: true is no integer.
        if type(found.value) not in kinds:
            wrong = f"The flag is no {NAMES[kinds[0]]}: variant {found.variant!r} is of the type {NAMES[type(found.value)]}."
            return FlagResolutionDetails(default, ErrorCode.TYPE_MISMATCH, wrong, Reason.ERROR)
        return FlagResolutionDetails(found.value, reason=Reason(found.reason), variant=found.variant)


def context_of(context: EvaluationContext | None) -> Context:
    if context is None:
        return {}
    return context.attributes if context.targeting_key is None else {**context.attributes, TARGETING_KEY: context.targeting_key}
