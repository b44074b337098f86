// The users of statsig.users.json. Knows no SDK. python/statsig_users.py makes the same ones.

import { readFile } from "node:fs/promises";

const POOLS = Object.entries(JSON.parse(await readFile(new URL("statsig.users.json", import.meta.url), "utf8")));
const COMPANIES = 40;

/** FNV-1a of 32 bits, its halves folded into one number of 16 bits. */
function hashOf(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return (value >>> 16) ^ (value & 0xffff);
}

/** A StatsigUser: of each field's values one, null leaving it out. */
export function user(seed, index) {
  const made = {};
  for (const [path, pool] of POOLS) {
    let value = structuredClone(pool[hashOf(`${seed}:${index}:${path}`) % pool.length]);
    if (value === null) continue;
    if (typeof value === "string") value = value.replace("{i}", index).replace("{s}", index % COMPANIES);
    const [field, place] = path.split(".").reverse();
    (place === undefined ? made : (made[place] ??= {}))[field] = value;
  }
  return made;
}
