/** What the worker and a page with an inbox say to each other, and what came with a push. Nothing happens here. */

/** What Tidings pushes. */
export interface Shown {
  /** Of the notification. */
  id: string;
  title: string;
  body: string | null;
  url: string | null;
  icon?: string;
  lang?: string;
  dir?: NotificationDirection;
}

/** To a page. "here": is there an inbox? It answers over the port that comes with it. "open": this was clicked. */
export type ToPage = { tidings: "here" } | { tidings: "open"; shown: Shown };

/** shows: somebody sees in this inbox what arrives, without a notification of the system. */
export interface Here {
  shows: boolean;
}

/** To the worker: what was clicked before this page was there? Answered by a Shown or null, over the port that comes with it. */
export interface ToWorker {
  tidings: "clicked";
}
