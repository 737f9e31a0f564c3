// The baseline in JavaScript: the `ws` package, one event loop, each frame sent back where it is read.
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false, backlog: 4096 });
server.on('connection', (socket) => {
  let stream;
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.event === 'start') {
      stream = message.start.streamSid;
    } else if (message.event === 'media') {
      const audio = Buffer.from(message.media.payload, 'base64');
      socket.send(JSON.stringify({ event: 'media', streamSid: stream, media: { payload: audio.toString('base64') } }));
    } else if (message.event === 'stop') {
      socket.close();
    }
  });
});
