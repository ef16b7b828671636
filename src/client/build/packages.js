/** The npm packages: dist/ as ES modules with source maps, other packages left out; their types are made by tsc. */

import { rm } from "node:fs/promises";
import { join, parse } from "node:path";
import { build } from "vite";
import { PACKAGES, sourcesOf } from "./places.js";
import { SETTINGS, TARGET } from "./settings.js";
import { makeTypes } from "./types.js";

export async function buildPackages() {
  await Promise.all(PACKAGES.map(({ folder }) => rm(join(folder, "dist"), { recursive: true, force: true })));
  await makeTypes();
  for (const one of PACKAGES) await buildPackage(one);
}

function buildPackage(one) {
  return build({
    ...SETTINGS,
    root: one.folder,
    build: {
      target: TARGET,
      // Whoever bundles it minifies it.
      minify: false,
      sourcemap: true,
      reportCompressedSize: false,
      // The types are there already.
      emptyOutDir: false,
      lib: { entry: Object.fromEntries(sourcesOf(one).map(([, source]) => [parse(source).name, source])), formats: ["es"] },
      rollupOptions: { external: othersThan(one), output: { entryFileNames: "[name].js", banner: bannerOf(one) } },
    },
  });
}

/** Frameworks that render on a server must be told what runs in browsers too; Rollup drops it from a source. */
function bannerOf({ peerDependencies }) {
  return peerDependencies?.react ? '"use client";' : "";
}

/** Whether an import is of another package: react, and react/jsx-runtime too. */
function othersThan({ dependencies, peerDependencies }) {
  const others = Object.keys({ ...dependencies, ...peerDependencies });
  return (id) => others.some((other) => id === other || id.startsWith(`${other}/`));
}
