/**
 * The script of a service worker: it shows what Tidings pushes while nobody looks. Served as /client/push-worker.js, to be loaded by
 * importScripts into a file of the page's own origin, alone or beside what that worker does already; or imported into a bundle of it.
 */

import { listen } from "./push-worker/listen";
import type { WorkerScope } from "./push-worker/scope";

listen(globalThis as unknown as WorkerScope);
