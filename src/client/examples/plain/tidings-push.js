// A service worker is of the page's own origin, so this file is yours, and loads what Tidings serves.
importScripts("/client/push-worker.js");
