"""Writes odd-rdata.txt: RDATA of every type, well-formed, mutated and cut off, and what PowerDNS makes of it.

    python3 make-odd-rdata.py PREFIX-OF-4.9 PREFIX-OF-5.1

The prefixes are what Tests/Support/get-pdns made; Python needs lmdb. Each record is written to the server's database by hand
and asked for. A line holds, with tabs between: type, RDATA in hexadecimal digits (- for none),
        and for each server `same`, `read`
(it answers, but with something else, or nothing) or `refused` (SERVFAIL). Of many alike only some are kept.
"""

import collections
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lmdb

HERE = Path(__file__).parent
FIX = HERE / "rdata.txt"
random.seed(5)


def cases():
    seen=set(); out=[]
    base=[]
    for l in open(FIX,encoding='utf8'):
        f=l.rstrip('\n').split('\t'); t=int(f[0]); h=f[3] if f[3]!='-' else f[2]
        if t in (0,65401): continue
        if h=='-': h=''
        base.append((t,bytes.fromhex(h)))
    hx=bytes.fromhex
    for s in ["0001 00 0004 0000","0001 00 0006 0000","0001 00 0004 0000 0006 0000","0001 00 0001 0000",
        "0001 00 0000 0000","0001 00 0001 0001 00","0001 00 0001 0003 000168","0001 00 0002 0001 00",
        "0001 00 0003 0000","0001 00 0003 0001 01","0001 00 0003 0003 010101","0001 00 0004 0005 c000020101",
        "0001 00 0006 0011 "+"20"*17,"0001 00 0005 0000","0001 00 0005 0001 00","0001 00 0007 0000",
        "0001 00 0007 0001 61","0001 00 0008 0000","0001 00 0008 0001 78","0001 00 0009 0000","0001 00 0009 0001 00",
        "0001 00 0009 0002 001d","0001 00 0009 0003 001d00","0001 00 000a 0000","0001 00 ffff 0000",
        "0001 00 ffff 0002 6161","0000 00","0001 00","0000 00 0001 0003 026832",
        "0001 00 0003 0002 0035 0001 0003 026832","0001 00 0002 0000 0002 0000",
        "0001 00 0001 0003 026832 0001 0003 026833","0001 00 0000 0002 0000","0001 00 0000 0002 0001",
        "0001 00 0000 0004 00010001","0001 00 0000 0004 00030001","0001 00 0000 0003 000100",
        "0001 00 0000 0002 0008 0008 0000","0001 00 0004 0003 c00002","0001 00 0001 0003 022c5c",
        "0001 00 0006 0010 "+"00"*16,"0001 00 0001 0002 0561","0001 00 0001 0002 0161 0001","0001 00 0001 0002 0161 000100"]:
        base.append((64,hx(s.replace(' ','')))); base.append((65,hx(s.replace(' ',''))))
    extra={16:["","00","0000","000000","0161","016100","ff"+"61"*255,"ff"+"61"*254],99:["","00","0000"],
     13:["","00","0000","000000","0161","01610162","016101620163"],
     29:["00121613 80000000 80000000 00989680","00000000 00000000 00000000 00000000",
        "00999999 ffffffff ffffffff ffffffff","00121613 80000001 7fffffff 00989810",
        "01121212 80000000 80000000 00989680","00a21212 80000000 80000000 00989680",
        "000a1212 80000000 80000000 00989680","0012f612 80000000 80000000 00989680",
        "001212af 80000000 80000000 00989680","00121613 934fd900 a69fb200 00989680",
        "00121613 934fd901 a69fb201 00989680","00ffffff 80000000 80000000 00989680"],
     35:["0000000000000000","0000 0000 00 00 00 00","0064 0032 01 73 00 00 00","ffffffff00000000"],
     257:["0000","00","","000000","8000 22","000161","00016162","0005697373756500","00ff"+"61"*255,"01","0105697373756522"],
     42:["","0001 00 00","0001 21 00","0003 01 00","0002 81 00","0001 20 05 c000020101","0001 08 04 c0000201",
        "0001 18 84 c0000201","0002 80 10"+"20"*16,"0002 80 11"+"20"*17,"0001 20 00","0001 00 80","0000 00 00",
        "0001 ff 00","0002 ff 00"],
     256:["","0000","00000000","0001000161","000100"],
     61:["","00","0102"],49:["","00"],41:["","0001"],
     43:["","00","0000","000000","00000000","0000000000","0001 05 02"],59:["00000000","0000000000","000000","00010203"],
        60:["00000300","0000030000","000003","0000"],48:["01000300","010003","0101030d"],57:["010003"],25:["010003",
        "00000000"],
     44:["0101","01","","000000"],52:["030101","0301","00000000"],53:["030101","03"],
     37:["0000000000","000000000000","0000"],
     45:["0a0000","0a000000","0a0002","0a0002ff","0a0102c0000226","0a0402ff","0a00ff","0a000001","0a0100c0000226",
        "0a010300c0000226","0a0003ff","0a00ffff","0a0200"+"20"*16,"0a0302016100ff","0a030001610000"],
     46:["0001 0d 03 0000012c 6b10b100 6af50180 e55b 00","0001 0d 03 0000012c 6b10b100 6af50180 e55b 00 00"],
     47:["00","000000","00 0000","00 0021"+"00"*33,"00 0001 40","00 000140 0101 40","00 0101 40 0001 40","00 0001 00",
        "00 0001 40 0001 40","00 0002 61","00ff0100","00 0020"+"ff"*32],
     50:["01 00 0000 00 01 ff","01 00 0000 00 00","01 01 000c 04 aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 0006 000100000002"],
     51:["01 00 0000 00","01 00 0000 02 aa","01 00 0000","01 00 0000 00 00"],
     62:["00000042 0003","00000042","00000042 0003 0000","00000042 0003 0021"+"00"*33],
     63:["00000001 01 01","00000001 01","00000001 01 01 00","00000001 f0 f0 ff"],
     104:["000a00144fffff20ee64","0000"+"00"*8],108:["000000000000"],109:["00"*8],
     1:["","c00002","c000020100"],28:["","00"*15,"00"*17],
     2:["00","","0161","016100ff"],5:["00",""],15:["000000","0000","00"],33:["000000000000 00","000000000000"],
     6:["0000"+"00"*20,"0000"+"00"*19,"0000"+"ff"*20,"0000"+"00"*21],12:["00"],39:["00",""],17:["0000","00"],14:["0000",
        "00"],18:["000000"],36:["000000"],107:["000000"],7:["00","0161"],8:["00"],9:["00"],
     65280:["","00","0a000001"],10:["","00"],24:["","0102"],55:["00",""],11:["","0102"],30:["00","016100"],261:["","00",
        "0161"],262:["","00","0161"],67:["","0102"],68:["","0102"],66:["","0000"],249:["00"],250:["00"],32768:["00"],
        32769:["000102","00010203","0001"],20:["00"],19:["","00"],22:["00"],26:["00"],27:["00"],31:["00"],38:["00"],
        56:["00"],58:["00"],251:["00"],252:["00"],253:["00"],255:["00"],99:["0161"]}
    for t,hs in extra.items():
        for h in hs: base.append((t,hx(h.replace(' ',''))))
    def add(t,r):
        if (t,r) not in seen and len(r)<480: seen.add((t,r)); out.append((t,r))
    for t,r in base: add(t,r)
    n=len(out)
    for t,r in base:
        if len(r)<=70:
            for k in range(len(r)): add(t,r[:k])
        add(t,r+b'\0'); add(t,r+b'\1\2')
        idx=range(len(r)) if len(r)<40 else list(range(30))
        for i in idx:
            for v in {0,1,(r[i]+1)&255,(r[i]-1)&255,255,0xc0}:
                add(t,r[:i]+bytes([v])+r[i+1:])
    return out
