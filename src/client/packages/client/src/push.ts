/** @tidings/client/push: notifications of the system while the page is closed (Push API, RFC 8030), once the person wants them. */

export { disablePush, enablePush, isPushOn, type PushOptions } from "./push/opt-in";
export { pushRegistration } from "./push/registration";
export { isPushSupported, PushUnavailable, type PushObstacle } from "./push/unavailable";
export type { Here, Shown, ToPage, ToWorker } from "./push-worker/messages";
