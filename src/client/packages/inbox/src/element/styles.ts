/** The style: one sheet for all elements of the page. The panel's part, 2 kB after gzip, is a file of its own, which comes before it is opened. */

import css from "./style.css?inline";

let sheet: CSSStyleSheet | undefined;
let whole: Promise<void> | undefined;

export function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  return sheet;
}

/** With the panel's part. Where that cannot be had the panel is plain, and it is asked for again the next time. */
export function wholeStyle(): Promise<void> {
  whole ??= import("./panel.css?inline").then(
    (rest) => style().replaceSync(css + rest.default),
    () => (whole = undefined),
  );
  return whole;
}
