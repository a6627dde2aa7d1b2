#!/usr/bin/env python3
"""Lets real PowerDNS servers store records of every type, and writes what they stored and printed:

    make-rdata.py PREFIX-OF-4.9 PREFIX-OF-5.1 > rdata.txt

The prefixes are what Tests/Support/get-pdns made; Python needs lmdb and dnspython. A line holds, with tabs between: the
number of the type, the owner below example.org, the RDATA as both versions stored it, the same without compression as
dnspython sees it, and the RDATA as text by dnspython, by pdnsutil 4.9 and by pdnsutil 5.1; `-` for no bytes, and where
one of them does not know the type.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

import dns.message
import dns.name
import lmdb

RECORDS = r"""
a A 192.0.2.1
ns NS ns1.example.org.
ns2 NS ns.elsewhere.test.
cname CNAME CnAmE.Target.Example.ORG.
cname2 CNAME .
ptr PTR ptr.example.org.
deep.er.name NS x.er.name.example.org.
hinfo HINFO "PC" "Linux \"5\""
mx MX 10 mail.mx.example.org.
mx2 MX 0 .
txt TXT "plain" "with \"quotes\" and \\" "" "\000\031\127\255"
txt2 TXT "semi;colon @ $ (brackets)"
txt3 TXT ""
spf SPF "v=spf1 -all"
rp RP who.example.org. what\.ever.example.net.
afsdb AFSDB 1 afs.example.org.
aaaa AAAA 2001:db8:0:0:1::1
aaaa2 AAAA ::ffff:192.0.2.1
aaaa3 AAAA ::
loc LOC 51 56 0.123 N 5 54 0.000 E 4.00m 1.00m 10000.00m 10.00m
loc2 LOC 33 51 35.9 S 151 12 40.001 W -24.50m 30m 100m 0.05m
srv SRV 1 2 443 srv.example.org.
srv2 SRV 0 0 0 .
naptr NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.org.
naptr2 NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:\\1@example.org!" .
kx KX 10 kx.example.org.
cert CERT 1 12345 8 AQIDBAU=
dname DNAME dname.example.net.
apl APL 1:192.0.2.0/24 !2:2001:db8::/32
ds DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
sshfp SSHFP 2 1 123456789abcdef67890123456789abcdef67890
rrsig RRSIG A 13 3 300 20261203000000 20261112000000 58715 example.org. AQIDBAUG
nsec NSEC next.example.org. A MX RRSIG NSEC TYPE1234 CAA
dnskey DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
dhcid DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
nsec3param NSEC3PARAM 1 0 10 aabbccdd
nsec3param2 NSEC3PARAM 1 0 0 -
tlsa TLSA 3 1 1 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514B56664C5D3D6
smimea SMIMEA 3 0 0 abcdef
cds CDS 0 0 0 00
cdnskey CDNSKEY 0 3 0 AA==
openpgpkey OPENPGPKEY AQIDBAUGBwg=
csync CSYNC 66 3 A NS AAAA
zonemd ZONEMD 2018031500 1 1 FEBE3D4CE2EC2FFA4BA99D46CD69D6D29711E55217057BEE7EB1A7B641A47BA7FED2DD5B97AE499FAFA4F22C6BD647DE
svcb SVCB 1 svc.example.org. mandatory=alpn,ipv4hint alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech="AQID" ipv6hint=2001:db8::1 key667="hello"
svcb2 SVCB 0 alias.example.net.
https HTTPS 1 . no-default-alpn alpn="h2,h3-29"
https2 HTTPS 16 . alpn="f\\\\oo\\,bar,h2"
https4 HTTPS 1 .
dohpath SVCB 1 . dohpath="/dns-query{?dns}"
nid NID 10 0014:4fff:ff20:ee64
l32 L32 10 10.1.2.0
l64 L64 10 2001:0DB8:1140:1000
lp LP 10 l64-subnet1.example.org.
eui48 EUI48 00-00-5E-00-53-2A
eui64 EUI64 00-00-5e-ef-10-00-00-2a
uri URI 10 1 "https://example.org/path?x=\"y\""
caa CAA 0 issue "ca.example; account=230123"
caa2 CAA 128 iodef "mailto:security@example.org"
alias ALIAS target.example.net.
lua LUA A "ifportup(443, {'192.0.2.1', '192.0.2.2'})"
lua2 LUA TXT ";" "return 'a' .. \"b\""
type1 TYPE65280 \# 4 0A000001
type2 TYPE65281 \# 0
names MX 5 a\.b\@c\;\"\$\(\032\200\\d.example.org.
we\.ird\@\032x A 192.0.2.7
KEY KEY 256 3 8 AQIDBAU=
minfo MINFO a.example.org. b.example.org.
ipseckey IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
null TYPE10 \# 3 abcdef
sig TYPE24 \# 2 0102
csync2 CSYNC 66 3 A TYPE10 TYPE20 TYPE24 TYPE261
rrsig2 RRSIG TYPE10 13 3 300 20261203000000 20261112000000 58715 example.org. AQID
ipseckey2 IPSECKEY 10 0 0
ipseckey3 IPSECKEY 10 0 2 /w==
locz LOC 0 0 0 N 0 0 0 E 4.00m 1.00m 10000.00m 10.00m
ohttp HTTPS 1 . mandatory=ohttp ohttp
groups HTTPS 1 . tls-supported-groups=29,23
resinfo RESINFO "qnamemin" "exterr=15-17"
wallet WALLET "a" "b"
hhit HHIT AQI=
brid BRID AQI=
"""

CONFIGURATION = """launch=lmdb
module-dir={prefix}/modules
lmdb-filename={directory}/db
lmdb-shards=1
lmdb-lightning-stream=yes
lmdb-map-size=16
"""


def stored(prefix, zone_text):
    """RDATA by (owner key, type), and what pdnsutil prints of it, after loading a zone."""
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "pdns.conf").write_text(
            CONFIGURATION.format(prefix=prefix, directory=directory))
        zone = pathlib.Path(directory, "zone")
        zone.write_text(zone_text)
        pdnsutil = [f"{prefix}/bin/pdnsutil", f"--config-dir={directory}"]
        done = subprocess.run(pdnsutil + ["load-zone", "example.org", str(zone)], capture_output=True, text=True)
        if done.returncode != 0:
            return None
        listing = subprocess.run(
            pdnsutil + ["list-zone", "example.org"], capture_output=True, check=True).stdout.decode("latin-1")
        rdata = {}
        with lmdb.open(f"{directory}/db-0", subdir=False, readonly=True, lock=False, max_dbs=8) as environment:
            with environment.begin(db=environment.open_db(b"records_v5", create=False)) as transaction:
                for key, value in transaction.cursor():
                    if value[17] & 1 or len(value) <= 24:
                        continue
                    value = value[24:]
                    size = struct.unpack("<H", value[:2])[0]
                    rdata[key[4:]] = value[2:2 + size]
        return rdata, listing


def main():
    for record in RECORDS.strip().splitlines():
        owner, kind, text = record.split(" ", 2)
        zone = f"$ORIGIN example.org.\n$TTL 60\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\n{owner} 60 IN {kind} {text}\n"
        results = [stored(sys.argv[1], zone), stored(sys.argv[2], zone)]
        lines, found = [], []
        for result in results:
            if result is None:
                lines.append("-")
                continue
            rdata, listing = result
            keys = [key for key in rdata if not key.startswith(b"\0") and key[-2:] != b"\0\0"]
            if len(keys) != 1:
                lines.append("-")
                continue
            found.append((struct.unpack(">H", keys[0][-2:])[0], rdata[keys[0]]))
            (line,) = [line for line in listing.splitlines()[1:] if not line.startswith("example.org")]
            lines.append(line.split("\t", 4)[4])
        if len(set(found)) != 1:
            sys.exit(f"nobody takes, or they differ on: {record} {found}")
        number, raw = found[-1]
        name = dns.name.from_text(owner.lower() + ".example.org.")
        message = (struct.pack(">HHHHHH", 0, 0x8000, 1, 1, 0, 0) + b"\0\0\1\0\1" + name.to_wire() +
                   struct.pack(">HHIH", number, 1, 60, len(raw)) + raw)
        (seen,) = dns.message.from_wire(message).answer[0]
        try:
            text = seen.to_text(chunksize=0)
        except TypeError:  # types whose text knows nothing of chunks
            text = seen.to_text()
        is_known = not text.startswith("\\#") or number in (65280, 65281)
        wire = seen.to_wire().hex() or "-" if is_known else "-"
        print(number, name.relativize(dns.name.from_text("example.org.")), raw.hex() or "-", wire, text if is_known else "-",
              *lines, sep="\t")


main()
