"""URLs and e-mail addresses in one form each."""

import re

_EMAIL = re.compile(r"(?:mailto:)?([^\s@:/]{1,64})@((?:[\w-]{1,63}\.)+[\w-]{2,63})", re.IGNORECASE)
_HOST = r"(?:[\w-]{1,63}\.)+[^\W\d_][\w-]{1,62}"
_URL = re.compile(
    rf"(?:(https?|ftps?)://)?(?:[^/?#@\s]*@)?(localhost|\d{{1,3}}(?:\.\d{{1,3}}){{3}}|{_HOST})(:\d{{1,5}})?([/?#]\S*)?",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"[^\s/:?#@]+\.(?:csv|docx?|gif|html?|ics|jpe?g|json|md|mp[34]|odt|pdf|png|pptx?|txt|xlsx?|xml|ya?ml|zip)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {("http", ":80"), ("https", ":443"), ("ftp", ":21")}


def email_address(text: str) -> str | None:
    """`Bob@X.com` → `bob@x.com`. Cases of the part before the @ are taken as one, as every large provider does."""
    if "@" not in text or len(text) > 320:
        return None
    found = _EMAIL.fullmatch(text)
    return f"{found[1]}@{found[2]}".casefold() if found else None


def file_name(text: str) -> str | None:
    """`Report.PDF` → `report.pdf`: a dotted name that is no host, by its ending."""
    return text.casefold() if _FILE.fullmatch(text) else None


def url(text: str) -> str | None:
    """`https://www.X.com:443/a/?q=1#top` → `x.com/a?q=1`; a dotted name (`x.com`, `report.pdf`) is one too.

    INVARIANT: path and query are kept as written: what differs there may carry data out.
    """
    text = text.rstrip(".,:;!?'’\"*)")
    if "." not in text and "://" not in text:
        return None
    found = _URL.fullmatch(text)
    if found is None:
        return None
    scheme, host, port, rest = (found[1] or "").lower(), found[2].casefold(), found[3] or "", found[4] or ""
    if "@" in text.partition("//")[2].partition("/")[0]:
        return text  # credentials, or a host made to look like another: only as it is written
    path, _, _ = rest.partition("#")
    shown = "" if (scheme, port) in _DEFAULT_PORTS else port
    address, mark, query = path.partition("?")
    return f"{host.removeprefix('www.')}{shown}{address.rstrip('/')}{mark}{query}"
