"""The name of a run: all that the execution engine ever stores about it."""

from dataclasses import dataclass

from clearway.model.errors import Invalid
from clearway.model.identity import Scope


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run in its tenant and environment; as text `tenant/environment/run_id`.

    Opaque ids, nothing personal. Errors: `Invalid` (`run_ref`) where a part is empty or holds a slash.
    """

    tenant: str
    environment: str
    run_id: str

    def __post_init__(self) -> None:
        if any(not part or "/" in part for part in (self.tenant, self.environment, self.run_id)):
            raise Invalid(
                "A run's reference needs a tenant, an environment and a run id, none with a slash.",
                code="run_ref",
                remedy="Write tenant/environment/run_id.",
            )

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant, self.environment)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.environment}/{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> "RunRef":
        """The inverse of `str`. Errors: `Invalid` (`run_ref`)."""
        parts = text.split("/")
        return cls(*parts) if len(parts) == 3 else cls("", "", "")
