/** What every build with Vite has in common. */

import { ROOT } from "./places.js";

export const SETTINGS = {
  root: ROOT,
  // Nothing but what is written here: a build does not depend on where it is made.
  configFile: false,
  envFile: false,
  publicDir: false,
  logLevel: "warn",
};

export const TARGET = "es2022";
