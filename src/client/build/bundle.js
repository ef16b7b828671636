/** One entry and all it needs, minified: in one file, and what it loads only when it needs it in files beside. */

import { join, relative, sep } from "node:path";
import { build } from "vite";
import { ALIASES, ROOT } from "./places.js";
import { SETTINGS, TARGET } from "./settings.js";

/** Answers { code, map, chunks }: its text, its source map as text, and what it may load later, as { path, code, map }. */
export async function bundle({ name, source, format = "es" }) {
  const { output } = await build(settingsFor(join(ROOT, source), format));
  const [entry, ...chunks] = output.filter((one) => one.type === "chunk");
  const needed = [entry, ...chunks].flatMap(({ imports }) => imports);
  if (needed.length > 0) throw new Error(`${name} must need no other file at once, and needs ${needed.join(", ")}.`);
  return { ...textsOf(entry), chunks: chunks.map((chunk) => ({ path: chunk.fileName, ...textsOf(chunk) })) };
}

function textsOf({ code, map }) {
  return { code, map: JSON.stringify({ ...map, file: undefined, sources: map.sources.map(placeOf) }) };
}

/**
 * Not Vite's library mode: that keeps the white space of ES modules, so that others can still leave parts out.
 * What is served here nobody bundles again.
 */
function settingsFor(input, format) {
  return {
    ...SETTINGS,
    resolve: { alias: ALIASES },
    build: {
      write: false,
      target: TARGET,
      sourcemap: "hidden",
      // 4 % smaller than esbuild's.
      minify: "terser",
      terserOptions: { module: true, compress: { passes: 2 } },
      modulePreload: false,
      reportCompressedSize: false,
      assetsInlineLimit: Infinity,
      rollupOptions: {
        input,
        preserveEntrySignatures: "strict",
        output: {
          format,
          // All in one folder, as they are served.
          entryFileNames: "[name].js",
          chunkFileNames: "[name]-[hash].js",
          sourcemapPathTransform: (path, map) => join(map, "..", path),
        },
      },
    },
  };
}

/** As browsers show it, and the same wherever it was built: packages/client/src/index.ts. */
function placeOf(source) {
  return relative(ROOT, source).split(sep).join("/");
}
