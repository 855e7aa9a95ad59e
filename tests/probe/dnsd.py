"""A name server for the tests, on dnslib: prints its port, then answers from the zone on stdin, over UDP and TCP.

Each line of stdin that is `ZONE` takes the lines up to `END` as the new zone, in the form of zone files, and says `ready`.
Names that begin with `broken` get SERVFAIL.
"""

import sys

from dnslib import QTYPE, RCODE, RR, SOA
from dnslib.server import BaseResolver, DNSLogger, DNSServer


class Zone(BaseResolver):
    def __init__(self):
        self.records = []

    def resolve(self, request, handler):
        reply = request.reply()
        reply.header.ra = 1
        name, kind = request.q.qname, QTYPE[request.q.qtype]
        if str(name).startswith("broken"):
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        while name is not None:
            of_name = [record for record in self.records if record.rname == name]
            found = [record for record in of_name if QTYPE[record.rtype] == kind]
            alias = [record for record in of_name if QTYPE[record.rtype] == "CNAME" and not found]
            reply.add_answer(*found, *alias)
            name = alias[0].rdata.label if alias else None
        if not found:
            reply.add_auth(RR("test.", QTYPE.SOA, ttl=0, rdata=SOA("ns.test.", "mail.test.", (1, 60, 60, 60, 0))))
            if not any(str(record.rname).endswith(str(request.q.qname)) for record in self.records):
                reply.header.rcode = RCODE.NXDOMAIN
        return reply


zone = Zone()
logger = DNSLogger(logf=lambda line: None)
udp = DNSServer(zone, address="127.0.0.1", port=0, logger=logger)
udp.start_thread()
port = udp.server.server_address[1]
tcp = DNSServer(zone, address="127.0.0.1", port=port, tcp=True, logger=logger)
tcp.start_thread()
print(port, flush=True)
for line in sys.stdin:
    if line.strip() == "ZONE":
        text = ""
        for line in sys.stdin:
            if line.strip() == "END":
                break
            text += line
        zone.records = RR.fromZone(text)
        print("ready", flush=True)
