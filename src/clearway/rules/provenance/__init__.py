"""Where values come from: follows what a run has read into the arguments of its later calls.

::

    seen = Provenance()
    seen.note("Please pay the plumber, GB29 NWBK 6016 1331 9268 19", "request", Trust.TRUSTED)
    seen.note(result, "s1:read_transactions", {"": Trust.UNTRUSTED, "[].recipient": Trust.TRUSTED})
    seen.label({"recipient": "GB29NWBK60161331926819"})["recipient"].trust      # trusted: the request names it

What counts as seen, and what these labels cannot show: docs/explanation/provenance.md.
"""

from clearway.rules.provenance.fields import FieldTrust, trust_at
from clearway.rules.provenance.follow import Provenance, untrusted_paths

__all__ = ["FieldTrust", "Provenance", "trust_at", "untrusted_paths"]
