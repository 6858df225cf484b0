// An HTTPS server for tests: node tls-server.mjs (h2|h1) KEY CERT. HTTP/2 is offered by ALPN, HTTP/1.1 spoken with those that
// do not take it; `h1` offers nothing else. Prints its port, and ends with its standard input.
//
//   GET /wait/MS    after MS milliseconds, JSON: protocol, connection (their number), key (whether there was one)
//   GET /bytes/N    N bytes, as fast as they are taken
//   GET /sent       how many bytes of /bytes were taken by the network so far
//   PUT /count      how many bytes came
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';

const [mode, key, cert] = process.argv.slice(2);
const tls = { key: readFileSync(key), cert: readFileSync(cert) };
const server = mode === 'h2' ? createSecureServer({ ...tls, allowHTTP1: true }) : createServer(tls);

const numbers = new Map();
const numberOf = (connection) => {
  if (!numbers.has(connection)) numbers.set(connection, numbers.size);
  return numbers.get(connection);
};
let sent = 0;

server.on('request', (request, response) => {
  const [, what, argument] = request.url.split('/');
  const json = (value) => response.end(JSON.stringify(value));
  if (what === 'wait') {
    setTimeout(() => json({
      protocol: request.httpVersion,
      connection: numberOf(request.stream?.session ?? request.socket),
      key: request.headers.authorization !== undefined,
    }), Number(argument));
  } else if (what === 'bytes') {
    let left = Number(argument);
    const more = () => {
      while (left > 0) {
        const n = Math.min(left, 65536);
        left -= n;
        sent += n;
        if (!response.write(Buffer.alloc(n, 'x'))) return response.once('drain', more);
      }
      response.end();
    };
    more();
  } else if (what === 'sent') {
    json({ sent });
  } else if (what === 'count') {
    let count = 0;
    request.on('data', (chunk) => { count += chunk.length; });
    request.on('end', () => json({ count }));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
