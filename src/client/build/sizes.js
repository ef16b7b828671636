/** Sizes for people. */

/** One line an entry. */
export function table(entries) {
  return Object.entries(entries).map(([name, { bytes, gzip, brotli }]) => {
    const columns = [number(bytes), `${number(gzip)} gzip`, `${number(brotli)} brotli`].map((text) => text.padStart(15));
    return `  ${name.padEnd(16)}${columns.join("")}`;
  });
}

export function number(value) {
  return value.toLocaleString("en");
}