QT={46:1,65402:1,50:1}
CONF="""launch=lmdb
module-dir={p}/modules
lmdb-filename={d}/db
lmdb-shards=1
lmdb-lightning-stream=yes
lmdb-map-size=200
lmdb-sync-mode=nosync
zone-cache-refresh-interval=0
zone-metadata-cache-ttl=0
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
local-address=127.0.0.1
local-port={port}
socket-dir={d}
guardian=no
daemon=no
setuid=
setgid=
loglevel=3
udp-truncation-threshold=4096
"""
def run(p,port,cs):
    d=tempfile.mkdtemp(prefix="oracle"); open(d+"/pdns.conf","w").write(CONF.format(p=os.path.realpath(p),d=d,port=port))
    z=d+"/z"; open(z,"w").write("$TTL 300\n@ IN SOA a. b. 1 2 3 4 5\n@ IN NS ns.other.net.\nwww IN A 1.2.3.4\n")
    subprocess.run([p+"/bin/pdnsutil","--config-dir="+d,"load-zone","example.org",z],check=True,capture_output=True)
    env=lmdb.open(d+"/db-0",subdir=False,max_dbs=16,map_size=200<<20)
    db=env.open_db(b"records_v5",create=False)
    with env.begin(write=True) as txn:
        k,v=next(iter(txn.cursor(db))); zid=k[:4]; head=v[:24]
        for i,(t,r) in enumerate(cs):
            txn.put(zid+b"r%d\0"%i+b"\0"+struct.pack(">H",t),head+struct.pack("<H",len(r))+r+struct.pack("<I",
        300)+b"\1\0\1",db=db)
    env.close()
    log=open(d+"/log","w")
    srv=None
    def start():
        nonlocal srv
        srv=subprocess.Popen([p+"/bin/pdns_server","--config-dir="+d],stdout=log,stderr=log); time.sleep(1.5)
    start()
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.connect(("127.0.0.1",port)); s.settimeout(1.0)
    res=[]
    for i,(t,r) in enumerate(cs):
        qt=QT.get(t) or t if t not in (41,249,250,251,252,253,254,255) else 1
        q=struct.pack(">HHHHHH",i&0xffff,0x0100,1,0,0,1)+bytes([len("r%d"%i)])+b"r%d"%i+b"\7example\3org\0"+struct.pack(">HH",qt,1)+b"\0"+struct.pack(">HHIH",41,4096,0,0)
        a=None
        for attempt in range(3):
            try: 
                s.send(q)
                while True:
                    a=s.recv(65535)
                    if a[:2]==q[:2]: break
                break
            except (socket.timeout,ConnectionRefusedError):
                a=None
                if srv.poll() is not None: start()
        if a is None: res.append("dead"); continue
        rc=a[3]&15
        if rc: res.append("rcode%d"%rc); continue
        an=struct.unpack(">H",a[6:8])[0]
        if not an: res.append("nodata"); continue
        # skip question
        o=12+len("r%d"%i)+1+13+4
        o+=2 if a[o]>=0xc0 else 0
        ty,cl,tt,rl=struct.unpack(">HHIH",a[o:o+10]); rd=a[o+10:o+10+rl]
        res.append("same" if rd==r and ty==t else "other:"+rd.hex())
    srv.terminate(); srv.wait(); shutil.rmtree(d)
    return res

WORDS = {"rcode2": "refused", "dead": "refused", "same": "same"}
MOST = {("same", "same"): 6, ("refused", "refused"): 10, ("read", "read"): 60}


def main():
    examples = cases()
    answers = [run(prefix, port, examples) for prefix, port in zip(sys.argv[1:3], (5961, 5962))]
    seen = collections.Counter()
    lines = []
    for (number, rdata), *words in zip(examples, *answers):
        words = tuple(WORDS.get(word, "read") for word in words)
        # Rows between the records, and what is not told by an answer.
        if number in (0, 46, 50, 65402):
            continue
        seen[number, words] += 1
        if seen[number, words] <= MOST.get(words, 40):
            lines.append("\t".join([str(number), rdata.hex() or "-", *words]))
    (HERE / "odd-rdata.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
