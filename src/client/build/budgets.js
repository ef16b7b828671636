/** Ends with 1 when a bundle is larger than its limit. Reads what `npm run build` wrote. */

import { join } from "node:path";
import { ENTRIES } from "./entries.js";
import { MANIFEST, SERVED, readJson } from "./places.js";
import { number } from "./sizes.js";

const { files } = readJson(join(SERVED, MANIFEST));
for (const { name, limit } of ENTRIES) {
  const size = files[`${name}.js`].gzip;
  if (size <= limit) continue;
  console.error(`${name}.js has ${number(size)} bytes after gzip, and may have ${number(limit)} (build/entries.js).`);
  process.exitCode = 1;
}
