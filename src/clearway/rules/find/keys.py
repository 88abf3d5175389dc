"""What a field's name says about its value: `first_name`, `cardNumber`, `driver's license`, `billing-zip` …

A key is read as its words ("cardNumber" → "card number"); a rule fits their end, so that `billing_zip` is a `zip`.
Some names are only believed together with the value (`drive`, `position`) or with their neighbours (`name`).
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from clearway.rules.find import values
from clearway.rules.find.regex import Pattern

LONGEST_KEY = 96
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_MARKS = re.compile("[\u0300-\u036f]+")


class Rule(NamedTuple):
    """`fits` is asked about the value as text; `type` is empty for keys that say "nothing personal"."""

    type: str
    pattern: Pattern
    fits: Callable[[str], bool]


def _rule(type_name: str, source: str, fits: Callable[[str], bool] = values.anything) -> Rule:
    numbered = rf"(?:{source})s?(?: ?(?:number|no|nr|num|value|text)s?)?(?: ?[0-9])?"
    return Rule(type_name, Pattern(numbered.encode()), fits)


_ANY = "(?:.* )?"
_HOLDER = (
    "account|account holder|applicant|artist|attendee|author|beneficiary|billing|birth|bride|buyer|candidate|card|"
    "cardholder|card holder|caller|child|claimant|client|co ?signer|contact|contractor|customer|debtor|doctor|donor|"
    "driver|"
    "emergency contact|employee|father|guarantor|guardian|guest|holder|insured|landlord|legal|lead|member|mother|"
    "nominee|"
    "owner|parent|participant|passenger|patient|payee|payer|person|physician|player|preferred|purchaser|recipient|"
    "referrer|requester|reviewer|seller|sender|shipping|signatory|signer|spouse|staff|student|subscriber|supervisor|"
    "teacher|tenant contact|traveler|traveller|user|victim|visitor|witness|worker"
)

#: The first that fits counts.
RULES: tuple[Rule, ...] = (
    # Look like the ones below, and say something else.
    _rule("", f"{_ANY}(?:count|total|enabled|required|verified|valid|expires? (?:at|in)|type|format|policy|limit|url|"
              f"uri|hint)"),
    _rule("", "(?:.* )?(?:next|prev|previous|page|continuation|sync|max|min|total|prompt|completion|input|"
              "output) ?tokens?"),
    _rule("", "(?:.* )?(?:product|file|host|domain|company|business|city|street type|model|tool|event) ?name"),
    _rule("EMAIL", ".*(?:e ?mail(?: ?(?:address|addr|id|adresse))?)|to contact|name with host|"
                   ".*(?:correo(?: electronico)?|courriel|e ?post)", values.has_at),
    _rule("IP", f"{_ANY}(?:ip|ip ?v?[46]|.*ip ?address|ip ?addr|remote ?(?:addr|address|ip)|client ?ip|"
                f"x forwarded for)",
          values.like_ip),
    _rule("MAC", f"{_ANY}(?:.*mac|.*mac ?address|hw ?addr(?:ess)?|bssid|ethernet ?address)", values.like_mac),
    _rule("IMEI", f"{_ANY}(?:imei|imsi|meid|iccid|.*mobile ?equipment ?identity|advertising ?id|idfa)",
          values.digits(8)),
    _rule("", "(?:.* )?(?:web|wallet|contract|memory|base|return|bind|listen|server|network|host|site|.*mail|ip|"
              "mac) ?address"),
    # Secrets.
    _rule("PASSWORD", ".*(?:pass ?word|passwd|pass ?phrase|pwd)(?: ?(?:hash|confirm|confirmation|again|old|new))?|"
          f"{_ANY}(?:pass|pw|passwort|kennwort|mot de passe|contrasena|senha|wachtwoord|losenord)", values.secret(3)),
    _rule("API_KEY", ".*(?:api ?key|access ?key|secret ?key|private ?key|signing ?key|encryption ?key|master ?key|"
                     "ssh ?key|"
          f"app ?secret)|{_ANY}api ?token|(?:.*"
          "(?:auth|access|refresh|id|session|bearer|oauth|csrf|device|bot|secret|security|user)) ?token|"
          "token|session ?(?:id|key)|x api key", values.key(6)),
    # What may be a phrase, or several in one.
    _rule("API_KEY", f".*(?:client|shared|webhook) ?secret|{_ANY}(?:secret|credentials?)|authorization|"
          "proxy authorization|cookie|set cookie|connection string|.*(?:private|ssh) ?key", values.secret(6)),
    _rule("PIN", f"{_ANY}(?:pin|pin ?code|otp|one ?time ?(?:code|password)|passcode|security ?answer)",
          values.digits(3)),
    # Money.
    _rule("CARD_CODE", f"{_ANY}(?:cvv2?|cvc2?|csc|card ?(?:security|verification) ?(?:code|value)|security ?code)",
          values.digits(3)),
    _rule("CARD_EXPIRY", f"{_ANY}(?:expiry|exp|expires|expiration|exp ?date|expiry ?date|expiration ?date|valid ?thru|"
          "good ?thru|card ?exp(?:iry)?)", values.like_expiry),
    _rule("CARD", f"{_ANY}(?:.*(?:credit|debit|payment|bank) ?card|card|pan|cc|american ?express|amex|master ?card|"
                  f"visa|"
          "maestro|diners(?: ?club)?|discover|jcb|card ?pan|primary account|kreditkarten?(?: ?nummer)?|karten ?nummer|"
          "(?:numero de )?(?:carte(?: bancaire| de credit)?|tarjeta(?: de credito)?|cartao(?: de credito)?)|"
          "(?:numero )?carta di credito)", values.digits(12)),
    _rule("IBAN", ".*(?:iban|international ?bank ?account)", values.like_bank),
    _rule("BANK", f"{_ANY}(?:bank ?account|(?:account|acct) ?(?:number|no|nr|num)|routing|routing ?transit|aba|"
                  f"aba ?rtn|sort ?code|bsb|bic|"
          "swift|(?:bic|swift) ?code|bban|bank ?code|ifsc|ifsc ?code|konto ?nummer|bankleitzahl|blz|"
          "numero de (?:cuenta|compte)|rekening ?nummer)|.*bank ?account", values.like_bank),
    # Papers.
    _rule("SSN", f"{_ANY}(?:ssn|social|social ?security|.*social ?security)", values.digits(4)),
    _rule("PASSPORT", ".*(?:passport|travel ?document)|identity ?document|national ?identity|"
                      f"{_ANY}(?:reisepass|ausweis|pasaporte|passeport|passaporto?|paspoort)(?: ?nummer)?",
          values.digits(2)),
    _rule("NATIONAL_ID", f"{_ANY}(?:sin|social ?insurance|tin|itin|tax ?id|vat ?id|tax ?payer ?id|.*tax(?: ?payer)? ?"
          "identification|national ?id|id ?card|id ?number|identity ?(?:card|number)|identification ?number|"
          "personal ?(?:id|"
          "number|code)|citizen ?id|nino|national ?insurance|dni|nie|nif|curp|cpf|pesel|bsn|aadhaar|aadhar|nhs|"
          "codice ?fiscale|"
          "fiscal ?code|personnummer|hetu|ahv|rut|cedula|emirates ?id|medicare|voter ?id|government ?id|"
          "steuer ?(?:id|nummer|identifikations ?nummer)|sozialversicherungs ?nummer|"
          "(?:numero de )?securite sociale|numero fiscal|burgerservice ?nummer|numero de identificacion)",
          values.digits(4)),
    _rule("LICENSE", f"{_ANY}(?:driver ?s? ?licen[cs]e|driving ?licen[cs]e|licen[cs]e (?:number|no|id)|dl ?number|"
                     "fuhrerschein(?: ?nummer)?|permis de conduire|(?:carnet|licencia) de conducir)",
          values.digits(3)),
    _rule("PLATE", f"{_ANY}(?:lic(?:en[cs]e)? ?plate|number ?plate|plate|registration ?plate|vehicle ?registration|"
                   f"vin)",
          values.digits(1)),
    _rule("DOB", f"{_ANY}(?:dob|d o b|.*birth ?date|.*birth ?day|date ?of ?birth|born|born ?on|year ?of ?birth|"
                 f"(?:birth|dob|birthday) ?year|geburts ?(?:datum|tag|jahr)|(?:date de )?naissance|"
                 f"(?:fecha (?:de )?)?nacimiento|"
                 f"(?:data (?:di )?)?nascita|(?:data (?:de )?)?nascimento|geboorte ?datum|fodelsedatum|fodselsdato)",
          values.digits(2)),
    _rule("AGE", f"{_ANY}age", values.like_age),
    _rule("TRAIT", f"{_ANY}(?:gender|sex|sexuality|sexual ?orientation|religion|religious ?(?:belief|affiliation)|"
                   f"faith|"
          "nationality|citizenship|ethnicity|ethnic ?(?:group|origin)|race|marital ?status|political ?(?:party|opinion|"
          "affiliation)|nation ?(?:man|woman|plural)|blood ?type|disability|diagnosis|pronouns)", values.short_words),
    # People and places.
    _rule("USERNAME", f"{_ANY}(?:user ?name|login|login ?(?:name|id)|screen ?name|handle|user ?login|nickname)",
          values.like_name),
    _rule("PERSON", f"{_ANY}(?:.*(?:first|last|middle|given|family|sur|maiden|nick|full|fore)(?: and last)? ?names?|"
                    f"surname|fname|"
          "lname|mname|initials|alias(?:es)? name)(?: ?(?:male|female|non ?binary|kana|kanji|native|latin|prefix|"
          "suffix))?|"
          f"{_ANY}(?:(?:vor|nach|familien|geburts) ?name|prenoms?|nom (?:de famille|complet)|nombre completo|"
          "(?:primer |segundo )?apellido|cognome|sobrenome|(?:voor|achter) ?naam|(?:for|efter) ?namn|"
          "(?:for|etter) ?navn)|"
          f"(?:.* )?(?:{_HOLDER}) ?(?:user |login )?name|name ?(?:male|female|non ?binary)|(?:{_HOLDER})name",
          values.like_name),
    _rule("USERNAME", f"{_ANY}(?:user|customer|member|account|patient|client|owner|author|sender|recipient) ?id",
          values.like_handle),
    _rule("PERSON", f"{_ANY}(?:person|cardholder|card ?holder|contact|attention|attn|beneficiary|payee|payer|signatory|"
          "passenger|patient|customer|employee|recipient|sender|assignee|owner|author|assigned ?to|reported ?by|"
          "created ?by|approved ?by|guest|traveller|traveler|invitee|attendee)", values.like_full_name),
    _rule("PHONE", "(?:.*(?:phone|cell ?phone|whats ?app|msisdn)|(?:.*[^mo])?mobile)(?: ?(?:home|work|main|alt))?|"
          f"{_ANY}(?:tel|cell|fax|sms|landline|viber|call ?back)|"
          f".*(?:telefon|telefono|telefone|telefoon)(?: ?nummer)?|"
          f"{_ANY}(?:handy|mobil|movil|celular|cellulare|telemovel)(?: ?nummer)?",
          values.digits(5)),
    _rule("ADDRESS", ".*(?:street ?address|address ?line|mailing ?address|home ?address|postal ?address|postal ?code|"
                     "post ?code|"
          f"zip ?code|secondary ?address|post ?box)|{_ANY}(?:zip|plz|po ?box|zip ?plus ?4|street|street ?(?:name|"
          f"number|line)|"
          "house ?number|building ?number|apartment|apt|flat ?number|addr(?:ess)?(?: ?(?:line|full|street))?|"
          "address[1-4]|"
          "domicile|residence|strasse|haus ?nummer|anschrift|adresse|postleitzahl|rue|code postal|direccion|domicilio|"
          "calle|codigo postal|indirizzo|endereco|rua|morada|adres|straat|huis ?nummer)", values.like_place),
    _rule("ADDRESS", f"{_ANY}(?:avenue|alley|road|lane|boulevard|drive|suite|flat|house|building|spot|venue|facility|"
                     f"home|work|"
          "unit|lot|court|square|ship ?to|bill ?to|deliver ?to|delivery|pickup|drop ?off|place|premises)",
          values.like_address),
    _rule("GEO", f"{_ANY}(?:lat|latitude|lon|lng|long|longitude|coordinates?|geo|geo ?(?:location|point|code)|position|"
          "location|lat ?(?:lng|lon|long))", values.like_coordinate),
    _rule("LOCATION", f"{_ANY}(?:city|town|municipality|urban ?area|village|suburb|district|county|province|"
                      f"(?:federal ?)?state|"
          "country|region|place ?of ?birth|birth ?place|home ?town)", values.short_words),
)  # fmt: skip

#: Keys that make a plain `name` next to them a person's.
PLAIN_NAMES = frozenset(("name", "names", "holder", "who", "nom", "nombre", "nome", "naam", "namn", "navn"))
#: `{"name": "last_name", "value": …}`: the names of such a pair's name and of its value.
PAIR_NAMES = frozenset(
    ("name", "key", "field", "field name", "label", "attribute", "column", "property", "header", "id")
)
PAIR_VALUES = frozenset(("value", "val", "answer", "content", "text", "data"))
_PERSONAL = frozenset(("EMAIL", "PHONE", "DOB", "SSN", "NATIONAL_ID", "PASSPORT", "USERNAME", "ADDRESS", "AGE", "CARD"))


@lru_cache(maxsize=8192)
def words(key: str) -> str:
    """ "billingZIPCode" → "billing zip code"; "Straße" → "strasse", "prénom" → "prenom"."""
    name = key[:LONGEST_KEY]
    if not name.isascii():
        name = _MARKS.sub("", normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("Ø", "O")))
    return _SEPARATORS.sub(" ", _CAMEL.sub(" ", name).lower().replace("'", "")).strip()


@lru_cache(maxsize=8192)
def rules_of(key: str) -> tuple[Rule, ...]:
    """The rules that fit a field's name, up to the first that says "nothing personal"."""
    name = words(key).encode()
    fitting: list[Rule] = []
    for rule in RULES:
        if rule.pattern.fullmatch(name):
            if not rule.type:
                break
            fitting.append(rule)
    return tuple(fitting)


