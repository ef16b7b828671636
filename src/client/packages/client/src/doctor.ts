/** @tidings/client/doctor: what stands between this browser and Tidings, in words, with what to change. Its own entry: pages do not need it. */

export { doctor } from "./doctor/examine";
export type { Finding, FindingId, Options, Report, Severity, Unchecked } from "./doctor/report";
export type { Measured } from "./doctor/measured";
