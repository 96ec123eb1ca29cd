/**
 * In which condition a screen is, and how that is said plainly.
 *
 * Values in, values out.
 *
 * @module
 */

/** @import { ConnectionState } from '../../js/src/index.js' */

/**
 * @typedef {object} Facts
 * @property {ConnectionState} connection
 * @property {boolean} isShutOut whether the server has said that this link doesn't open it
 * @property {boolean} isThere whether there is a session to show
 * @property {boolean} wasThere
 * @property {boolean} isPatient whether it may still be about to come
 */

/** @typedef {{headline: string, text: string} | null} Notice in place of the clocks, or none */

/**
 * @param {Facts} facts
 * @returns {Notice}
 */
export function noticeOf({ connection, isShutOut, isThere, wasThere, isPatient }) {
  if (isShutOut) {
    return {
      headline: 'This link doesn’t open the session',
      text: 'It has ended, was taken back, or isn’t whole. Ask the host for a new one.',
    };
  }
  if (isThere) return null;
  if (wasThere) {
    return { headline: 'This session is gone', text: 'It was deleted. Its links lead here.' };
  }
  if (connection !== 'live') {
    if (isPatient) return { headline: 'Connecting', text: '' };
    return {
      headline: 'The server can’t be reached',
      text: 'This page goes on trying, and shows the clocks as soon as it can.',
    };
  }
  if (isPatient) return { headline: 'Connecting', text: '' };
  return {
    headline: 'There is no such session',
    text: 'It may have been deleted, or not be made yet. Should it be made, it is shown here.',
  };
}

/**
 * What the indicator says.
 *
 * @param {ConnectionState} connection
 * @param {number} errorBoundMs
 */
export function linkWords(connection, errorBoundMs) {
  if (connection === 'reconnecting') return 'Reconnecting';
  if (connection === 'connecting') return 'Connecting';
  if (connection === 'closed') return 'Not connected';
  return Number.isFinite(errorBoundMs)
    ? `Live ±${Math.max(1, Math.ceil(errorBoundMs))} ms`
    : 'Live';
}