def type_of(key: str, value: str, siblings: Iterable[str] = ()) -> str:
    """The type that a field's name gives its value; empty where it gives none.

    `siblings`: the names of the fields next to it, which decide about a plain `name`.
    """
    for rule in rules_of(key):
        if rule.fits(value):
            return rule.type
    if words(key) in PLAIN_NAMES and values.like_name(value):
        certain = values.has_given_name(value)
        return "PERSON" if certain or (values.like_full_name(value) and is_personal(tuple(siblings))) else ""
    return ""


#: What an object may be about, by the last word of its name.
_THINGS_TEXT = (
    "name phone telephone mobile card passport bank account address license licence email ssn iban dob birth birthday"
)
_PEOPLE_TEXT = """
    applicant attendee author beneficiary buyer caller candidate cardholder child claimant client contact customer
    debtor doctor donor driver employee father guarantor guardian guest holder insured landlord mother nominee parent
    participant passenger patient payee payer person physician purchaser recipient reviewer sender signatory signer
    spouse student subscriber teacher traveler traveller victim visitor witness
"""
_THINGS, _PEOPLE = frozenset(_THINGS_TEXT.split()), frozenset(_PEOPLE_TEXT.split())
#: Read from behind: `{"name": {"first": …}}` is a `first name`.
_FROM_BEHIND = {
    "name": frozenset(("first", "last", "given", "family", "middle", "full", "maiden", "sur", "fore", "birth")),
    "phone": frozenset(("home", "work", "mobile", "cell", "main", "office", "private", "daytime")),
}


