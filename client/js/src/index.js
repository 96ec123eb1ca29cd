/**
 * The browser client of Tickless.
 *
 * @module
 */

export { DisplayClock } from './display-clock.js';
export { timeLeft, timePassed } from './format.js';
export { ServerClock } from './server-clock.js';
export { ClientEvent, CommandError, SessionClient } from './session-client.js';

/** @typedef {import('./display-clock.js').Face} Face */
/** @typedef {import('./types.js').CommandName} CommandName */
/** @typedef {import('./types.js').ConnectionState} ConnectionState */
/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').SessionEvent} SessionEvent */
/** @typedef {import('./types.js').SessionState} SessionState */
/** @typedef {import('./types.js').World} World */
