/** Which languages to try, the best first: of the element or what it stands in, through shadow roots too; then of the browser. */

export function languagesFor(element: Element): readonly string[] {
  const nearest = element.closest("[lang]")?.getAttribute("lang");
  if (nearest) return [nearest, ...navigator.languages];
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? languagesFor(root.host) : navigator.languages;
}
