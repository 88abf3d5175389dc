"""A person's word for a value that came from an untrusted source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endorsement:
    """Holds for one argument name and one value, in one run (`run_id`) or in all runs of `user` (`run_id` empty).

    `value_token`: keyed token of argument and value; the value itself is stored nowhere. `by`: the login, `subject`
    the person behind it, `factor` the approver group that gives the right. Times are seconds on the store's clock.
    `record_signature`: Ed25519 over the record's canonical JSON, `key_id:hex`.
    """

    endorsement_id: str
    approval_id: str
    run_id: str
    user: str
    argument: str
    value_token: str
    by: str
    subject: str
    factor: str
    authenticated_by: str
    comment: str
    at: float
    expires_at: float
    record_signature: str
    revoked_at: float | None = None
