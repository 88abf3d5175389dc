"""What DBOS may write and read: our sealed JSON, and nothing else (threat 39).

DBOS chooses the decoder by the row's own tag, whatever serializer it was given: a row tagged `py_pickle` would be
unpickled, one tagged `portable_json` read in the clear.
"""

from typing import Any, NoReturn

from dbos._serialization import DBOSPortableJSONSerializer, DefaultSerializer, Serializer

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealed_json import seal_value, unseal_value
from clearway.model.errors import ClearwayError, Internal

NAME = "clearway_sealed_json"


class SealedJsonSerializer(Serializer):
    """DBOS' `Serializer` over `sealed_json`. Errors: those of `seal_value`."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def name(self) -> str:
        return NAME

    def serialize(self, data: Any) -> str:
        return seal_value(self._keyring, data)

    def deserialize(self, serialized_data: str) -> Any:
        """The value; where its key is not here yet, arguments that hold the sealed text itself.

        INVARIANT: no pass is lost for want of a key. An error here would end the workflow, so it is left to the
        pass, which tries again until the key arrives.
        """
        try:
            return unseal_value(self._keyring, serialized_data)
        except ClearwayError as error:
            if not error.retryable:
                raise
            return {"args": (serialized_data,), "kwargs": {}}


def disable_other_serializers() -> None:
    """Makes DBOS' pickle and plain JSON decoders raise, for this process, whoever calls them. May be called again."""
    for kind in (DefaultSerializer, DBOSPortableJSONSerializer):
        for method in ("serialize", "deserialize"):
            setattr(kind, method, _refuse)


def _refuse(*_arguments: Any, **_named: Any) -> NoReturn:
    # INVARIANT: nothing is unpickled, and nothing is stored unsealed.
    raise Internal(
        "A row of the engine is not in Clearway's form.",
        code="engine_row",
        remedy="Find out who writes to the store, and delete the row.",
    )