@lru_cache(maxsize=8192)
def about(key: str) -> str:
    """What an object under this name, or a list of such objects, is about, in one word; empty for most names."""
    last = words(key).rpartition(" ")[2]
    single = last if last in _THINGS or last in _PEOPLE else last.removesuffix("s")
    return single if single in _THINGS or single in _PEOPLE else ""


@lru_cache(maxsize=8192)
def name_within(subject: str, key: str) -> str:
    """The name that a field of an object that is `about` something answers to: `{"card": {"number": …}}` a
    `card number`. Its own, where that tells by itself, or both together tell nothing."""
    inner = words(key)
    from_behind = inner in _FROM_BEHIND.get(subject, ())
    if not subject or (may_tell(key) and not from_behind):
        return key
    whole = f"{inner} {subject}" if from_behind else f"{subject} {inner}"
    return whole if may_tell(whole) else key


@lru_cache(maxsize=2048)
def names_within(subject: str, names: tuple[str, ...]) -> tuple[dict[str, str], tuple[bool, ...]]:
    """`name_within` of each name of an object, and whether it may tell something."""
    whole = {name: name_within(subject, name) for name in names}
    return whole, telling(tuple([whole[name] for name in names]))


#: `{"columns": ["first_name", …], "rows": [["Zuzu", …], …]}`.
_COLUMNS = frozenset(("columns", "column names", "fields", "field names", "headers", "header"))
_ROWS = frozenset(("rows", "data", "values", "records"))


