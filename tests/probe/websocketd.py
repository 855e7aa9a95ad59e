"""A WebSocket server for the tests, on websockets: prints its port, then one line per connection that has ended.

It offers permessage-deflate and the subprotocol "chat", answers each message with itself in two fragments and a ping between
them, and prints the code with which the client closed and what it had said.
"""

import asyncio

from websockets.asyncio.server import serve


async def echo(connection):
    heard = []
    async for message in connection:
        heard.append(message)

        async def parts():
            yield message[: len(message) // 2]
            await connection.ping()
            yield message[len(message) // 2 :]

        await connection.send(parts())
    print(connection.close_code, connection.subprotocol, heard, flush=True)


async def main():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
