"""The zone file that the story loads: what is in it is known from a parser that is not PowerDNS's."""

import dns.rdatatype
import dns.zone

from lab.paths import TESTS
from lab.powerdns import records

ORIGIN = "types.test"
PATH = TESTS / "data" / "types.test.zone"
DELEGATIONS = ("signed.types.test.", "sub.types.test.")


def rrsets():
    """All RRsets as (name, type, texts of its records)."""
    zone = dns.zone.from_file(str(PATH), relativize=False)
    for name, rdataset in zone.iterate_rdatasets():
        kind = dns.rdatatype.to_text(rdataset.rdtype)
        rrset = zone.find_rrset(name, rdataset.rdtype)
        yield str(name), kind, records([rrset])


def answered():
    """The RRsets that a query gets an answer with: not the delegations and what is below them.

    Neither octets beyond ASCII: PowerDNS keeps and transfers such names, but does not answer for them.
    """
    return [
        (name, kind, texts) for name, kind, texts in rrsets()
        if (kind == "DS" or not name.endswith(DELEGATIONS)) and "\\255" not in name]


def everything():
    """The sorted texts of all records."""
    return sorted(text.lower() for _, _, texts in rrsets() for text in texts)
