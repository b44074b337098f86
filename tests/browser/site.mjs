// A site of one page, whose script is bundled from a file of this folder. Its origin is never that of the binary under test.

import { once } from "node:events";
import { createServer } from "node:http";
import { build } from "esbuild";

const PAGE = '<!doctype html><title>Shop — 店</title><script src="/page.js"></script>';

/** `file`: the script, with what it imports. `close` ends it together with its connections. */
export async function openSite(file) {
  const bundle = await build({
    entryPoints: [new URL(file, import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "iife",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const script = bundle.outputFiles[0].text;
  const server = createServer((request, reply) => {
    const isScript = request.url === "/page.js";
    reply.setHeader("content-type", isScript ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8");
    reply.end(isScript ? script : PAGE);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { origin: `http://localhost:${server.address().port}`, close };
}
