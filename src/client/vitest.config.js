import { ALIASES } from "./build/places.js";

// Tests read the sources, not what was built of them.
export default { resolve: { alias: ALIASES } };
