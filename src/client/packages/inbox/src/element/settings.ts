/** A small area of switches: the order, and what the page lets a person choose. */

import type { Messages } from "../messages/messages";
import { isDesktopOn, permission, setDesktop } from "./desktop";
import { button, h, set } from "./dom";
import { choose, prefers } from "./preferences";

export interface Settings {
  element: HTMLElement;
  render(isUnreadFirst: boolean): void;
}

interface Switch {
  element: HTMLButtonElement;
  turn(isOn: boolean): void;
}

/** has: what the page offers. */
export function createSettings(messages: Messages, has: (name: string) => boolean, onUnreadFirst: (isOn: boolean) => void): Settings {
  const order = createSwitch(messages.unreadFirst, onUnreadFirst);
  const sound = createSwitch(messages.sound, (isOn) => {
    choose("quiet", !isOn);
    render();
  });
  const desktop = createSwitch(messages.desktop, (isOn) => void setDesktop(isOn).then(render));
  const element = h("div", "settings", {}, order.element);
  if (has("sound")) element.append(sound.element);
  if (has("desktop")) element.append(desktop.element);

  function render(): void {
    sound.turn(!prefers("quiet"));
    desktop.turn(isDesktopOn());
    // What was denied only the browser's own settings can allow again.
    desktop.element.disabled = (permission() ?? "denied") === "denied";
  }

  return {
    element,
    render(isUnreadFirst) {
      order.turn(isUnreadFirst);
      render();
    },
  };
}

function createSwitch(label: string, onChange: (isOn: boolean) => void): Switch {
  const isOn = (): boolean => element.ariaChecked === "true";
  const element = button("switch", () => onChange(!isOn()), label);
  element.role = "switch";
  return { element, turn: (on) => set(element, { "aria-checked": String(on) }) };
}
