/** What is in the npm packages. */

import ts from "typescript";
import { expect, it } from "vitest";

const PACKAGES = new URL("../..", import.meta.url).pathname;

it.each(["client", "inbox", "react"])("the types of %s point to no source that it leaves out", (name) => {
  const folder = `${PACKAGES}${name}`;
  const { files } = JSON.parse(ts.sys.readFile(`${folder}/package.json`)!) as { files: string[] };
  const { options } = ts.getParsedCommandLineOfConfigFile(`${folder}/tsconfig.json`, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} })!;
  expect(options.declarationMap && !files.includes("src")).toBeFalsy();
});
