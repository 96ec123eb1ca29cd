/**
 * Which state of a session: numbers alone can be given twice, after a failover.
 *
 * Values in, values out. A place without anything in it is nowhere: no session.
 *
 * @module
 */

/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').Place} Place */

/** @type {(held: Held | null) => Place} */
export const placeOf = (held) =>
  held ? { epoch: held.epoch, version: held.version, updatedAt: held.state.updated_at } : {};

/** @type {(one: Place, other: Place) => boolean} */
export const isSame = (one, other) =>
  one.epoch === other.epoch && one.version === other.version && one.updatedAt === other.updatedAt;

/**
 * Whether who is at a place has nothing to learn of what was told.
 *
 * @type {(told: Place, place: Place) => boolean}
 */
export const isNoNews = (told, place) =>
  isSame(told, place) || (told.epoch === place.epoch && (told.version ?? 0) < (place.version ?? 0));
