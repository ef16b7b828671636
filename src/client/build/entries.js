/**
 * What the API serves, each in one file that needs no other. A further one is one more line.
 *
 * limit: most bytes after gzip at level 9. The client is 6 kB and the inbox, which holds the client, 20 kB, so that a page can have them
 * without thinking about it.
 * format: a service worker takes more by importScripts, which knows no modules, so what it loads is a script of its own.
 */
export const ENTRIES = [
  { name: "client", source: "packages/client/src/index.ts", limit: 6_000 },
  { name: "inbox", source: "packages/inbox/src/index.ts", limit: 20_000 },
  { name: "doctor", source: "packages/client/src/doctor.ts", limit: 10_000 },
  { name: "push-worker", source: "packages/client/src/push-worker.ts", limit: 2_000, format: "iife" },
];
