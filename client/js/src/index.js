/**
 * The browser client of Tickless.
 *
 * @module
 */

export { snapshotAt } from './appointments.js';
export { DisplayClock } from './display-clock.js';
export { CommandError } from './errors.js';
export { formatElapsed, formatRemaining } from './format.js';
export { onPress } from './gesture.js';
export { ServerClock } from './server-clock.js';
export { ClientEvent, SessionClient } from './session-client.js';

/** @typedef {import('./display-clock.js').ClockFace} ClockFace */
/** @typedef {import('./types.js').CommandName} CommandName */
/** @typedef {import('./types.js').ConnectionState} ConnectionState */
/** @typedef {import('./types.js').Environment} Environment */
/** @typedef {import('./types.js').SessionEvent} SessionEvent */
/** @typedef {import('./types.js').SessionState} SessionState */
/** @typedef {import('./types.js').Snapshot} Snapshot */
