/**
 * Here your own back end comes in.
 *
 * It knows who is signed in. It asks Tidings for a token of that person, with its API key, which no browser may see, and hands it on:
 *
 *     POST /v1/subscribers/{the person's id}/tokens
 *     Authorization: Bearer {API key}
 *
 *     {"ttl": 900}
 */

/** Where Tidings answers: another host, as in "https://tidings.example", or behind the same proxy as the page, as here. */
export const TIDINGS_URL = location.origin;

/** Called when a token is needed, before it expires, and when it was refused. */
export async function freshToken(): Promise<string> {
  // Ask your back end instead. This is the demo's, of `make run`, which gives a token of a made-up person to everybody.
  const answer = await fetch("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ person: "ana" }),
  });
  if (!answer.ok) throw new Error(`There is no token: ${answer.status}`);
  const { token } = (await answer.json()) as { token: string };
  return token;
}
