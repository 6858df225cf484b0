// What many open sessions take of the bridge's memory.

import { createServer } from "node:http";
import { residentMiB } from "./measure.mjs";

const FILE = Buffer.alloc(1000, "x");

/** A thousand containers would measure the machine: this answers as if every name were a running sandbox with one file. */
async function startFakeCloud(world) {
  const created = Date.now();
  let url;
  const server = createServer((request, response) => {
    const name = /\/sandboxes\/([a-z0-9-]+)$/.exec(request.url)?.[1];
    if (name) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({
        id: `id${name}`.slice(0, 40), name, namespace: "default", status: "running", created_at: created,
        sandbox_url: url, resources: { cpus: 1, memory_mb: 1024, disk_mb: 10240 }, timeout_secs: 600,
      }));
    } else if (request.url.startsWith("/api/v1/files?")) {
      response.end(FILE);
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
  world.onClose(async () => {
    server.closeAllConnections();
    server.close();
  });
  return url;
}

export async function sessions(world, quick) {
  const count = quick ? 20 : 1000;
  const url = await startFakeCloud(world);
  const { client, bridgePid } = await world.bridge({ TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: "tl_apiKey_fake" });
  const before = residentMiB(bridgePid);
  const open = Array.from({ length: count }, (_, i) => client.session(`bench-session-${i}`));
  for (let at = 0; at < count; at += 50) {
    await Promise.all(open.slice(at, at + 50).map(async (session) => {
      const { status, sandboxId } = await session.prepare();
      if (status !== "running" || !sandboxId) throw new Error(`the sandbox is ${status}`);
      const bytes = await session.files.read("file");
      if (bytes.length !== FILE.length) throw new Error(`${bytes.length} bytes came`);
    }));
  }
  const resident = residentMiB(bridgePid);
  return [{
    what: `${count} open sessions, sandboxes known`, unit: "MiB", sandbridge: resident,
    target: "<= 64", reached: resident <= 64,
    details: `${before.toFixed(1)} MiB before, so ${((resident - before) / count * 1024).toFixed(1)} KiB a session`,
  }];
}
