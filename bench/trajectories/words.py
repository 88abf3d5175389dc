"""What common words in the names of tools, arguments and fields say: for drafts."""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READS = _words(
    "calculate check count describe fetch find get list look lookup query read retrieve search show think view"
)
INTERNAL = _words("add append create draft edit mark move note rename save set update write")
FINAL = _words("cancel delete pay post publish purge remove send transfer wipe")
#: Arguments that hold prose: what they say is not followed, the addresses in it are.
PROSE = _words("body caption comment content description location message note notes reason subject summary text title")
#: Also as the last word of a longer name: `email_body`.
TEXT = _words("body caption comment content description message note notes summary text")
ADDRESSEES = _words("address addresses bcc cc email emails recipient recipients to")
PLACES = _words("domain endpoint host href link uri url webhook website")
#: Whatever their type.
IDS = _words("account code iban id ids number phone")
#: Arguments that a model often works out by itself (sums, ends, counts), and choices among few.
VAGUE = _words(
    """amount amounts count counts date dates end format language level limit mode permission permissions price prices
    priority size total type unit units"""
)
#: And in one's own records also when something is.
WHEN = _words("day days start time times")
#: Fields that the service writes, whoever wrote the rest.
TRUSTED_FIELDS = (
    *("id", "id_", "*_id", "*_ids", "date", "time", "timestamp", "*_at", "start_time", "end_time"),
    *("owner", "participants", "recipient", "recipients"),
)
#: In a chat the service knows who writes. In mail anybody does.
KNOWN_WRITERS = ("sender", "author")
CHAT = _words("chat chats inbox message messages")
#: A tool whose name says no more than these gives the service's own records: names, numbers, prices, places.
RECORDS = _words(
    """account accounts address addresses airport airports availability baggages balance bill bills booking bookings
    car categories channel channels cities city client clients companies company contact contacts countries country
    cuisine currencies currency customer customers date day department departments device devices dietary direct
    employee employees fees flight flights fuel group groups hotel hotels hours iban id ids inventory invoice invoices
    member members method methods name names number onestop opening order orders participants
    passengers payment payments phone plan plans price prices product products rate rental reservation
    reservations restaurant restaurants restrictions role roles roaming room rooms seat seats shipment shipments stock
    store stores subscription subscriptions team teams time timezone type types usage user users warehouse weather
    zip"""
)
#: These say nothing of who wrote it.
FILLING = _words(
    """a active all and any at available by current data delivered details email for from full in info information item
    items line lines list my of on open options pending per public status the to with"""
)

#: What a service answers to a write of these is its own record.
OF_WRITES = _words("data item items line lines")

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def parts(name: str) -> list[str]:
    """`send_email`, `sendEmail` → send, email."""
    return [part.lower() for part in _PART.findall(name)] or [name]
