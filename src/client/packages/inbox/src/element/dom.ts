/** Making nodes. What comes from outside arrives as text or as an attribute, never as markup. */

type Attributes = Record<string, string | number | boolean | null>;

/** name: its class, and the part by which the page can style it. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag);
  set(node, { class: name, part: name, ...attributes });
  node.append(...children);
  return node;
}

/** null and false leave an attribute out. Only what differs is touched, so that nothing is announced or laid out for nothing. */
export function set(node: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
  }
}

export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function button(name: string, onClick: (event: MouseEvent) => void, ...children: (Node | string)[]): HTMLButtonElement {
  const node = h("button", name, { type: "button" }, ...children);
  node.addEventListener("click", onClick);
  return node;
}

/** A link where there is an address, so that it can be opened in a new tab too; else a button. */
export function linkOrButton(href: string | null, name: string, onClick: (event: MouseEvent) => void, label: string): HTMLElement {
  if (href === null) return button(name, onClick, label);
  const link = h("a", name, { href }, label);
  link.addEventListener("click", onClick);
  return link;
}

/** On a grid of 24, drawn with one line. */
const SHAPES = {
  bell: "M6 10a6 6 0 0 1 12 0c0 5 2 7 2 7H4s2-2 2-7m4 10a2 2 0 0 0 4 0",
  checks: "M2 12l5 5l9-10m-4 10l10-10",
  archive: "M4 8v12h16V8M3 4h18v4H3zm7 8h4",
  inbox: "M4 14h5l1 3h4l1-3h5M4 14l3-8h10l3 8v5H4z",
  unread: "M12 7a5 5 0 1 0 .1 0z",
  read: "M5 12l5 5l9-10",
  settings: "M4 7h9m4 0h3M4 17h3m4 0h9M15 5v4m-6 6v4",
  close: "M6 6l12 12m0-12L6 18",
} as const;

export type Shape = keyof typeof SHAPES;

export function icon(shape: Shape): SVGElement {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag)) as [SVGElement, SVGElement];
  set(svg, { viewBox: "0 0 24 24", "aria-hidden": "true" });
  set(path, { d: SHAPES[shape] });
  svg.append(path);
  return svg;
}

/** The name of an icon button is also shown, to those who point at it. */
export function iconButton(shape: Shape, label: string, onClick: (event: MouseEvent) => void, name = ""): HTMLButtonElement {
  const node = button(`icon-button ${name}`, onClick);
  become(node, shape, label);
  return node;
}

/** The same button for something else. */
export function become(node: HTMLElement, shape: Shape, label: string): void {
  if (node.title === label) return;
  set(node, { "aria-label": label, title: label });
  node.replaceChildren(icon(shape));
}
