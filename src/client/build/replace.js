/** Files into their folder, so that whoever reads the folder at any moment finds a whole set. */

import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * files: as [name, bytes], the manifest last. Names are of the content, so a new set stands beside the old one until the manifest, which
 * says what belongs together, is renamed over the old one. A folder cannot be renamed over another: between two renames there is none.
 */
export async function replaceFiles(folder, files) {
  await mkdir(folder, { recursive: true });
  const temporary = await mkdtemp(join(folder, ".new-"));
  try {
    for (const [name, bytes] of files) await writeFile(join(temporary, name), bytes);
    for (const [name] of files) await rename(join(temporary, name), join(folder, name));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  await removeOthers(folder, new Set(files.map(([name]) => name)));
}

async function removeOthers(folder, wanted) {
  const found = await readdir(folder, { withFileTypes: true });
  // Folders are of another build that is under way.
  const others = found.filter((one) => one.isFile() && !wanted.has(one.name));
  await Promise.all(others.map((one) => rm(join(folder, one.name), { force: true })));
}
