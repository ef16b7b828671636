/** `npm run build`: the npm packages into their dist folders, and what the API serves into src/tidings/browser/files. */

import { bundle } from "./bundle.js";
import { ENTRIES } from "./entries.js";
import { buildPackages } from "./packages.js";
import { PACKAGES, SERVED } from "./places.js";
import { replaceFiles } from "./replace.js";
import { manifestFile, servedFiles } from "./served.js";
import { table } from "./sizes.js";

await buildPackages();

const entries = {};
const files = [];
for (const entry of ENTRIES) {
  const served = servedFiles(entry.name, await bundle(entry));
  entries[`${entry.name}.js`] = served.entry;
  files.push(...served.files);
}
files.push(manifestFile(PACKAGES[0].version, entries));
await replaceFiles(SERVED, files);

console.log(table(entries).join("\n"));
