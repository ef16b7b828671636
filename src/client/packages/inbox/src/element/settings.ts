/** A small area of switches: the order, and what the page lets a person choose. */

import type { Messages } from "../messages/messages";
import { button, h, set } from "./dom";

export interface Choice {
  /** Its words are the message of this name. */
  name: "unreadFirst" | "sound" | "desktop";
  isPossible(): boolean;
  isOn(): boolean;
  turn(isOn: boolean): void | Promise<void>;
}

export interface Settings {
  element: HTMLElement;
  render(): void;
  offer(choice: Choice): void;
}

export function createSettings(messages: Messages): Settings {
  const element = h("div", "settings", { hidden: true });
  const renders: (() => void)[] = [];
  const render = (): void => renders.forEach((one) => one());

  function offer({ name, isPossible, isOn, turn }: Choice): void {
    const toggle = button("switch", () => isPossible() && void Promise.resolve(turn(!isOn())).then(render), messages[name]);
    toggle.role = "switch";
    renders.push(() => set(toggle, { "aria-checked": String(isOn()), "aria-disabled": !isPossible() }));
    element.append(toggle);
    render();
  }

  return { element, render, offer };
}
