/** Where things are. */

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The files that the API serves; a folder of the Python package, so that a wheel brings them along. */
export const SERVED = join(ROOT, "../tidings/browser/files");
export const MANIFEST = "manifest.json";

export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** The npm packages: what their package.json says, and the folder. */
export const PACKAGES = readJson(join(ROOT, "package.json")).workspaces.map((folder) => ({
  folder: join(ROOT, folder),
  ...readJson(join(ROOT, folder, "package.json")),
}));

/** What a package exports, as [path, source]: "./dist/index.js" is made from src/index.ts. */
export function sourcesOf({ folder, exports }) {
  return Object.entries(exports).map(([path, { default: made }]) => {
    const source = join(folder, "src", basename(made, ".js"));
    return [path, existsSync(`${source}.tsx`) ? `${source}.tsx` : `${source}.ts`];
  });
}

/** From what our packages are imported by to their sources, so that neither a bundle nor a test needs another package to be built before. */
export const ALIASES = PACKAGES.flatMap((one) =>
  sourcesOf(one).map(([path, source]) => ({ find: new RegExp(`^${one.name}${path.slice(1)}$`), replacement: source })),
);
