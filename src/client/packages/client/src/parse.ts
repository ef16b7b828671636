import type { Message } from "./types";

/**
 * Text of a stream into messages, wherever the pieces were cut (HTML standard §9.2.6).
 *
 * retry: told of the server's wish how long to wait before coming back, in milliseconds.
 */
export function parser(message: (message: Message) => void, retry: (ms: number) => void): (text: string) => void {
  let rest = "";
  let endedInReturn = false;
  let type = "";
  let id: string | null = null;
  let data: string[] = [];

  const dispatch = (): void => {
    if (data.length > 0) message({ type: type || "message", data: JSON.parse(data.join("\n")), id });
    type = "";
    id = null;
    data = [];
  };

  const field = (name: string, value: string): void => {
    if (name === "data") data.push(value);
    else if (name === "event") type = value;
    else if (name === "id") id = value;
    else if (name === "retry" && /^\d+$/.test(value)) retry(Number(value));
  };

  return (text) => {
    if (text === "") return;
    // The \n of a \r\n that was cut in two ends no second line.
    const fresh = endedInReturn && text.startsWith("\n") ? text.slice(1) : text;
    endedInReturn = text.endsWith("\r");
    const lines = (rest + fresh).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (line === "") dispatch();
      else if (colon < 0) field(line, "");
      else if (colon > 0) field(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
    }
  };
}
