// What the JavaScript suites do with an example of data/examples: lays it out as a newcomer would, with the packages beside
// it, and starts Weir with its project file. Knows no SDK and no example.

import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Weir } from "./weir.mjs";

const EXAMPLES = fileURLToPath(new URL("../../data/examples/", import.meta.url));
// A newcomer's keys are made at the first start; the suites bring theirs.
const { keys } = JSON.parse(await readFile(new URL("project.json", import.meta.url), "utf8"));

/** The example's folder, a copy that ends with the test `t`; what its README says; Weir with its project, and its reports. */
export async function prepare(t, name, packages) {
  const folder = await mkdtemp(join(tmpdir(), "weir-example-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // Not what somebody who tried the example there has left.
  const filter = (source) => !["node_modules", "data"].includes(basename(source));
  await cp(join(EXAMPLES, name), folder, { recursive: true, filter });
  await symlink(packages, join(folder, "node_modules"));
  const project = JSON.parse(await readFile(join(folder, "project.json"), "utf8"));
  const path = join(folder, "project.with-keys.json");
  await writeFile(path, JSON.stringify({ ...project, keys }));
  const readme = await readFile(join(folder, "README.md"), "utf8");
  const weir = await Weir.start(t, path);
  const headers = { "statsig-api-key": keys.find(({ type }) => type === "CONSOLE").key };
  const results = async (name) => {
    const reply = await fetch(`${weir.address}/console/v1/experiments/${name}/results`, { headers });
    if (reply.status !== 200) throw new Error(`results of ${name}: ${await reply.text()}`);
    return reply.json();
  };
  return { folder, readme, weir, results };
}
