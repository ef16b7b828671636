/** @tidings/client: notifications as they happen, in a browser. */

export { Refused } from "./caller";
export { connect } from "./connect";
export type {
  Change,
  Connection,
  Counts,
  Events,
  Notification,
  Options,
  Reset,
  Retracted,
  State,
  Token,
  TransportName,
  Updated,
} from "./types";
