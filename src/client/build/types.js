/** tsc: the types of the packages, which checks the sources too. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { ROOT } from "./places.js";

const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");

/** Throws when the sources do not type-check; tsc has said why. */
export async function makeTypes() {
  // --force: tsc believes its own notes, not the folder, and makes nothing again that was deleted.
  const [code] = await once(spawn(process.execPath, [TSC, "--build", "--force"], { cwd: ROOT, stdio: "inherit" }), "exit");
  if (code !== 0) throw new Error("The sources do not type-check (tsc).");
}
