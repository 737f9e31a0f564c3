"""The baseline in Python: the shape of the system that calld replaces. One event loop for all sockets, two queues and a
blocking handler thread for every call; the handler sends each frame back."""
import asyncio
import base64
import json
import queue
import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect


def handle(received, send):
    """The call's thread: reads frames, answers frames."""
    stream = None
    while True:
        text = received.get()
        if text is None:
            return
        message = json.loads(text)
        if message["event"] == "start":
            stream = message["start"]["streamSid"]
        elif message["event"] == "media":
            audio = base64.b64decode(message["media"]["payload"])
            payload = base64.b64encode(audio).decode()
            reply = {"event": "media", "streamSid": stream, "media": {"payload": payload}}
            send(json.dumps(reply, separators=(",", ":")))
        elif message["event"] == "stop":
            send(None)
            return


async def stream(websocket):
    await websocket.accept()
    loop = asyncio.get_running_loop()
    received = queue.Queue(500)
    to_send = asyncio.Queue(500)

    def send(text):
        loop.call_soon_threadsafe(to_send.put_nowait, text)

    async def sender():
        while (text := await to_send.get()) is not None:
            await websocket.send_text(text)
        await websocket.close()

    thread = threading.Thread(target=handle, args=(received, send), daemon=True)
    thread.start()
    sending = asyncio.create_task(sender())
    try:
        while True:
            received.put_nowait(await websocket.receive_text())
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        received.put(None)
        sending.cancel()


app = Starlette(routes=[WebSocketRoute("/ws/twilio-media", stream)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", ws="websockets-sansio", ws_per_message_deflate=False,
            backlog=4096)
