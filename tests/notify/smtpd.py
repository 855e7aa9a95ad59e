"""An SMTP server for the tests, on aiosmtpd: prints its port, then one JSON object per event.

Environment: CERTIFICATE and KEY (PEM files, for STARTTLS, which it demands), PASSWORD of the user ada.
Recipients: gone@ is refused for good, busy@ is asked to come back once, all others are accepted.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Handler:
    def __init__(self):
        self.was_busy = False

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        if address.startswith("busy@") and not self.was_busy:
            self.was_busy = True
            return "451 4.2.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "replace")
        say("mail", to=envelope.rcpt_tos, sender=envelope.mail_from, text=text, tls=session.ssl is not None)
        return "250 queued"


def authenticate(server, session, envelope, mechanism, data):
    is_right = data.login == b"ada" and data.password == os.environ["PASSWORD"].encode()
    say("login", is_right=is_right)
    return AuthResult(success=is_right, handled=is_right)


async def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
    handler = Handler()

    def session():
        return SMTP(
            handler,
            hostname="127.0.0.1",
            tls_context=context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0)
    say("open", port=server.sockets[0].getsockname()[1])
    # The end of the test closes the pipe.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