@lru_cache(maxsize=4096)
def table_of(names: tuple[str, ...]) -> tuple[str, str] | None:
    """Which of an object's names is that of a table's columns, and which that of its rows."""
    low = {words(name): name for name in reversed(names)}
    columns, rows = _COLUMNS & low.keys(), _ROWS & low.keys()
    return (low[min(columns)], low[min(rows)]) if len(columns) == len(rows) == 1 else None


@lru_cache(maxsize=4096)
def pair_of(names: tuple[str, ...]) -> tuple[str, str] | None:
    """Which of an object's names is that of a pair's name, and which that of its value."""
    low = {words(name): name for name in reversed(names)}
    named, valued = PAIR_NAMES & low.keys(), PAIR_VALUES & low.keys()
    return (low[min(named)], low[min(valued)]) if len(named) == len(valued) == 1 else None


def is_person(subject: str) -> bool:
    return subject in _PEOPLE


@lru_cache(maxsize=2048)
def is_personal(keys: tuple[str, ...]) -> bool:
    """Whether fields of these names belong to a person's record."""
    return any(rule.type in _PERSONAL for key in keys for rule in rules_of(key))


@lru_cache(maxsize=4096)
def telling(keys: tuple[str, ...]) -> tuple[bool, ...]:
    """`may_tell` of each name of an object: most objects are of few kinds."""
    return tuple(map(may_tell, keys))


@lru_cache(maxsize=8192)
def may_tell(key: str) -> bool:
    """False for the names that say nothing whatever their value is: most of them, and they cost nothing."""
    return bool(rules_of(key)) or words(key) in PLAIN_NAMES
