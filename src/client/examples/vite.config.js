/** The examples as pages of one site: `npm run dev` serves them before the Tidings of `make run`, `npm run build` makes dist/. */

import vue from "@vitejs/plugin-vue";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TIDINGS = process.env.TIDINGS_PUBLIC_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === "tidings-inbox" } } })],
  resolve: {
    // As the installed packages bring them; here they are what `npm run build` beside this made.
    alias: [
      { find: /^@tidings\/(client|inbox|react)$/, replacement: here("../packages/$1/dist/index.js") },
      { find: "@tidings/client/push", replacement: here("../packages/client/dist/push.js") },
    ],
    dedupe: ["react", "react-dom"],
  },
  server: {
    // As an object: as text, Vite would put another Host on what it passes on, and the demo answers its own pages only.
    proxy: Object.fromEntries(["/client", "/v1", "/demo"].map((path) => [path, { target: TIDINGS }])),
    // Otherwise Vite looks for /client/inbox.js among our files, and says that it is not there.
    preTransformRequests: false,
  },
  // `plain` is served as it is.
  build: { rollupOptions: { input: ["react", "vue", "angular"].map((name) => here(`${name}/index.html`)) } },
});
