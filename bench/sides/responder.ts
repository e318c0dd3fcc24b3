/**
 * The floor under every SIP server in this runtime: a UDP socket that echoes the headers of a request without reading them.
 * A REGISTER that begins a Call-ID is challenged, any other request is answered 200.
 */
const CHALLENGE =
  'WWW-Authenticate: Digest realm="sidecar.test", nonce="0123456789abcdef", algorithm=MD5, qop="auth"\r\n';

const socket = await Bun.udpSocket({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    data(socket, data, port, address) {
      const request = data.toString('latin1');
      const headers = request.slice(request.indexOf('\r\n') + 2);
      const start = request.includes('\r\nCSeq: 1 REGISTER\r\n')
        ? `SIP/2.0 401 Unauthorized\r\n${CHALLENGE}`
        : 'SIP/2.0 200 OK\r\n';
      socket.send(start + headers, port, address);
    },
  },
});
console.log(`ready udp/127.0.0.1:${socket.port}`);

// Makes this file a module, for the await above.
export {};
