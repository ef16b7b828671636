/** One entry and all it needs, minified, in one file. */

import { join, relative, sep } from "node:path";
import { build } from "vite";
import { ALIASES, ROOT } from "./places.js";
import { SETTINGS, TARGET } from "./settings.js";

/** Answers { code, map }: its text, and its source map as text. */
export async function bundle({ name, source }) {
  const { output } = await build(settingsFor(join(ROOT, source)));
  const names = output.map((one) => one.fileName).filter((file) => !file.endsWith(".map"));
  if (names.length !== 1) throw new Error(`${name} must be one file that needs no other, and became ${names.join(", ")}.`);
  const [{ code, map }] = output;
  return { code, map: JSON.stringify({ ...map, file: undefined, sources: map.sources.map(placeOf) }) };
}

/**
 * Not Vite's library mode: that keeps the white space of ES modules, so that others can still leave parts out.
 * What is served here nobody bundles again.
 */
function settingsFor(input) {
  return {
    ...SETTINGS,
    resolve: { alias: ALIASES },
    build: {
      write: false,
      target: TARGET,
      sourcemap: "hidden",
      minify: "esbuild",
      modulePreload: false,
      reportCompressedSize: false,
      assetsInlineLimit: Infinity,
      rollupOptions: {
        input,
        preserveEntrySignatures: "strict",
        output: { format: "es", inlineDynamicImports: true, sourcemapPathTransform: (path, map) => join(map, "..", path) },
      },
    },
  };
}

/** As browsers show it, and the same wherever it was built: packages/client/src/index.ts. */
function placeOf(source) {
  return relative(ROOT, source).split(sep).join("/");
}
