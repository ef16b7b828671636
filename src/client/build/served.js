/** From a bundle to the files that are served: named by their content, compressed beforehand, described by one manifest. */

import { createHash } from "node:crypto";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { MANIFEST } from "./places.js";

/** Answers { entry, files }: what the manifest says of it, and its files as [name, bytes]. */
export function servedFiles(name, { code, map, chunks }) {
  // The source map counts too: under its name, it is kept for a year as well.
  const path = `${name}-${digest("sha256", code + map, "hex").slice(0, 12)}.js`;
  const script = scriptFiles(path, code, map);
  const [identity, gzip, brotli] = script.map(([, bytes]) => bytes);
  return {
    entry: {
      path,
      integrity: `sha384-${digest("sha384", identity, "base64")}`,
      bytes: identity.length,
      gzip: gzip.length,
      brotli: brotli.length,
      chunks: chunks.map((chunk) => chunk.path),
    },
    files: [...script, ...chunks.flatMap((chunk) => scriptFiles(chunk.path, chunk.code, chunk.map))],
  };
}

function scriptFiles(path, code, map) {
  return [...packed(path, `${code.trimEnd()}\n//# sourceMappingURL=${path}.map\n`), ...packed(`${path}.map`, map)];
}

/** version: of the packages.   entries: as in { "client.js": { path, … } }. */
export function manifestFile(version, entries) {
  return [MANIFEST, Buffer.from(`${JSON.stringify({ version, files: entries }, null, 2)}\n`)];
}

function packed(name, text) {
  const bytes = Buffer.from(text);
  return [
    [name, bytes],
    // Node writes no time into the head of it, so the same text gives the same bytes.
    [`${name}.gz`, gzipSync(bytes, { level: 9 })],
    [`${name}.br`, brotliCompressSync(bytes, { params: { ...BROTLI, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })],
  ];
}

const BROTLI = {
  [constants.BROTLI_PARAM_QUALITY]: 11,
  [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
};

function digest(algorithm, content, encoding) {
  return createHash(algorithm).update(content).digest(encoding);
}
